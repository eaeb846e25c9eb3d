"""The directory where an instance keeps its own records, made by the first who needs it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePosixPath

from desired.engine_config import header
from reconcilers.host.host import Access, Host, Nature, Reading, ReconcileError, UnseenError
from reconcilers.roots import Roots


class GoneError(ReconcileError):
    """What was applied is not where it was left: its disk may not be mounted."""


def private_file(host: Host) -> Access:
    """Who may read a record: we alone."""
    return _ours(host, 0o600)


def private_directory(host: Host) -> Access:
    """Who may enter a directory of records: we alone."""
    return _ours(host, 0o700)


def require_ours(host: Reading, roots: Roots) -> None:
    """Raises `ReconcileError` where the instance is somebody else's.

    Root may write everywhere, and would take a rootless instance away from its user bit by bit.
    """
    ours, owners = host.user().uid, set()
    with suppress(UnseenError):
        # Applies alone write both, and below different roots: no slip gives both away.
        owners = {
            found and found.uid for found in map(host.look, (roots.engine_config, roots.state))
        }
    if len(owners) == 1 and (uid := owners.pop()) not in (None, ours):
        theirs = f"`sudo -u '#{uid}'`" if uid else "`sudo`"
        raise ReconcileError(
            f"{roots.data}: the instance belongs to uid {uid}, not to uid {ours}. Run this as that"
            f" user, such as with {theirs}, or change the owner of all of it first."
        )


def is_ours(host: Reading, path: PurePosixPath) -> bool:
    """Whether it is a file that nobody but us can have written; raises `UnseenError`."""
    entry = host.look(path)
    return (
        entry is not None
        and entry.nature is Nature.FILE
        and entry.uid == host.user().uid
        and not entry.mode & 0o022
    )


def absence(host: Reading, roots: Roots) -> str:
    """Where the data directory lies in which a generation was applied; empty where it is there.

    Whoever takes the lock of an apply makes `.aimx`, which therefore says nothing. Raises
    `UnseenError`.
    """
    if host.look(roots.marker) is not None:
        return ""
    state = host.look(roots.state)
    if state is not None and state.nature is not Nature.DIRECTORY:
        return ""  # Whatever it is, it is no disk that is away.
    if state is not None and host.look(roots.generations) is not None:
        return ""
    head = header(host.read(roots.engine_config) or b"")
    if head is None or not head.generation:
        return ""
    return (
        f"{roots.data}: nothing of generation {head.generation} is there, so its disk may not be"
        " mounted. Mount it; if the mail on it is lost, `aimx apply` makes everything anew."
    )


def require_there(host: Reading, roots: Roots) -> None:
    """Raises `GoneError` where it would be made on the disk below."""
    if told := absence(host, roots):
        raise GoneError(told)


def make_state(host: Host, roots: Roots, *below: PurePosixPath, anew: bool = False) -> None:
    """The data directory, `.aimx` in it and directories below that, durably, where they are not.

    What is there is left as it is: its modes are drift, and the business of a plan. Raises
    `GoneError` where there was one before, unless somebody wants it `anew`.
    """
    tops = ((roots.data, 0o755), (roots.state, 0o711))
    for path, mode in tops:
        if host.look(path) is None:
            if not anew:
                require_there(host, roots)
            _make(host, path, mode)
    for path in below:
        make_absent(host, path, 0o700)


def make_absent(host: Host, path: PurePosixPath, mode: int) -> None:
    """A directory of ours, durably, unless something is there."""
    if host.look(path) is None:
        _make(host, path, mode)


def _make(host: Host, path: PurePosixPath, mode: int) -> None:
    host.make_directory(path, _ours(host, mode))
    host.sync(path.parent)


def _ours(host: Host, mode: int) -> Access:
    user = host.user()
    return Access(mode, user.uid, user.gid)
