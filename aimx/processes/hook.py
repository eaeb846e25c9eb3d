"""What becomes a hook: started as root, it becomes the mailbox's owner and execs the command.

Whatever fails is said on the status descriptor, and the command does not run; exec closes it.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Mapping
from typing import NoReturn

from aimx.processes.privileges import PrivilegeError, drop

VARIABLES = frozenset(
    f"AIMX_{name}"
    for name in (
        *("HOOK_NAME", "EVENT", "MAILBOX", "FROM", "TO", "SUBJECT", "FILEPATH", "MESSAGE_ID"),
        *("ID", "DATE", "SEND_STATUS"),
    )
)
_PR_SET_NO_NEW_PRIVS = 38


def main(arguments: list[str]) -> NoReturn:
    """`status uid owner path command...`: `path` is the command's PATH."""
    status, uid, owner, path, *command = arguments
    descriptor = int(status)
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - it has no other name
    try:
        home = _become(owner, int(uid))
        _tidy()
        # The interpreter's own variables are none of the hook's.
        environment = _environment(os.environ, path, home)
        os.execve(command[0], command, environment)  # noqa: S606 - without a shell is the point
    except (PrivilegeError, OSError, AttributeError) as cause:
        os.write(descriptor, str(cause).encode(errors="replace"))
    sys.exit(os.EX_CONFIG)


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


def _tidy() -> None:
    """Nothing of ours is left to the hook, and no program gives it more than its owner has."""
    if ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise PrivilegeError("no_new_privs is refused")
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
