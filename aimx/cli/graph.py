"""`aimx graph`: the steps of the plan, to be drawn."""

from __future__ import annotations

from aimx.cli import administer
from aimx.cli.options import Options, Parser
from aimx.doors.wish import Question


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "--format",
        dest="view",
        choices=("mermaid", "dot"),
        default="mermaid",
        help="the language to draw in (mermaid)",
    )


def run(options: Options) -> int:
    return administer.tell(options, administer.report(options, Question("GRAPH")))
