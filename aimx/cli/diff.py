"""`aimx diff`: what drifted since the last apply, or what two generations have not in common."""

from __future__ import annotations

from aimx.cli import administer
from aimx.cli.history import generation
from aimx.cli.options import MisusedError, Options, Parser
from aimx.doors.exits import Exit
from aimx.doors.wish import Question


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "generations", nargs="*", type=generation, metavar="N", help="two generations to compare"
    )
    parser.add_argument("--json", action="store_true", help="the same as data")
    parser.add_argument(
        "--detailed-exitcode", action="store_true", help="exit 2 when there is a difference"
    )


def run(options: Options) -> int:
    if len(options.generations) not in (0, 2):
        raise MisusedError(
            "it takes two generations, or none for what drifted since the last apply"
        )
    numbers = tuple(options.generations)
    answer = administer.report(options, Question("DIFF", generations=numbers))
    code = administer.tell(options, answer)
    if code == Exit.DONE and options.detailed_exitcode and (answer.pending or answer.blocked):
        return Exit.PENDING
    return code
