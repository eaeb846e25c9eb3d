"""Asks the daemon where one serves these directories, else does the same in this process."""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from aimx.cli import roots, terminal
from aimx.cli.progress import progress
from aimx.doors.events import Tell, unheard
from aimx.doors.exits import Exit
from aimx.doors.refusal import refused
from aimx.doors.socket import client
from aimx.doors.wish import Answer, Errand, Intent, Question, Wish

if TYPE_CHECKING:
    from aimx.cli.events import Events
    from aimx.controller.watched import Watched
    from aimx.doors.direct import Direct
    from reconcilers.roots import Roots
    from reconcilers.unread import Inbox, Unread

# The daemon's word for "I serve other directories", after which we are on our own.
OTHER_INSTANCE = "ECONFLICT"

# How long a daemon may take to say what it knows already, in seconds.
_GLANCE = 5.0

_APPLYING = ("APPLY", "ROLLBACK", "APPROVE")
# Those that tell of each step.
_FOLLOWED = (*_APPLYING, "TOMBSTONES")


def wish(options: argparse.Namespace) -> Wish:
    """What the options ask for."""
    view = "json" if getattr(options, "json", False) else getattr(options, "view", "text")
    return Wish(
        roots=roots.chosen(options),
        view=view,
        columns=terminal.columns(),
        color=terminal.color() and view == "text",
        allow_removals=getattr(options, "allow_removals", 0),
        purge=getattr(options, "purge", False),
        replace=getattr(options, "replace", None) or "",
        amendment=getattr(options, "amendment", None),
        parallelism=getattr(options, "parallelism", 0),
        advised=options.command == "plan",
        every=getattr(options, "every", False),
        out=shlex.quote(out) if (out := getattr(options, "out", None)) else "",
    )


def plan(options: argparse.Namespace) -> Answer:
    asked = wish(options)
    return _answer("PLAN", options, {**_headers(asked)}, lambda direct: direct.plan(asked))


def outright(
    options: argparse.Namespace, show: Callable[[Answer], None], events: Events | None = None
) -> tuple[Answer, Answer | None]:
    """A plan that nobody is asked about, and how its apply ended where it was shown and begun.

    None: it is still to be applied.
    """
    asked = wish(options)
    ended: list[Answer | None] = []

    def alone(direct: Direct) -> Answer:
        from aimx.cli.attended import attended

        with (
            nullcontext(events.hear) if events else progress() as tell,
            attended(asked.parallelism, tell or unheard) as watched,
        ):
            planned, applied = direct.outright(asked, show, watched)
        ended.append(applied)
        return planned

    planned = _answer("PLAN", options, {**_headers(asked)}, alone)
    return planned, next(iter(ended), None)


def apply_saved(
    options: argparse.Namespace, content: bytes, events: Events | None = None
) -> Answer:
    """Carry out exactly the plan of this content, or refuse."""
    asked = wish(options)
    headers = {**_headers(asked), "Content-Length": str(len(content))}

    def alone(direct: Direct, tell: Tell) -> Answer:
        return _attended(asked, tell, lambda watched: direct.apply_saved(asked, content, watched))

    return _followed("APPLY", options, headers, alone, content, events)


def apply(options: argparse.Namespace, plan_id: str, events: Events | None = None) -> Answer:
    asked = wish(options)
    headers = {**_headers(asked), "Plan": plan_id}

    def alone(direct: Direct, tell: Tell) -> Answer:
        return _attended(asked, tell, lambda watched: direct.apply(asked, plan_id, watched))

    return _followed("APPLY", options, headers, alone, events=events)


def intend(options: argparse.Namespace, intent: Intent) -> Answer:
    """Let it hold, with the plan that it takes; of a rollback without a plan only shown."""
    asked = wish(options)
    headers = {**_headers(asked), **intent.headers()}

    def alone(direct: Direct, tell: Tell) -> Answer:
        return _attended(asked, tell, lambda watched: direct.intend(asked, intent, watched))

    return _followed(intent.verb, options, headers, alone)


def downgrade(options: argparse.Namespace, plan_id: str | None = None) -> Answer:
    """Show what leads back to layout 1, or do exactly that: never through the daemon, which
    does not run on it."""
    asked = wish(options)
    direct = _direct(options)
    with progress() as tell:
        return _attended(
            asked, tell or unheard, lambda watched: direct.downgrade(asked, plan_id, watched)
        )


def report(options: argparse.Namespace, question: Question) -> Answer:
    """What is asked, told."""
    asked = wish(options)
    headers = {**_headers(asked), **question.headers()}
    return _answer(question.verb, options, headers, lambda direct: direct.report(asked, question))


def tombstones(options: argparse.Namespace, errand: Errand, plan_id: str | None = None) -> Answer:
    """Show what there is or would be done, or carry out exactly the plan of this id."""
    asked = wish(options)
    headers = {**_headers(asked), **errand.headers(), **({"Plan": plan_id} if plan_id else {})}

    def alone(direct: Direct, tell: Tell) -> Answer:
        return _attended(
            asked, tell, lambda watched: direct.tombstones(asked, errand, plan_id, watched)
        )

    return _followed("TOMBSTONES", options, headers, alone)


def tell(options: argparse.Namespace, answer: Answer) -> int:
    """Print a report, or what kept it from being made; gives the exit code.

    Whoever asked for data gets it in one place, however it ended.
    """
    is_report = answer.exit == Exit.DONE or getattr(options, "json", False)
    (terminal.report if is_report else terminal.tell)(answer.output)
    return answer.exit


def refuse(options: argparse.Namespace, code: Exit, message: str) -> int:
    """Tell what keeps the command itself from going on; gives the exit code."""
    return tell(options, refused(code, message, "json" if options.json else "text"))


def status(options: argparse.Namespace) -> Answer:
    """How machine and manifest stand."""
    asked = wish(options)
    headers = {**_headers(asked), "Every": "true" if asked.every else "false"}
    return _answer("STATUS", options, headers, lambda direct: direct.status(asked))


def conditions(options: argparse.Namespace) -> Mapping[str, Any] | None:
    """How the daemon stands, without a look at the machine; None where none answers."""
    asked = wish(options)
    try:
        headers = {**_roots(asked), "Brief": "true"}
        reply = _daemon("STATUS", asked, headers, b"", unheard, seconds=_GLANCE)
    except client.ReplyError:
        return None
    return reply.document if isinstance(reply, client.Ok) else None


def _attended(asked: Wish, tell: Tell, apply: Callable[[Watched], Answer]) -> Answer:
    from aimx.cli.attended import attended

    with attended(asked.parallelism, tell) as watched:
        return apply(watched)


def _followed(
    verb: str,
    options: argparse.Namespace,
    headers: dict[str, str],
    alone: Callable[[Direct, Tell], Answer],
    body: bytes = b"",
    events: Events | None = None,
) -> Answer:
    """What may take long: told as events, or on a terminal by a line that is written over."""
    with nullcontext(events.hear) if events else progress() as tell:
        if tell is not None and verb in _FOLLOWED:
            headers = {**headers, "Events": "true"}
        return _answer(
            verb, options, headers, lambda direct: alone(direct, tell or unheard), body, tell
        )


def _answer(
    verb: str,
    options: argparse.Namespace,
    headers: dict[str, str],
    alone: Callable[[Direct], Answer],
    body: bytes = b"",
    tell: Tell | None = None,
) -> Answer:
    asked = wish(options)
    try:
        reply = _daemon(verb, asked, headers, body, tell or unheard)
    except client.ReplyError as cause:
        told = f"aimx: {cause}; `aimx status` tells how far it came"
        return refused(Exit.ERROR, told, asked.view)
    except KeyboardInterrupt:
        if verb in _APPLYING:
            terminal.tell("\nThe daemon goes on with it; `aimx status` tells how far it came.")
        raise
    match reply:
        case client.Ok(document=document):
            return Answer(**document)
        case client.Err(code, reason):
            told = f"aimx: the daemon refuses: {reason} [{code}]"
            return _forbidden(options, code) or refused(Exit.ERROR, told, asked.view)
        case None:
            return _helpless(options) or alone(_direct(options))


def _forbidden(options: argparse.Namespace, code: str) -> Answer | None:
    """What is said to whom a daemon does not let do what only root may."""
    if code != "EACCES" or not hasattr(options, "crud"):
        return None
    words = f"{options.command} {options.does}".rstrip()
    told = f"not authorized: {words} requires root (run with sudo)"
    return refused(Exit.ERROR, told, wish(options).view)


def _helpless(options: argparse.Namespace) -> Answer | None:
    """What is said to whom, without a daemon, nothing is left: the manifest is another's."""
    if not hasattr(options, "crud") or roots.are_ours(options):
        return None
    told = (
        f"daemon must be running for non-root {options.crud} CRUD; start `aimx serve` or run with"
        " sudo to fall back to direct config edit."
    )
    return refused(Exit.NO_DAEMON, told, wish(options).view)


def _daemon(
    verb: str,
    asked: Wish,
    headers: dict[str, str],
    body: bytes,
    tell: Tell,
    seconds: float | None = None,
) -> client.Ok | client.Err | None:
    """The daemon's reply; None where none runs, or one that serves other directories."""
    socket = os.path.join(asked.roots["runtime-dir"], "aimx.sock")
    try:
        reply = client.call(socket, verb, headers, body, tell, seconds)
    except client.UnreachableError:
        return None
    if isinstance(reply, client.Err) and reply.code == OTHER_INSTANCE:
        return None
    return reply


def _roots(asked: Wish) -> dict[str, str]:
    return {name.title(): path for name, path in asked.roots.items()}


def _headers(asked: Wish) -> dict[str, str]:
    return {
        **_roots(asked),
        "Format": asked.view,
        "Columns": str(asked.columns),
        "Color": "true" if asked.color else "false",
        "Allow-Removals": str(asked.allow_removals),
        "Advised": "true" if asked.advised else "false",
        **({"Parallelism": str(asked.parallelism)} if asked.parallelism else {}),
        **({"Purge": "true"} if asked.purge else {}),
        **_amendment(asked),
        **({"Out": asked.out} if asked.out else {}),
    }


def _amendment(asked: Wish) -> dict[str, str]:
    if asked.amendment is None:
        return {}
    from aimx.controller.amendments import to_text  # Most commands amend nothing.

    return {"Amend": to_text(asked.amendment)}


def _direct(options: argparse.Namespace) -> Direct:
    # This process ends with its answer: looking for cycles would take a quarter of its time, the
    # last time when it ends, and free nothing.
    gc.disable()
    atexit.register(gc.freeze)
    from aimx.doors.direct import Direct

    return Direct.of(
        roots.chosen(options), may_move=not roots.data_is_chosen(options), count=_count
    )


def _count(roots: Roots, inboxes: Sequence[Inbox]) -> Mapping[str, Unread]:
    # What starts a process is loaded where one is to be started.
    from aimx.processes.unread import count

    return count(roots, inboxes)
