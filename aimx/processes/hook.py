"""What starts a hook: a process of its own becomes the mailbox's owner and execs the command.

Whatever fails is said on the status descriptor, and the command does not run. Who started it stays
and keeps it.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Mapping
from typing import NoReturn

from aimx.processes import descendants, keeper
from aimx.processes.privileges import PrivilegeError, drop

VARIABLES = frozenset(
    f"AIMX_{name}"
    for name in (
        *("HOOK_NAME", "EVENT", "MAILBOX", "FROM", "TO", "SUBJECT", "FILEPATH", "MESSAGE_ID"),
        *("ID", "DATE", "SEND_STATUS"),
    )
)
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38

TIMED_OUT = b"\0"  # Said at the end, of a command that ran.


def main(arguments: list[str]) -> NoReturn:
    """`status uid owner path seconds grace command...`: `path` is the command's PATH."""
    status, uid, owner, path, seconds, grace, *command = arguments
    descriptor = int(status)
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - it has no other name
    try:
        descendants.adopt()
        keeper.listen()
        leader = os.fork()
        if leader == 0:
            _run(command, owner, int(uid), path)
    except (PrivilegeError, OSError, AttributeError, ValueError) as cause:
        os.write(descriptor, str(cause).encode(errors="replace"))
        os._exit(os.EX_CONFIG)
    kept = keeper.keep(leader, float(seconds), float(grace))
    if kept.timed_out:
        os.write(descriptor, TIMED_OUT)
    keeper.leave(kept)


def _run(command: list[str], owner: str, uid: int, path: str) -> NoReturn:
    keeper_of_it = os.getppid()
    os.setsid()
    home = _become(owner, uid)
    _tidy(keeper_of_it)
    # The interpreter's own variables are none of the hook's.
    environment = _environment(os.environ, path, home)
    os.execve(command[0], command, environment)  # noqa: S606 - without a shell is the point


def _become(owner: str, uid: int) -> str:
    """Become the owner for good, in all his groups; gives his home."""
    try:
        account = pwd.getpwnam(owner)
    except KeyError:
        raise PrivilegeError(f"the user {owner} does not exist any more") from None
    if account.pw_uid != uid:
        raise PrivilegeError(f"{owner} is uid {account.pw_uid}, and the mailbox is uid {uid}'s")
    if os.geteuid() != 0:
        drop(uid, os.getgid())
    elif uid == 0:
        raise PrivilegeError("root runs no hooks")
    else:
        drop(uid, account.pw_gid, os.getgrouplist(owner, account.pw_gid))
    return account.pw_dir


def _tidy(kept_by: int) -> None:
    """Nothing of ours is left to the hook, and no program gives it more than its owner has."""
    libc = ctypes.CDLL(None)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise PrivilegeError("no_new_privs is refused")
    # Without who keeps it in its time, it does not run.
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != kept_by:
        raise PrivilegeError("who keeps it is gone")
    os.chdir("/")
    os.umask(0o077)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # Python ignores some, and whoever started the server may have had it ignore others (nohup).
    for number in signal.valid_signals():
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)


def _environment(ours: Mapping[str, str], path: str, home: str) -> dict[str, str]:
    told = {name: value for name, value in ours.items() if name in VARIABLES}
    return {"PATH": path, "HOME": home, **told}


if __name__ == "__main__":
    main(sys.argv[1:])
