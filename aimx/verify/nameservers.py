"""The name servers of the system, as resolv.conf(5) names them by now."""

from __future__ import annotations

import os
from typing import TypeAlias

from aimx.verify.resolver import is_address
from desired.quantities import Endpoint

_PATH = "/etc/resolv.conf"
_PORT = 53
_HERE = (Endpoint("127.0.0.1", _PORT),)  # resolv.conf(5): where nobody ever was named.
_MOST = 64 * 1024  # Characters that are read.

_Seen: TypeAlias = tuple[int, ...] | None  # What tells one content of a file from another.


class SystemServers:
    """Looked up anew where the file is another: networks come and go while a server runs, and
    some come after it.
    """

    def __init__(self, path: str = _PATH) -> None:
        self._path = path
        self._seen = _seen(path)
        self._servers = _named(path) or _HERE

    def __call__(self) -> tuple[Endpoint, ...]:
        """In the order in which they are asked; at least one."""
        seen = _seen(self._path)
        if seen != self._seen:
            # Those before stay where it names nobody: it may be caught between two writes.
            self._seen, self._servers = seen, _named(self._path) or self._servers
        return self._servers


def _seen(path: str) -> _Seen:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _named(path: str) -> tuple[Endpoint, ...]:
    """A line that nobody understands hides no other."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            lines = [line.split() for line in file.read(_MOST).splitlines()]
    except OSError:
        return ()
    named = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return tuple(Endpoint(each, _PORT) for each in named if is_address(each))
