"""The system calls of a command that change something below an instance's directories.

A point is one of them, named by the call and its number among all calls of that name, since that is
how strace injects. (Its own filter by path would need the names of files that are not there yet.)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

OPENING = ("open", "openat", "openat2", "creat")
WRITING = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
CALLS = (
    *OPENING,
    *WRITING,
    *("sendfile", "copy_file_range", "fallocate", "ftruncate", "truncate"),
    *("mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "mknod", "mknodat"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat"),
    *("utimensat", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "fremovexattr"),
    *("fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync"),
)

# How strace is told. A signal is delivered before the call that it is sent for.
FAULTS = {"kill": "signal=SIGKILL", "enospc": "error=ENOSPC", "eio": "error=EIO"}

_CALL = re.compile(r"(\d+) +(\w+)\((.*)")


@dataclass(frozen=True, order=True)
class Point:
    """A call that changes something."""

    call: str
    number: int
    does: str = field(compare=False)  # As strace shows it, for the report.

    def __str__(self) -> str:
        return f"{self.call}:{self.number}"


def listing(log: Path) -> list[str]:
    """The strace that writes all calls that may change something into the log."""
    return _strace(log, CALLS)


def injecting(log: Path, point: Point, fault: str) -> list[str]:
    """The strace that lets the fault befall the point."""
    inject = f"inject={point.call}:{FAULTS[fault]}:when={point.number}"
    return [*_strace(log, [point.call]), "-e", inject]


def _strace(log: Path, names: Sequence[str]) -> list[str]:
    # A question mark: not every machine has every one of them.
    traced = "trace=" + ",".join(f"?{name}" for name in names)
    return ["strace", "-f", "-y", "-o", str(log), "-e", "signal=none", "-e", traced]


def points(log: Path, base: Path) -> list[Point]:
    """The calls that change something, in order."""
    counted: Counter[str] = Counter()
    found, processes = [], set()
    for line in log.read_text(errors="replace").splitlines():
        if parsed := _CALL.match(line):
            process, call, arguments = parsed.groups()
            processes.add(process)
            counted[call] += 1
            if _changes(call, arguments, base):
                found.append(Point(call, counted[call], _shown(call, arguments, base)))
    assert len(processes) == 1, "strace counts the calls of each thread apart"
    return found


def missed(log: Path, base: Path, point: Point) -> str:
    """Why what was struck is not what was meant, if so."""
    calls = [line for line in log.read_text(errors="replace").splitlines() if _CALL.match(line)]
    if len(calls) < point.number:
        return f"there were only {len(calls)} calls of {point.call}"
    parsed = _CALL.match(calls[point.number - 1])
    assert parsed is not None
    if _changes(parsed[2], parsed[3], base):
        return ""
    return f"another call was struck: {_shown(parsed[2], parsed[3], base)}"


def _changes(call: str, arguments: str, base: Path) -> bool:
    if call in OPENING and not re.search(r"O_CREAT|O_TRUNC|O_TMPFILE", arguments):
        return False
    if call in WRITING:
        return re.match(rf"\d+<{re.escape(str(base))}/", arguments) is not None
    ours = f"{base}/" in arguments or f"{base}>" in arguments
    return ours or "/proc/self/fd/" in arguments or call in {"sync", "syncfs"}


def _shown(call: str, arguments: str, base: Path) -> str:
    return f"{call}({arguments}".replace(str(base), "")[:160]
