"""What a process and all below it have used, read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """In MB. A page that several processes share counts once in `shared_out`."""

    processes: int
    resident: float
    shared_out: float | None  # None: only root may know.


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def cpu_seconds(pid: int) -> float:
    """Of all that live, and of those that were waited for."""
    spent = 0
    for each in tree(pid):
        fields = _stat(each)
        spent += sum(map(int, fields[11:15]))
    return spent / TICKS


def memory(pid: int, *, shares: bool = True) -> Memory:
    """As it is now. What is shared takes a while to find out."""
    pids = tree(pid)
    resident = sum(_kilobytes(PROC / str(each) / "status", "VmRSS:") or 0 for each in pids)
    found = [_kilobytes(PROC / str(each) / "smaps_rollup", "Pss:") for each in pids if shares]
    known = [share for share in found if share is not None]
    shared_out = sum(known) / 1024 if len(known) == len(pids) else None
    return Memory(len(pids), resident / 1024, shared_out)


def _stat(pid: int) -> list[str]:
    """The fields behind the name, from the state on; none where the process has gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _kilobytes(path: Path, key: str) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), None)
