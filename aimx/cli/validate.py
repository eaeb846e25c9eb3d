"""`aimx validate`: everything that is wrong with the manifest, at once."""

from __future__ import annotations

import argparse

from aimx.cli import roots, terminal
from aimx.doors.exits import Exit


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the problems as data")


def run(options: argparse.Namespace) -> int:
    from aimx.doors.direct import Direct

    answer = Direct.of(roots.chosen(options), may_move=False).validate(
        "json" if options.json else "text"
    )
    shown = terminal.say if options.json else terminal.show
    (shown if answer.exit == Exit.DONE or options.json else terminal.tell)(answer.output)
    return answer.exit
