"""Keeps a hook in its time, and leaves none of its processes behind.

It is their ancestor for as long as one of them is left, as root where the hook has an owner of
its own, who cannot end it. It goes on should the server die: no hook runs longer than it may.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from dataclasses import dataclass
from typing import NoReturn

from aimx.processes import descendants

_HEARD = (signal.SIGCHLD, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Kept:
    status: int  # As `waitpid` gives it.
    timed_out: bool


def listen() -> None:
    """Before the hook is forked: signals wait until they are asked for."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)


def keep(leader: int, seconds: float, grace: float) -> Kept:
    """Until the leader ends, its time is over, or SIGTERM asks for its end; then end all.

    Who is left gets SIGTERM first, and SIGKILL after the grace.
    """
    _let_go_of_streams()
    deadline = time.monotonic() + seconds
    asked = False
    while not asked and not descendants.has_ended(leader) and deadline > time.monotonic():
        asked = _wait(deadline)
        descendants.alive(leader)
    timed_out = not asked and not descendants.has_ended(leader)
    deadline = time.monotonic() + grace
    descendants.tell(descendants.alive(leader), signal.SIGTERM)
    while descendants.alive(leader) and deadline > time.monotonic():
        _wait(deadline)
    descendants.end(leader)
    return Kept(os.waitpid(leader, 0)[1], timed_out)


def leave(kept: Kept) -> NoReturn:
    """End as the leader did: with its code, or by the signal that it ended by."""
    if os.WIFSIGNALED(kept.status):
        number = os.WTERMSIG(kept.status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(abs(os.waitstatus_to_exitcode(kept.status)))


def _wait(deadline: float) -> bool:
    """Until something ends or the time is over; whether SIGTERM came."""
    found = signal.sigtimedwait(_HEARD, max(0.0, deadline - time.monotonic()))
    return found is not None and found.si_signo == signal.SIGTERM


def _let_go_of_streams() -> None:
    """They are the hook's: whoever reads them must see when it has closed them."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)
