"""`aimx status`: how machine and manifest stand."""

from __future__ import annotations

from aimx.cli import administer
from aimx.cli.options import Options, Parser
from aimx.doors.exits import Exit


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "--all", dest="every", action="store_true", help="also what is as it should be"
    )
    parser.add_argument("--json", action="store_true", help="the state as data")
    parser.add_argument(
        "--detailed-exitcode", action="store_true", help="exit 2 when changes are pending"
    )


def run(options: Options) -> int:
    answer = administer.status(options)
    code = administer.tell(options, answer)
    if code == Exit.DONE and options.detailed_exitcode and answer.pending:
        return Exit.PENDING
    return code
