"""`aimx history`: what was applied, when and by whom."""

from __future__ import annotations

from aimx.cli import administer
from aimx.cli.options import MisusedError, Options, Parser, unfit
from aimx.doors.wish import Question


def arguments(parser: Parser) -> None:
    parser.add_argument("what", nargs="?", choices=("show",), help="one generation in full")
    parser.add_argument("number", nargs="?", type=generation, metavar="N", help="which one")
    parser.add_argument("--json", action="store_true", help="the same as data")


def generation(text: str) -> int:
    """The number of a generation."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise unfit(f"'{text}' is no number of a generation")
    return int(text)


def run(options: Options) -> int:
    if (options.what is None) != (options.number is None):
        raise MisusedError("`show` takes the number of a generation; `aimx history` lists them")
    numbers = () if options.number is None else (options.number,)
    return administer.tell(
        options, administer.report(options, Question("HISTORY", generations=numbers))
    )
