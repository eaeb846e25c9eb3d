"""`aimx apply`: make the machine match the manifest, after somebody has seen the plan."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from typing import TYPE_CHECKING

from aimx.cli import administer, saved, terminal
from aimx.cli.plan import removals
from aimx.doors.exits import Exit
from aimx.doors.wish import MOST_LANES, Answer

if TYPE_CHECKING:
    from aimx.cli.events import Events


def arguments(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument(
        "--parallelism",
        type=_lanes,
        default=0,
        metavar="N",
        help="take up to N independent steps at a time; 1: always in the same order",
    )
    removals(parser)


def _lanes(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MOST_LANES):
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 1 to {MOST_LANES}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    if options.events:
        return _streamed(options)
    if options.plan is not None:
        return _saved(options)
    planned = administer.plan(options)
    if planned.exit not in (Exit.DONE, Exit.REFUSED):
        return _told(options, planned)
    if not options.json:
        terminal.say(planned.output)
    if not planned.pending:
        return _nothing_to_do(options, planned)
    if not options.yes and not terminal.can_ask():
        terminal.tell("aimx apply: there is no terminal to ask on. Add --yes to apply this plan.")
        return Exit.REFUSED
    if not options.yes and not terminal.confirmed("Apply this plan?"):
        terminal.tell("Nothing was applied.")
        return Exit.REFUSED
    return _told(options, administer.apply(options, planned.plan_id))


def _saved(options: argparse.Namespace) -> int:
    """Whoever saved the plan has seen it, so nobody is asked."""
    content = _content(options)
    if isinstance(content, Answer):
        return _told(options, content)
    return _told(options, administer.apply_saved(options, content))


def _content(options: argparse.Namespace) -> bytes | Answer:
    """The saved plan, or what keeps it from being applied."""
    if options.allow_removals:
        told = "aimx apply: what may be removed is in the saved plan; plan again with it."
        return Answer(Exit.USAGE, told)
    try:
        return saved.read(options.plan)
    except saved.FileError as cause:
        return Answer(Exit.ERROR, f"aimx apply: {cause}")


def _streamed(options: argparse.Namespace) -> int:
    """Nobody is asked among events, so whoever wants them has said yes or saved the plan."""
    from aimx.cli.events import Events

    options.json, events = True, Events()
    answer = _of_saved(options, events) if options.plan is not None else _of_now(options, events)
    events.ended(answer)
    return answer.exit


def _of_saved(options: argparse.Namespace, events: Events) -> Answer:
    content = _content(options)
    if isinstance(content, Answer):
        return content
    # Whether it is a plan at all is said by whoever applies it.
    with suppress(ValueError, KeyError, TypeError):
        events.planned(json.loads(content))
    return administer.apply_saved(options, content, events)


def _of_now(options: argparse.Namespace, events: Events) -> Answer:
    planned = administer.plan(options)
    if planned.exit != Exit.DONE:
        return planned
    events.planned(json.loads(planned.output))
    if not planned.pending:
        return Answer(Exit.REFUSED if planned.blocked else Exit.DONE, "")
    if not options.yes:
        told = "aimx apply: nobody is asked among events. Add --yes to apply this plan."
        return Answer(Exit.REFUSED, told)
    return administer.apply(options, planned.plan_id, events)


def _told(options: argparse.Namespace, answer: Answer) -> int:
    asked_for = answer.exit == Exit.DONE or (
        options.json and answer.exit in administer.TOLD_AS_DATA
    )
    (terminal.say if asked_for else terminal.tell)(answer.output)
    return answer.exit


def _nothing_to_do(options: argparse.Namespace, planned: Answer) -> int:
    if planned.interrupted and planned.exit == Exit.DONE:
        secured = administer.apply(options, planned.plan_id)
        if secured.exit not in (Exit.DONE, Exit.PARTIAL):
            return _told(options, secured)
    if options.json:
        terminal.say(planned.output)
    return Exit.REFUSED if planned.blocked else Exit.DONE
