"""Who answers: the daemon where one serves these directories, else this process does the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from aimx.cli import roots, terminal
from aimx.cli.options import Options
from aimx.cli.progress import progress
from aimx.doors.events import Tell, unheard
from aimx.doors.exits import Exit
from aimx.doors.refusal import refused
from aimx.doors.socket import client
from aimx.doors.wish import Answer, Wish
from desired.frozen import frozen, replace

if TYPE_CHECKING:
    from aimx.cli.events import Events
    from aimx.doors.direct import Direct
    from reconcilers.roots import Roots
    from reconcilers.unread import Inbox, Unread

# The daemon's word for "I serve other directories", after which we are on our own.
_OTHER_INSTANCE = "ECONFLICT"

_APPLYING = ("APPLY", "ROLLBACK", "APPROVE")
# Those that tell of each step.
_FOLLOWED = (*_APPLYING, "TOMBSTONES")


@frozen
class Asked:
    """What a daemon is asked, and how the same is done without one."""

    verb: str
    options: Options
    wish: Wish
    headers: Mapping[str, str]
    alone: Callable[[Direct, Tell], Answer]
    body: bytes = b""


def followed(asked: Asked, events: Events | None = None) -> Answer:
    """What may take long: told as events, or on a terminal by a line that is written over."""
    with nullcontext(events.hear) if events else progress() as tell:
        if tell is not None and asked.verb in _FOLLOWED:
            asked = replace(asked, headers={**asked.headers, "Events": "true"})
        return answered(asked, tell or unheard)


def answered(asked: Asked, tell: Tell = unheard) -> Answer:
    """Also what keeps it from being done is an answer."""
    options, view = asked.options, asked.wish.view
    try:
        reply = daemon(asked.verb, asked.wish, asked.headers, asked.body, tell)
    except client.ReplyError as cause:
        told = f"{cause}; `aimx status` tells how far it came"
        return refused(Exit.ERROR, told, view)
    except KeyboardInterrupt:
        if asked.verb in _APPLYING:
            terminal.tell("\nThe daemon goes on with it; `aimx status` tells how far it came.")
        raise
    match reply:
        case client.Ok(document=document):
            return Answer(**document)
        case client.Err(code, reason):
            told = f"the daemon refuses: {reason} [{code}]"
            return _forbidden(options, code, view) or refused(Exit.ERROR, told, view)
        case None:
            return _helpless(options, view) or asked.alone(direct(options), tell)


def daemon(
    verb: str,
    wish: Wish,
    headers: Mapping[str, str],
    body: bytes = b"",
    tell: Tell = unheard,
    seconds: float | None = None,
) -> client.Ok | client.Err | None:
    """Its reply, raises `ReplyError`; None where none runs, or one that serves other directories.

    `seconds`: how long it may take; None: as long as it likes.
    """
    socket = os.path.join(wish.roots["runtime-dir"], "aimx.sock")
    try:
        reply = client.call(socket, verb, headers, body, tell, seconds)
    except client.UnreachableError:
        return None
    if isinstance(reply, client.Err) and reply.code == _OTHER_INSTANCE:
        return None
    return reply


def direct(options: Options) -> Direct:
    """This process, in the daemon's place."""
    from aimx.doors.direct import Direct

    return Direct.of(
        roots.chosen(options), may_move=not roots.data_is_chosen(options), count=_count
    )


def _count(roots: Roots, inboxes: Sequence[Inbox]) -> Mapping[str, Unread]:
    # What starts a process is loaded where one is to be started.
    from aimx.processes.unread import count

    return count(roots, inboxes)


def _forbidden(options: Options, code: str, view: str) -> Answer | None:
    """What is said to whom a daemon does not let do what only root may."""
    if code != "EACCES":
        return None
    words = f"{options.command} {getattr(options, 'does', '')}".rstrip()
    told = f"not authorized: {words} requires root (run with sudo)"
    return refused(Exit.ERROR, told, view)


def _helpless(options: Options, view: str) -> Answer | None:
    """What is said to whom, without a daemon, nothing is left: the manifest is another's."""
    if not hasattr(options, "crud") or roots.are_ours(options):
        return None
    told = (
        f"daemon must be running for non-root {options.crud} CRUD; start `aimx serve` or run with"
        " sudo to fall back to direct config edit."
    )
    return refused(Exit.NO_DAEMON, told, view)
