"""The system calls of a command that change something below an instance's directories.

A point is one of them, named by the call and its number among all calls of that name, since that is
how strace injects. (Its own filter by path would need the names of files that are not there yet.)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .calls import Call, calls

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

# What changes nothing, and has to be known to tell what the others change.
FOLLOWED = ("fcntl", "setfsuid", "setfsgid")

# How strace is told. A signal is delivered before the call that it is sent for.
_INJECTED = {"kill": "signal=SIGKILL", "enospc": "error=ENOSPC", "eio": "error=EIO"}
_FOR_A_REPLAY = ["-xx", "-s", str(1 << 24)]  # Whatever is written, unabridged.


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
    return [*_strace(log, (*CALLS, *FOLLOWED)), *_FOR_A_REPLAY]


def injecting(log: Path, point: Point, fault: str) -> list[str]:
    """The strace that lets the fault befall the point."""
    return [*_strace(log, [point.call]), *_injected(point, fault)]


def listing_until(log: Path, point: Point, fault: str) -> list[str]:
    """The same, with all calls in the log."""
    return [*listing(log), *_injected(point, fault)]


def _injected(point: Point, fault: str) -> list[str]:
    return ["-e", f"inject={point.call}:{_INJECTED[fault]}:when={point.number}"]


def _strace(log: Path, names: Sequence[str]) -> list[str]:
    # A question mark: not every machine has every one of them.
    traced = "trace=" + ",".join(f"?{name}" for name in names)
    return ["strace", "-f", "-y", "-o", str(log), "-e", "signal=none", "-e", traced]


def points(log: Path, base: Path) -> list[Point]:
    """The calls that change something, in order."""
    return [point for _, point in with_points(log, base) if point is not None]


def with_points(log: Path, base: Path) -> Iterator[tuple[Call, Point | None]]:
    """Every call, with the point that it is, if it changes something."""
    counted: Counter[str] = Counter()
    processes = set()
    for call in calls(log):
        processes.add(call.process)
        counted[call.name] += 1
        if _changes(call, base):
            yield call, Point(call.name, counted[call.name], _shown(call, base))
        else:
            yield call, None
    assert len(processes) <= 1, "strace counts the calls of each thread apart"


def missed(log: Path, base: Path, point: Point) -> str:
    """Why what was struck is not what was meant, if so."""
    found = [call for call in calls(log) if call.name == point.call]
    if len(found) < point.number:
        return f"there were only {len(found)} calls of {point.call}"
    struck = found[point.number - 1]
    return "" if _changes(struck, base) else f"another call was struck: {_shown(struck, base)}"


def _changes(call: Call, base: Path) -> bool:
    if call.name in FOLLOWED:
        return False
    arguments = call.readable
    if call.name in OPENING and not re.search(r"O_CREAT|O_TRUNC|O_TMPFILE", arguments):
        return False
    if call.name in WRITING:
        return re.match(rf"\d+<{re.escape(str(base))}/", arguments) is not None
    ours = f"{base}/" in arguments or f"{base}>" in arguments
    return ours or "/proc/self/fd/" in arguments or call.name in {"sync", "syncfs"}


def _shown(call: Call, base: Path) -> str:
    shown = f"{call.name}({call.readable}".replace(str(base), "")
    return "".join(each if each.isprintable() else " " for each in shown)[:160]
