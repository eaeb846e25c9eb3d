"""What commands ask about an instance: each of whoever answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from aimx.cli import roots, terminal
from aimx.cli.answered import Asked, answered, daemon, direct, followed
from aimx.cli.options import Options
from aimx.cli.progress import progress
from aimx.doors.events import Tell, unheard
from aimx.doors.exits import Exit
from aimx.doors.refusal import refused, sentence
from aimx.doors.socket import client
from aimx.doors.wish import Answer, Errand, Intent, Question, Wish
from desired.frozen import replace

if TYPE_CHECKING:
    from aimx.cli.events import Events
    from aimx.controller.watched import Watched
    from aimx.doors.direct import Direct

T = TypeVar("T")

# How long a daemon may take to say what it knows already, in seconds.
_GLANCE = 5.0


def wish(options: Options) -> Wish:
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
        out=_quoted(out) if (out := getattr(options, "out", None)) else "",
    )


def _quoted(path: str) -> str:
    """As a shell reads it."""
    import shlex  # Most plans are not saved.

    return shlex.quote(path)


def plan(options: Options) -> Answer:
    asked = wish(options)
    return answered(
        Asked("PLAN", options, asked, asked.headers(), lambda direct, _: direct.plan(asked))
    )


def outright(
    options: Options, show: Callable[[Answer], None], events: Events | None = None
) -> tuple[Answer, Answer | None]:
    """A plan that nobody is asked about, and how its apply ended where it was shown and begun.

    None: it is still to be applied.
    """
    asked = wish(options)
    ended: list[Answer | None] = []

    def alone(direct: Direct, _: Tell) -> Answer:
        with nullcontext(events.hear) if events else progress() as tell:
            planned, applied = _attended(
                asked, tell or unheard, lambda watched: direct.outright(asked, show, watched)
            )
        ended.append(applied)
        return planned

    planned = answered(Asked("PLAN", options, asked, asked.headers(), alone))
    return planned, next(iter(ended), None)


def apply_saved(options: Options, content: bytes, events: Events | None = None) -> Answer:
    """Carry out exactly the plan of this content, or refuse."""
    # What fits into no frame is named by nobody, and read all the same.
    named = _quoted(options.plan) if options.plan.isprintable() else ""
    asked = replace(wish(options), out=named)
    headers = {**asked.headers(), "Content-Length": str(len(content))}

    def alone(direct: Direct, tell: Tell) -> Answer:
        return _attended(asked, tell, lambda watched: direct.apply_saved(asked, content, watched))

    return followed(Asked("APPLY", options, asked, headers, alone, content), events)


def apply(options: Options, plan_id: str, events: Events | None = None) -> Answer:
    asked = wish(options)
    headers = {**asked.headers(), "Plan": plan_id}

    def alone(direct: Direct, tell: Tell) -> Answer:
        return _attended(asked, tell, lambda watched: direct.apply(asked, plan_id, watched))

    return followed(Asked("APPLY", options, asked, headers, alone), events)


def intend(options: Options, intent: Intent) -> Answer:
    """Let it hold, with the plan that it takes; of a rollback without a plan only shown."""
    asked = wish(options)
    headers = {**asked.headers(), **intent.headers()}

    def alone(direct: Direct, tell: Tell) -> Answer:
        return _attended(asked, tell, lambda watched: direct.intend(asked, intent, watched))

    return followed(Asked(intent.verb, options, asked, headers, alone))


def downgrade(options: Options, plan_id: str | None = None) -> Answer:
    """Show what leads back to layout 1, or do exactly that: never through the daemon, which
    does not run on it."""
    asked, alone = wish(options), direct(options)
    with progress() as tell:
        return _attended(
            asked, tell or unheard, lambda watched: alone.downgrade(asked, plan_id, watched)
        )


def report(options: Options, question: Question) -> Answer:
    """What is asked, told."""
    asked = wish(options)
    headers = {**asked.headers(), **question.headers()}

    def alone(direct: Direct, _: Tell) -> Answer:
        return direct.report(asked, question)

    return answered(Asked(question.verb, options, asked, headers, alone))


def tombstones(options: Options, errand: Errand, plan_id: str | None = None) -> Answer:
    """Show what there is or would be done, or carry out exactly the plan of this id."""
    asked = wish(options)
    headers = {**asked.headers(), **errand.headers(), **({"Plan": plan_id} if plan_id else {})}

    def alone(direct: Direct, tell: Tell) -> Answer:
        return _attended(
            asked, tell, lambda watched: direct.tombstones(asked, errand, plan_id, watched)
        )

    return followed(Asked("TOMBSTONES", options, asked, headers, alone))


def status(options: Options) -> Answer:
    """How machine and manifest stand."""
    asked = wish(options)
    return answered(
        Asked("STATUS", options, asked, asked.headers(), lambda direct, _: direct.status(asked))
    )


def conditions(options: Options) -> Mapping[str, Any] | None:
    """How the daemon stands, without a look at the machine; None where none answers."""
    asked = wish(options)
    try:
        headers = {**asked.addressed(), "Brief": "true"}
        reply = daemon("STATUS", asked, headers, seconds=_GLANCE)
    except client.ReplyError:
        return None
    return reply.document if isinstance(reply, client.Ok) else None


def _attended(asked: Wish, tell: Tell, work: Callable[[Watched], T]) -> T:
    from aimx.cli.attended import attended

    with attended(asked.parallelism, tell) as watched:
        return work(watched)


def tell(options: Options, answer: Answer) -> int:
    """Print a report, or what kept it from being made; gives the exit code.

    Whoever asked for data gets it in one place, however it ended.
    """
    if answer.refusal:
        terminal.tell(f"aimx {options.command}: {sentence(answer.output)}")
        return answer.exit
    is_report = answer.exit == Exit.DONE or getattr(options, "json", False)
    if is_report:
        terminal.report(answer.output, prose=wish(options).view == "text")
    else:
        terminal.tell(answer.output)
    return answer.exit


def refuse(options: Options, code: int, message: str) -> int:
    """Tell what keeps the command itself from going on; gives the exit code."""
    return tell(options, refused(code, message, "json" if options.json else "text"))
