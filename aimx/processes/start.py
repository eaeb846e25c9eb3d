"""How a process of the engine is started, and what it does first.

It is a fresh interpreter, never a fork that goes on: with only the descriptors that it needs, and
still root until it has loaded what it will need. It leaves by itself when its control channel
ends.
"""

from __future__ import annotations

import os
import re
import signal
import site
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

import structlog

import aimx
from aimx import logs
from aimx.channel.packets import Channel, Kind
from aimx.processes.lazy import LazyError, probe, warm_up
from aimx.processes.privileges import PrivilegeError, drop, harden
from desired.frozen import frozen

# A worker gets these variables, and none that might hold a secret of the operator.
_VARIABLES = re.compile(
    r"PATH|TZ|LANG|LC_[A-Z]+|LD_LIBRARY_PATH|SSL_CERT_(FILE|DIR)|AIMX_(LOG|TEST_MAIL_DROP)"
    r"|PYTHON(HOME|PATH|WARNINGS|DEVMODE|MALLOC|UNBUFFERED)"
)
_ARGUMENT = re.compile(r"([a-z][a-z-]*)=(\d+)")
_STDERR = 2
_LARGE = 512 * 1024  # Octets that are given back to the system as soon as they are free.

log = structlog.get_logger()


def _code() -> str:
    """Digits that tell this code on disk from what an upgrade puts in its place."""
    # Not by its inode: there are file systems that number a file anew each time.
    return str(os.stat(aimx.__file__).st_mtime_ns)


_CODE = _code()  # When we started, and not when a worker does.


class User(Protocol):
    """A Linux user, by numbers."""

    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...


class StartError(Exception):
    """A worker cannot do its work here. Says why, and what to do."""


@frozen
class Identity:
    """Who a worker must become."""

    uid: int
    gid: int


@frozen
class Arrival:
    """What a worker was started with. The descriptors are its own."""

    role: str
    descriptors: Mapping[str, int]
    user: Identity | None  # None: it stays who it is.

    def channel(self, name: str, kind: Kind = Kind.CONTROL) -> Channel:
        return Channel.of(self.descriptors[name], kind)


def start(
    role: str,
    descriptors: Mapping[str, int],
    user: User | None,
    package: str = "aimx.processes",
) -> subprocess.Popen[bytes]:
    """Run the package's module of that name in a new process, to become that user there.

    The descriptors stay the caller's, who closes its copies: a channel ends only when every copy
    of its other end is closed. What the worker prints comes out of our standard error.
    """
    arguments = [f"{name}={descriptor}" for name, descriptor in descriptors.items()]
    arguments.append(f"code={_CODE}")
    if user is not None:
        arguments += (f"uid={user.uid}", f"gid={user.gid}")
    return subprocess.Popen(  # noqa: S603 - the words are ours
        # -P: what lies in the current directory is not ours to import.
        [sys.executable, "-P", "-m", f"{package}.{role}", *arguments],
        pass_fds=tuple(descriptors.values()),
        stdin=subprocess.DEVNULL,
        stdout=_STDERR,
        cwd="/",
        env=environment(os.environ),
    )


def run(role: str, serve: Callable[[Arrival], None]) -> None:
    """The body of a worker's main: arrive, serve, and say in one line why it could not start."""
    logs.configure()
    try:
        serve(arrive(role))
    except StartError as failure:
        # The line says it all; a traceback would only hide it.
        log.critical("worker cannot start", role=role, reason=str(failure))
        sys.exit(os.EX_CONFIG)


def arrive(role: str, arguments: Iterable[str] | None = None) -> Arrival:
    """Called first in a worker: what `start` gave it.

    These signals are the supervisor's to hear: a terminal and a service manager send them to
    everybody, and a worker that left on its own would drop what the supervisor still drains.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    words = [_ARGUMENT.fullmatch(word) for word in (arguments or sys.argv[1:])]
    numbers = {word[1]: int(word[2]) for word in words if word is not None}
    uid, gid = numbers.pop("uid", None), numbers.pop("gid", None)
    code = numbers.pop("code", None)
    if not numbers or None in words:
        raise StartError(f"the {role} process is started by `aimx serve`, and not by hand")
    if code is not None and code != int(_CODE):
        # Old and new code would not understand each other, or worse, would.
        raise StartError(
            f"aimx in {Path(aimx.__file__).parent} is another than when the daemon started:"
            " restart the daemon"
        )
    for descriptor in numbers.values():
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - it has no other name
    user = None if uid is None or gid is None else Identity(uid, gid)
    return Arrival(role, numbers, user)


def settle_in(arrival: Arrival, packages: Iterable[str] = ()) -> None:
    """Load what is needed, become the user, harden, and see that everything still works.

    `packages` are loaded with all that is below them, beside the list that every worker has.
    """
    try:
        warm_up(packages)
        if arrival.user is not None:
            drop(arrival.user.uid, arrival.user.gid)
        harden()
        probe()
    except (PrivilegeError, LazyError, ImportError, OSError) as cause:
        raise StartError(
            f"the {arrival.role} process cannot run as uid {os.getuid()}: {cause}. Install aimx"
            f" and its Python system-wide, where every user may read them ({sys.prefix} is used"
            " now), and restart it"
        ) from cause


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    environment = {name: value for name, value in ours.items() if _VARIABLES.fullmatch(name)}
    root = Path(__file__).resolve().parents[2]
    # Otherwise what a large message took would stay with the process for good (mallopt(3)).
    environment |= {"MALLOC_MMAP_THRESHOLD_": str(_LARGE), "MALLOC_ARENA_MAX": "2"}
    if root not in map(Path.resolve, map(Path, _installed())):
        # A checkout, which the new interpreter would not find by itself.
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{root}{os.pathsep}{known}" if known else str(root)
    return environment


def _installed() -> list[str]:
    """Where every interpreter like ours looks by itself."""
    return [*site.getsitepackages(), site.getusersitepackages()]
