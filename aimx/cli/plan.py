"""`aimx plan`: what would change on this machine."""

from __future__ import annotations

from aimx.cli import administer, roots, terminal
from aimx.cli.options import Options, Parser, unfit
from aimx.doors.exits import Exit
from aimx.doors.wish import Answer


def arguments(parser: Parser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the plan as data")
    form.add_argument(
        "--markdown",
        action="store_const",
        const="markdown",
        default="text",
        dest="view",
        help="the plan as a comment below a proposed change",
    )
    parser.add_argument(
        "--detailed-exitcode", action="store_true", help="exit 2 when changes are pending"
    )
    parser.add_argument("--out", metavar="FILE", help="save the plan, for `aimx apply FILE`")
    removals(parser)
    purging(parser)
    replacing(parser)


def removals(parser: Parser) -> None:
    parser.add_argument(
        "--allow-removals", type=_number, default=0, metavar="N", help="let up to N resources go"
    )


def purging(parser: Parser) -> None:
    parser.add_argument(
        "--purge",
        action="store_true",
        help="delete the mail of mailboxes that go, instead of setting it aside",
    )


def replacing(parser: Parser) -> None:
    parser.add_argument(
        "--replace",
        metavar="dkim/DOMAIN/SELECTOR",
        help="put a new key in the place of this one, which is kept with its date",
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise unfit(f"'{text}' is no number of resources")
    return int(text)


def run(options: Options) -> int:
    if options.out is not None and options.replace:
        told = "a saved plan replaces no key; `aimx apply --replace` does"
        return administer.refuse(options, Exit.USAGE, told)
    if options.out is not None:
        from aimx.cli import saved  # Most plans are not.

        try:
            saved.check(options.out, roots.chosen(options))
        except saved.FileError as cause:
            return administer.refuse(options, Exit.USAGE, f"--out {cause}")
    answer = administer.plan(options)
    if answer.exit not in (Exit.DONE, Exit.REFUSED):
        return administer.tell(options, answer)
    (terminal.show if administer.wish(options).view == "text" else terminal.say)(answer.output)
    if options.out is not None:
        kept = _kept(options.out, answer)
        if kept is not Exit.DONE:
            return kept
    if options.detailed_exitcode and (answer.pending or answer.blocked):
        return Exit.PENDING
    return Exit.DONE


def _kept(path: str, answer: Answer) -> Exit:
    """Save the plan, unless all of it is refused."""
    from aimx.cli import saved

    if not answer.saved:
        terminal.tell(f"aimx plan: nothing is saved in {path}, since no apply would be let.")
        return Exit.REFUSED
    try:
        saved.write(path, answer.saved.encode())
    except saved.FileError as cause:
        terminal.tell(f"aimx plan: the plan is not saved: {cause}")
        return Exit.ERROR
    return Exit.DONE
