"""All processes that came of this one, also those that left their group and their session.

Whoever loses its parent becomes this process's child, so nobody gets out from below it. That needs
no rights and no cgroup, and changes nothing that the processes see.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import suppress

from aimx.processes.privileges import PrivilegeError

_PR_SET_CHILD_SUBREAPER = 36


def adopt() -> None:
    """From now on; raises `PrivilegeError` where the kernel cannot, or does not tell of whom."""
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise PrivilegeError("the kernel lets nobody take in orphaned processes")
    if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        raise PrivilegeError("/proc does not tell the children of a process")


def alive(leader: int) -> list[int]:
    """All of them, parents before children, but for the leader if that has ended.

    Who has ended is reaped. The leader is not, since its number is also its group's.
    """
    found = [pid for pid in _children(os.getpid()) if not _is_over(pid, leader)]
    for pid in found:  # Which grows meanwhile.
        found.extend(_children(pid))
    return found


def _is_over(child: int, leader: int) -> bool:
    if child == leader:
        return has_ended(leader)
    try:
        return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG) is not None
    except ChildProcessError:
        return True


def has_ended(leader: int) -> bool:
    return os.waitid(os.P_PID, leader, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def tell(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def end(leader: int) -> None:
    """Kill until none is left, however fast they multiply."""
    # Where they are many, whoever shares the processor with them comes too late.
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    # A whole group at a single blow, in which nobody forks.
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    while found := alive(leader):
        stopped: set[int] = set()
        # Who has stopped does not fork. One that gets away is met again the next time round.
        while new := [pid for pid in found if pid not in stopped]:
            tell(new, signal.SIGSTOP)
            stopped.update(new)
            found = alive(leader)
        # Children first: a stopped process whose parent ends would be continued.
        tell(found[::-1], signal.SIGKILL)


def _children(pid: int) -> Iterator[int]:
    """As the kernel has them now; nothing of a process that is gone."""
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                yield from map(int, file.read().split())
