"""Work that is done in forks of this process, which has imported what it needs, under strace."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, NoReturn

_PR_SET_PTRACER, _ANYBODY = 0x59616D61, ctypes.c_ulong(-1)  # Yama's, which not every kernel has.
_GO = b"."


class UntraceableError(Exception):
    """The kernel lets no process be traced here."""


@dataclass(frozen=True)
class Work:
    """What a fork does."""

    prepare: Callable[[], None]  # Before it is traced.
    begin: Callable[[], object]  # Gives the code that it ends with.


@dataclass(frozen=True)
class Done:
    """How it ended."""

    code: int  # Negative: by this signal.
    output: str


@dataclass(frozen=True)
class _Started:
    pid: int
    go: int  # Written to, it begins; closed, it leaves.
    output: IO[bytes]


def done(work: Work, strace: Sequence[str] = ()) -> Done:
    """Let it be done to its end; with the strace that attaches before it begins."""
    child = _started(work)
    with _attached(child, strace) if strace else contextlib.nullcontext():
        return _finished(child)


@contextlib.contextmanager
def _attached(child: _Started, strace: Sequence[str]) -> Iterator[None]:
    with subprocess.Popen([*strace, "-p", str(child.pid)], stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        # Once it says this, the child is stopped before anything else that it does.
        said = tracer.stderr.readline()
        if b"attached" not in said:
            os.close(child.go)
            os.waitpid(child.pid, 0)
            raise UntraceableError(f"nothing may be traced here: {said.decode().strip()}")
        yield


def _started(work: Work) -> _Started:
    """A fork that waits for the sign to begin, and does nothing else any more."""
    waits, go = os.pipe()
    waiting, tell = os.pipe()
    output = tempfile.TemporaryFile()  # noqa: SIM115 - closed where it is read
    pid = os.fork()
    if pid == 0:
        os.close(go)
        _fork(work, waits, tell, output.fileno())
    os.close(waits)
    os.close(tell)
    # Whoever attaches before counts calls of ours as the fork's.
    os.read(waiting, 1)
    os.close(waiting)
    return _Started(pid, go, output)


def _finished(child: _Started) -> Done:
    os.write(child.go, _GO)
    os.close(child.go)
    _, status = os.waitpid(child.pid, 0)
    with child.output:
        child.output.seek(0)
        output = child.output.read().decode(errors="replace")
    return Done(os.waitstatus_to_exitcode(status), output)


def _fork(work: Work, waits: int, tell: int, output: int) -> NoReturn:
    code: object = 1
    try:
        code = _ended(work, waits, tell, output)
    except Exception:  # noqa: BLE001 - nobody is above us
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _ended(work: Work, waits: int, tell: int, output: int) -> object:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    os.chdir("/")
    # With one processor a command takes one step at a time.
    os.sched_setaffinity(0, {random.choice(sorted(os.sched_getaffinity(0)))})
    work.prepare()
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY, 0, 0, 0)
    os.write(tell, _GO)
    os.close(tell)
    return work.begin() if os.read(waits, 1) == _GO else 1
