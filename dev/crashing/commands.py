"""Runs the command `aimx` in forks of this process, which has imported it, perhaps under strace."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from . import forks
from .forks import Done, Work
from .found import keys

_MADE: list[bytes] = []  # Private keys that a command takes from.


def import_for(base: Path, command: Sequence[str]) -> None:
    """Import what that command imports there, so that no later one has to."""
    work = _work(base, command)

    def begin() -> object:
        code = work.begin()
        print(json.dumps(sorted(sys.modules)))
        return code

    done = forks.done(Work(work.prepare, begin))
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
    return forks.done(_work(base, command), strace)


def _work(base: Path, command: Sequence[str]) -> Work:
    return Work(lambda: _prepare(base), lambda: _code(command))


def _prepare(base: Path) -> None:
    import aimx.cli.main  # noqa: F401 - before it is traced
    from aimx.processes import unread

    # Another process than the one that is struck: it writes nothing, and its calls would count.
    unread.count = lambda roots, inboxes: {}
    os.environ |= {
        "AIMX_CONFIG_DIR": str(base / "config"),
        "AIMX_DATA_DIR": str(base / "data"),
        "AIMX_RUNTIME_DIR": str(base / "run"),
        "AIMX_DEBUG": "1",
    }
    # What stands there is no new key.
    standing = keys(base)
    _MADE[:] = [key for key in _MADE if key not in standing]
    random.shuffle(_MADE)


def _code(command: Sequence[str]) -> object:
    from aimx.cli.main import main

    try:
        return main(command)
    except SystemExit as end:
        return end.code
