"""`aimx apply`: make the machine match the manifest, after somebody has seen the plan."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from aimx.cli import administer, terminal
from aimx.cli.options import MisusedError, Options, Parser, unfit
from aimx.cli.plan import purging, removals, replacing
from aimx.doors.exits import Exit
from aimx.doors.refusal import message_of, refused
from aimx.doors.wish import MOST_LANES, Answer

if TYPE_CHECKING:
    from aimx.cli.events import Events
    from aimx.cli.lacking import Waited
    from aimx.cli.waiting import Wait

_USUAL, _LONGEST = 60, 86_400  # Seconds of --wait.
_TRIES = 3  # Where what was planned is overtaken, and nobody is asked.
# What their summary says in numbers, or is nothing to say.
_SUMMED_UP = (Exit.DONE, Exit.PARTIAL)


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "plan",
        nargs="?",
        metavar="FILE",
        help="apply exactly the plan that `aimx plan --out FILE` saved, without asking",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the outcome as data")
    form.add_argument(
        "--events", action="store_true", help="what happens as lines of JSON, while it happens"
    )
    parallelism(parser)
    parser.add_argument(
        "--wait",
        nargs="?",
        const=_USUAL,
        metavar="SECONDS",
        help="wait until the running engine has taken it up and all is converged, for so long at"
        f" most ({_USUAL}); exit 9 if it is not by then",
    )
    removals(parser)
    purging(parser)
    replacing(parser)


def parallelism(parser: Parser) -> None:
    parser.add_argument(
        "--parallelism",
        type=_lanes,
        default=0,
        metavar="N",
        help="take up to N independent steps at a time; 1: always in the same order",
    )


def _untangle(options: Options) -> None:
    """What stands behind --wait may be the FILE, since SECONDS may be left out."""
    text = options.wait
    if not isinstance(text, str):
        return
    if text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= _LONGEST:
        options.wait = int(text)
    elif options.plan is None and os.path.isfile(text):
        options.plan, options.wait = text, _USUAL
    else:
        raise MisusedError(
            f"argument --wait: '{text}' is no number of seconds from 1 to {_LONGEST}"
            f"{'' if options.plan else ', and no FILE'}"
        )


def _lanes(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MOST_LANES):
        raise unfit(f"'{text}' is no number from 1 to {MOST_LANES}")
    return int(text)


def run(options: Options) -> int:
    _untangle(options)
    wait = _wait(options) if options.wait is not None else None
    if options.events:
        return _streamed(options, wait)
    if options.plan is not None:
        return _saved(options, wait)
    return _begun(options, wait, _TRIES)


def _begun(options: Options, wait: Wait | None, tries: int) -> int:
    planned, applied = _planned(options)
    if applied is not None:
        return _ended(options, applied, wait)
    return _decided(options, planned, wait, tries)


def _wait(options: Options) -> Wait:
    from aimx.cli.waiting import Wait  # Hardly anybody waits.

    return Wait.before(options)


def _decided(options: Options, planned: Answer, wait: Wait | None, tries: int) -> int:
    """Show the plan, and apply it where there is anything to do and nobody says no."""
    if planned.exit not in (Exit.DONE, Exit.REFUSED) or not planned.plan_id:
        return administer.tell(options, planned)
    if not options.json:
        terminal.show(planned.output)
    if not planned.pending:
        return _nothing_to_do(options, planned, wait)
    if not options.yes and not terminal.can_ask():
        told = "there is no terminal to ask on. Add --yes to apply this plan."
        return administer.refuse(options, Exit.REFUSED, told)
    if not options.yes and not _agreed(planned):
        return administer.refuse(options, Exit.REFUSED, "nothing was applied")
    answer = administer.apply(options, planned.plan_id)
    if answer.exit == Exit.STALE and options.yes and tries > 1:
        # The daemon takes an edit up as well, and was faster. Whoever says yes to any plan says it
        # to what is left.
        return _begun(options, wait, tries - 1)
    return _ended(options, answer, wait)


def _planned(options: Options) -> tuple[Answer, Answer | None]:
    """The plan, and how its apply ended where it was applied in one go."""
    if not options.yes or getattr(options, "amendment", None):
        return administer.plan(options), None

    def show(planned: Answer) -> None:
        if not options.json:
            terminal.show(planned.output)

    return administer.outright(options, show)


def _agreed(planned: Answer) -> bool:
    if planned.typed:
        return terminal.typed("Deleted mail cannot be had back.", planned.typed)
    return terminal.confirmed("Apply this plan?")


def _saved(options: Options, wait: Wait | None) -> int:
    """Whoever saved the plan has seen it, so nobody is asked."""
    content = _content(options)
    if isinstance(content, Answer):
        return administer.tell(options, content)
    return _ended(options, administer.apply_saved(options, content), wait)


def _content(options: Options) -> bytes | Answer:
    """The saved plan, or what keeps it from being applied."""
    from aimx.cli import saved  # Most plans are not.

    if options.allow_removals or options.purge or options.replace:
        told = "what may go or be replaced is in the saved plan; plan again with it"
        return refused(Exit.USAGE, told, "json" if options.json else "text")
    try:
        return saved.read(options.plan)
    except saved.FileError as cause:
        return refused(Exit.ERROR, str(cause), "json" if options.json else "text")


def _streamed(options: Options, wait: Wait | None) -> int:
    """Nobody is asked among events, so whoever wants them has said yes or saved the plan."""
    from aimx.cli.events import Events

    options.json, events = True, Events()
    answer = _of_saved(options, events) if options.plan is not None else _of_now(options, events)
    events.completed(answer)
    if wait is None or answer.exit != Exit.DONE:
        events.ended(answer.exit, "" if answer.exit in _SUMMED_UP else message_of(answer))
        return answer.exit
    waited = wait.until(answer.generation)
    events.waited(waited)
    code = Exit.DONE if waited.converged else Exit.NOT_CONVERGED
    events.ended(code, "" if waited.converged else waited.told(80))
    return code


def _of_saved(options: Options, events: Events) -> Answer:
    content = _content(options)
    if isinstance(content, Answer):
        return content
    # Whether it is a plan at all is said by whoever applies it.
    with suppress(ValueError, KeyError, TypeError):
        events.planned(json.loads(content))
    return administer.apply_saved(options, content, events)


def _of_now(options: Options, events: Events, tries: int = _TRIES) -> Answer:
    def show(planned: Answer) -> None:
        events.planned(json.loads(planned.output))

    applied = None
    if options.yes:
        planned, applied = administer.outright(options, show, events)
    else:
        planned = administer.plan(options)
    if applied is not None or planned.exit != Exit.DONE:
        return applied or planned
    events.planned(json.loads(planned.output))
    if not planned.pending:
        code = Exit.REFUSED if planned.blocked else Exit.DONE
        return Answer(code, "", generation=planned.generation)
    if not options.yes:
        told = "nobody is asked among events. Add --yes to apply this plan."
        return Answer(Exit.REFUSED, told)
    answer = administer.apply(options, planned.plan_id, events)
    if answer.exit == Exit.STALE and tries > 1:
        return _of_now(options, events, tries - 1)
    return answer


def _ended(options: Options, answer: Answer, wait: Wait | None) -> int:
    """Tell the outcome, and wait where that was asked for and the apply is whole."""
    if wait is None or answer.exit != Exit.DONE:
        return administer.tell(options, answer)
    if options.json:
        waited = wait.until(answer.generation)
        document = {**json.loads(answer.output), "wait": waited.document()}
        terminal.report(json.dumps(document, indent=2))
        return _waited(options, waited, answer)
    terminal.report(answer.output, prose=True)
    return _waited(options, wait.until(answer.generation), answer)


def _waited(options: Options, waited: Waited, answer: Answer) -> int:
    text = waited.told(terminal.columns())
    if not waited.converged:
        terminal.tell(text)
        return Exit.NOT_CONVERGED
    if not options.json:
        terminal.say(text)
    return Exit.DONE


def _nothing_to_do(options: Options, planned: Answer, wait: Wait | None) -> int:
    if planned.interrupted and planned.exit == Exit.DONE:
        secured = administer.apply(options, planned.plan_id)
        if secured.exit not in (Exit.DONE, Exit.PARTIAL, Exit.REFUSED):
            return administer.tell(options, secured)
    if options.json:
        terminal.say(planned.output)
    if planned.blocked:
        return Exit.REFUSED
    if wait is None:
        return Exit.DONE
    return _waited(options, wait.until(planned.generation), planned)
