"""Linux users for as long as a test takes."""

from __future__ import annotations

import fcntl
import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

_LOCK = "/run/lock/aimx-test-accounts"


@contextmanager
def accounts(*names: str, groups: Sequence[str] = ()) -> Iterator[list[pwd.struct_passwd]]:
    """Make them, each with a group of its own and in these as well, and take them away again."""
    with ExitStack() as after:
        for name in names:
            more = ["--groups", ",".join(groups)] if groups else []
            _change("useradd", "--no-create-home", "--user-group", *more, name)
            # Whose processes are about to end may be taken away too.
            after.callback(_change, "userdel", "--force", name)
        yield [pwd.getpwnam(name) for name in names]


def _change(*command: str) -> None:
    # Two test processes at once would find the account files locked.
    lock = os.open(_LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - the words are ours
    finally:
        os.close(lock)
