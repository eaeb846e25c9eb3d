"""`aimx rollback`: back to the manifest of an earlier generation, which is pinned then.

With `--layout 1`: back to the directories that version 1 runs on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aimx.cli import administer, terminal
from aimx.cli.options import MisusedError, Options, Parser, unfit
from aimx.cli.plan import removals
from aimx.cli.suspend import duration, reasons
from aimx.doors.exits import Exit
from aimx.doors.wish import Answer, Intent
from desired.frozen import replace


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "generation",
        nargs="?",
        type=_number,
        metavar="N",
        help="the generation to go back to (the one before)",
    )
    parser.add_argument(
        "--layout",
        choices=("1",),
        help="instead, bring mail and keys back to where version 1 has them",
    )
    parser.add_argument("--plan", action="store_true", help="only show what it would change")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="the plan, or the outcome, as data")
    parser.add_argument(
        "--for",
        dest="lasting",
        type=duration,
        metavar="DURATION",
        help="how long edits of the manifest wait, such as 2h or 7d (1d)",
    )
    reasons(parser)
    removals(parser)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:10]) > 0 and len(text) < 10):
        raise unfit(f"'{text}' is no number of a generation")
    return int(text)


def run(options: Options) -> int:
    if options.layout:
        if options.generation or options.lasting or options.reason:
            raise MisusedError(
                "`--layout` takes no generation, `--for` or `--reason`: it pins nothing"
            )
        return _go(options, partial(administer.downgrade, options))
    intent = Intent(
        "ROLLBACK",
        generation=options.generation,
        lasting=options.lasting or "",
        reason=options.reason,
    )
    return _go(options, lambda plan="": administer.intend(options, replace(intent, plan=plan)))


def _go(options: Options, asked: Callable[..., Answer]) -> int:
    """Show the way back, and take it once somebody confirms it."""
    shown = asked()
    if shown.refusal or shown.exit not in (Exit.DONE, Exit.REFUSED):
        return administer.tell(options, shown)
    nothing = options.layout and not shown.pending
    only_shown = options.plan or nothing or shown.exit == Exit.REFUSED
    if only_shown or not options.json:
        (terminal.say if options.json else terminal.show)(shown.output)
    if nothing and shown.interrupted and shown.exit == Exit.DONE and not options.plan:
        # What a killed one did is there, and not known to be on disk.
        secured = asked(shown.plan_id)
        if secured.exit != Exit.DONE:
            terminal.tell(secured.output)  # The plan was told already.
        return secured.exit
    if only_shown:
        return shown.exit
    refusal = _refusal(options, shown)
    if refusal:
        return administer.refuse(options, Exit.REFUSED, refusal)
    return administer.tell(options, asked(shown.plan_id))


def _refusal(options: Options, shown: Answer) -> str:
    """Why it is not carried out; empty where somebody confirms it."""
    if options.yes:
        if shown.removals <= options.allow_removals:
            return ""
        return f"it removes something. Add --allow-removals {shown.removals} if that is meant."
    if not terminal.can_ask():
        return "there is no terminal to ask on. Add --yes to go back."
    return "" if terminal.confirmed("Go back?") else "nothing was changed."
