"""The users of this machine."""

from __future__ import annotations

import os
import pwd

from reconcilers.host.host import Account


def user() -> Account:
    """Whose files we make."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # Containers run under users that have no name.
        name = str(uid)
    return Account(name, uid, os.getegid())


def account(name: str) -> Account | None:
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(found.pw_name, found.pw_uid, found.pw_gid)
