"""`aimx graph`: the steps of the plan, to be drawn."""

from __future__ import annotations

import argparse

from aimx.cli import administer
from aimx.doors.wish import Question


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        dest="view",
        choices=("mermaid", "dot"),
        default="mermaid",
        help="the language to draw in (mermaid)",
    )


def run(options: argparse.Namespace) -> int:
    return administer.tell(options, administer.report(options, Question("GRAPH")))
