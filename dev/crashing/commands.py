"""Runs the command `aimx` in forks of this process, which has imported it, perhaps under strace."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from .found import keys

_PR_SET_PTRACER, _ANYBODY = 0x59616D61, ctypes.c_ulong(-1)  # Yama's, which not every kernel has.
_GO = b"."
_MADE: list[bytes] = []  # Private keys that a command takes from.


class UntraceableError(Exception):
    """The kernel lets no process be traced here."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int  # Negative: by this signal.
    output: str


@dataclass(frozen=True)
class _Started:
    pid: int
    go: int  # Written to, it begins; closed, it leaves.
    output: IO[bytes]


def import_for(base: Path, command: Sequence[str]) -> None:
    """Import what that command imports there, so that no later one has to."""
    done = _finished(_started(base, command, tell_modules=True))
    assert done.code == 0, done.output
    for name in json.loads(done.output.splitlines()[-1]):
        with contextlib.suppress(ImportError):  # `__main__` and what modules made up.
            importlib.import_module(name)


def make_keys(number: int) -> None:
    """Make private keys beforehand, where most of a command's time would go."""
    from reconcilers.host import keys as making

    _MADE.extend(making.new_private_key() for _ in range(number))
    fresh = making.new_private_key

    def ready(algorithm: str = "rsa-sha256") -> bytes:
        return _MADE.pop() if algorithm == "rsa-sha256" else fresh(algorithm)

    making.new_private_key = ready


def run(base: Path, command: Sequence[str], strace: Sequence[str] = ()) -> Done:
    """Run a command on the instance to its end; with the strace that attaches before it begins."""
    child = _started(base, command)
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


def _started(base: Path, command: Sequence[str], *, tell_modules: bool = False) -> _Started:
    """A fork that waits for the sign to begin, and does nothing else any more."""
    waits, go = os.pipe()
    waiting, tell = os.pipe()
    output = tempfile.TemporaryFile()  # noqa: SIM115 - closed where it is read
    pid = os.fork()
    if pid == 0:
        os.close(go)
        _command(base, command, waits, tell, output.fileno(), tell_modules=tell_modules)
    os.close(waits)
    os.close(tell)
    # Whoever attaches before counts calls of ours as the command's.
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


def _command(
    base: Path, command: Sequence[str], waits: int, tell: int, output: int, *, tell_modules: bool
) -> NoReturn:
    code: object = 1
    try:
        code = _ended(base, command, waits, tell, output)
        if tell_modules:
            print(json.dumps(sorted(sys.modules)))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 1)


def _ended(base: Path, command: Sequence[str], waits: int, tell: int, output: int) -> object:
    """The code that the command ends with."""
    from aimx.cli.main import main
    from aimx.processes import unread

    # Another process than the one that is struck: it writes nothing, and its calls would count.
    unread.count = lambda roots, inboxes: {}
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    os.environ |= {
        "AIMX_CONFIG_DIR": str(base / "config"),
        "AIMX_DATA_DIR": str(base / "data"),
        "AIMX_RUNTIME_DIR": str(base / "run"),
        "AIMX_DEBUG": "1",
    }
    os.chdir("/")
    # With one processor a command takes one step at a time.
    os.sched_setaffinity(0, {random.choice(sorted(os.sched_getaffinity(0)))})
    # What stands there is no new key.
    standing = keys(base)
    _MADE[:] = [key for key in _MADE if key not in standing]
    random.shuffle(_MADE)
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY, 0, 0, 0)
    os.write(tell, _GO)
    os.close(tell)
    if os.read(waits, 1) != _GO:
        return 1
    try:
        return main(command)
    except SystemExit as end:
        return end.code
