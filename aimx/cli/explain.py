"""`aimx explain`: how one resource stands, why, and what to do about it."""

from __future__ import annotations

from aimx.cli import administer
from aimx.cli.options import MisusedError, Options, Parser
from aimx.doors.wish import Question


def arguments(parser: Parser) -> None:
    parser.add_argument("address", metavar="ADDRESS", help="kind/name, as `aimx plan` writes it")
    parser.add_argument("--json", action="store_true", help="the same as data")


def run(options: Options) -> int:
    address = options.address.strip()
    # A frame is made of lines, and no resource's address has what would end one.
    if not address or not address.isprintable():
        raise MisusedError("that is no address; `aimx status --all` lists all there are")
    return administer.tell(
        options, administer.report(options, Question("EXPLAIN", address=address))
    )
