"""A change of the manifest by a command: its plan is shown, somebody says yes, it is applied."""

from __future__ import annotations

from aimx.cli import administer, apply
from aimx.cli.options import Options, Parser
from aimx.controller.amendments import Amendment
from aimx.doors.exits import Exit


def arguments(parser: Parser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only show what it would change")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="the plan, or the outcome, as data")
    apply.parallelism(parser)
    # As `aimx apply` has them.
    parser.set_defaults(plan=None, events=False, wait=None)


def amended(options: Options, amendment: Amendment) -> int:
    """Carry it out as the options say; gives the exit code."""
    options.amendment = amendment
    if options.dry_run:
        return administer.tell(options, administer.plan(options))
    return apply.run(options)


def is_done(options: Options, code: int) -> bool:
    """Whether a person is to be told what is so now."""
    return code == Exit.DONE and not options.json and not options.dry_run
