"""What a Postfix makes of addresses beyond ASCII: one that takes them, and one that does not."""

import asyncio
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from aimx.outbound.deliver import Direct
from aimx.outbound.delivery import Outgoing
from aimx.outbound.outcome import Delivered, Failed, Outcome
from aimx.outbound.session import Manners
from aimx.testing.ports import ReservedPort
from aimx.testing.zone import Zone, ZoneResolver

COMMAND, SHIPPED = Path("/usr/sbin/postfix"), Path("/etc/postfix")
PROTO = SHIPPED / "master.cf.proto"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: Postfix's master runs as root alone"),
    pytest.mark.skipif(not PROTO.exists(), reason="needs Postfix"),
]

MAIN = """compatibility_level = 3.6
multi_instance_name = postfix-test
queue_directory = {root}/queue
data_directory = {root}/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.c.example
mydestination =
alias_maps =
virtual_mailbox_domains = c.example
virtual_mailbox_maps = static:anybody
virtual_transport = discard:
smtputf8_enable = yes
maillog_file = {root}/log
maillog_file_prefixes = {root}
"""
ZONE = Zone({"c.example": {"MX": "10 mx.c.example"}, "mx.c.example": {"A": "127.0.0.1"}})


def configure(root: Path, able: int, unable: int) -> Path:
    """Nothing in a chroot, and two ports: with SMTPUTF8 and without."""
    etc = root / "etc"
    for directory in (etc, root / "data", root / "queue"):
        directory.mkdir()
    os.chown(root / "data", pwd.getpwnam("postfix").pw_uid, -1)
    for name in ("postfix-files", "dynamicmaps.cf"):
        if (SHIPPED / name).exists():
            shutil.copy(SHIPPED / name, etc)
    (etc / "main.cf").write_text(MAIN.format(root=root))
    services = []
    for line in PROTO.read_text().splitlines():
        fields = line.split()
        if not fields or line.startswith(("#", " ", "\t")) or fields[:2] == ["smtp", "inet"]:
            continue
        fields[4] = "n"
        services.append(" ".join(fields))
    services += [
        f"127.0.0.1:{able} inet n - n - - smtpd",
        f"127.0.0.1:{unable} inet n - n - - smtpd",
        "  -o smtputf8_enable=no -o smtpd_discard_ehlo_keywords=smtputf8",
    ]
    (etc / "master.cf").write_text("\n".join(services) + "\n")
    return etc


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    """Of a Postfix that is started for this: with SMTPUTF8, and without."""
    with TemporaryDirectory(dir="/var/tmp") as name, ReservedPort() as able:
        root = Path(name)
        root.chmod(0o755)
        with ReservedPort() as unable:
            etc = configure(root, able.number, unable.number)
            subprocess.run([COMMAND, "-c", etc, "start"], check=True, capture_output=True)
            try:
                yield able.number, unable.number
            finally:
                subprocess.run([COMMAND, "-c", etc, "stop"], check=True, capture_output=True)


def send(port: int, *recipients: str, shown: bool) -> list[Outcome]:
    """With the first of them in its header, if that is `shown`."""
    to = recipients[0] if shown else "bob@c.example"
    outgoing = Outgoing(
        "info@a.example",
        recipients,
        f"From: info@a.example\r\nTo: {to}\r\nSubject: x\r\n\r\nhi\r\n".encode(),
        "a@b",
        is_international=not to.isascii(),
    )
    direct = Direct(ZoneResolver(ZONE), Manners("mail.a.example", port, 20.0), random=Random(1))
    return list(asyncio.run(direct.deliver(outgoing)).outcomes.values())


def test_postfix_takes_a_message_that_shows_an_address_beyond_ascii(ports):
    (told,) = send(ports[0], "jürgen@c.example", shown=True)

    assert isinstance(told, Delivered)


def test_postfix_takes_a_blind_copy_to_one_and_to_others(ports):
    told = send(ports[0], "jürgen@c.example", "bob@c.example", shown=False)

    assert {type(each) for each in told} == {Delivered}


def test_a_postfix_without_smtputf8_gets_the_others_alone(ports):
    blind = send(ports[1], "jürgen@c.example", "bob@c.example", shown=False)
    shown = send(ports[1], "jürgen@c.example", "bob@c.example", shown=True)

    assert [type(each) for each in blind] == [Failed, Delivered]
    assert [type(each) for each in shown] == [Failed, Failed]
    assert isinstance(blind[0], Failed)
    assert "SMTPUTF8, 5.6.7" in blind[0].reason
