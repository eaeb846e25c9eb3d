"""What a Postfix makes of addresses beyond ASCII: one that takes them, and one that does not."""

import asyncio
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
from aimx.testing.postfix import is_there, postfix
from aimx.testing.zone import Zone, ZoneResolver

pytestmark = pytest.mark.skipif(not is_there(), reason="needs root and a Postfix to start")

ZONE = Zone({"c.example": {"MX": "10 mx.c.example"}, "mx.c.example": {"A": "127.0.0.1"}})


SETTINGS = {
    "myhostname": "mx.c.example",
    "virtual_mailbox_domains": "c.example",
    "virtual_mailbox_maps": "static:anybody",
    "virtual_transport": "discard:",
    "smtputf8_enable": "yes",
}
WITHOUT = ("smtputf8_enable=no", "smtpd_discard_ehlo_keywords=smtputf8")


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    """Of a Postfix that is started for this: with SMTPUTF8, and without."""
    with (
        TemporaryDirectory(dir="/var/tmp") as name,
        ReservedPort() as able,
        ReservedPort() as unable,
    ):
        root = Path(name)
        root.chmod(0o755)
        with postfix(root / "postfix", SETTINGS, {able.number: (), unable.number: WITHOUT}):
            yield able.number, unable.number


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
