"""A Postfix of one's own: Debian's, in a directory of its own, on ports of this machine.

Its durability is its default: the queue file is flushed, and so is each file of a Maildir.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

COMMAND = Path("/usr/sbin/postfix")
SHIPPED = Path("/etc/postfix")
SERVICES = SHIPPED / "master.cf.proto"
_SECONDS = 60  # To start, or to stop.


def is_there() -> bool:
    """Installed, and we may start it: its master runs as root alone."""
    return COMMAND.exists() and SERVICES.exists() and os.geteuid() == 0


@contextmanager
def postfix(
    root: Path, settings: Mapping[str, str], doors: Mapping[int, Sequence[str]]
) -> Iterator[Path]:
    """Runs below `root`, which users other than root have to be able to enter; gives its config.

    `settings` stand in its main.cf. `doors` are its ports on 127.0.0.1, each with what holds for
    that one, such as `smtputf8_enable=no`. Its log is `root/log`, and mail for nobody's user may be
    kept below `root/mail`.
    """
    etc = root / "etc"
    for name in ("etc", "queue", "data", "mail"):
        (root / name).mkdir(parents=True)
    os.chown(root / "data", pwd.getpwnam("postfix").pw_uid, -1)
    nobody = pwd.getpwnam("nobody")
    os.chown(root / "mail", nobody.pw_uid, nobody.pw_gid)
    for name in ("postfix-files", "dynamicmaps.cf"):
        if (SHIPPED / name).exists():
            shutil.copy(SHIPPED / name, etc)
    told = _everywhere(root) | {
        "virtual_uid_maps": f"static:{nobody.pw_uid}",
        "virtual_gid_maps": f"static:{nobody.pw_gid}",
        **settings,
    }
    (etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in told.items()))
    (etc / "master.cf").write_text("".join(f"{line}\n" for line in _services(doors)))
    _tell(etc, "start")
    try:
        yield etc
    finally:
        _tell(etc, "stop")


def _everywhere(root: Path) -> dict[str, str]:
    return {
        "compatibility_level": "3.6",
        "multi_instance_name": "postfix-aimx",
        "queue_directory": f"{root}/queue",
        "data_directory": f"{root}/data",
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "mydestination": "",
        "alias_maps": "",
        "virtual_mailbox_base": f"{root}/mail",
        "maillog_file": f"{root}/log",
        "maillog_file_prefixes": f"{root}",
    }


def _services(doors: Mapping[int, Sequence[str]]) -> Iterable[str]:
    """The lines of master.cf: as shipped, with our ports instead of 25 and nothing in a chroot."""
    for line in SERVICES.read_text().splitlines():
        fields = line.split()
        if not fields or line.startswith(("#", " ", "\t")):
            yield line
        elif fields[:2] != ["smtp", "inet"]:
            yield " ".join([*fields[:4], "n", *fields[5:]])
    for port, holding in doors.items():
        yield f"127.0.0.1:{port} inet n - n - - smtpd"
        yield from (f"  -o {each}" for each in holding)


def _tell(etc: Path, what: str) -> None:
    command = [str(COMMAND), "-c", str(etc), what]
    subprocess.run(  # noqa: S603 - the words are ours
        command, check=True, capture_output=True, timeout=_SECONDS
    )
