"""`aimx validate`: everything that is wrong with the manifest, at once."""

from __future__ import annotations

from aimx.cli import administer, roots, terminal
from aimx.cli.options import Options, Parser
from aimx.doors.exits import Exit


def arguments(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="the problems as data")


def run(options: Options) -> int:
    from aimx.doors.direct import Direct

    direct = Direct.of(roots.chosen(options), may_move=False)
    answer = direct.validate(administer.wish(options))
    shown = terminal.say if options.json else terminal.show
    (shown if answer.exit == Exit.DONE or options.json else terminal.tell)(answer.output)
    return answer.exit
