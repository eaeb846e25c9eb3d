"""`aimx tombstones`: mail of removed mailboxes, listed, restored or deleted for good."""

from __future__ import annotations

from aimx.cli import administer, terminal
from aimx.cli.options import MisusedError, Options, Parser
from aimx.doors.exits import Exit
from aimx.doors.wish import Answer, Errand


def arguments(parser: Parser) -> None:
    parser.add_argument("what", choices=("list", "restore", "purge"), help="what to do")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a tombstone's, or an address")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="the same as data")


def run(options: Options) -> int:
    if (options.what == "list") != (options.name is None):
        raise MisusedError("`restore` and `purge` take the name of a tombstone, or an address")
    errand = Errand(options.what, options.name or "")
    shown = administer.tombstones(options, errand)
    if errand.does == "list" or not shown.pending:
        return administer.tell(options, shown)
    if not options.json:
        terminal.show(shown.output)
    if not options.yes and not terminal.can_ask():
        told = "there is no terminal to ask on. Add --yes to do this."
        return administer.refuse(options, Exit.REFUSED, told)
    if not options.yes and not _agreed(shown):
        return administer.refuse(options, Exit.REFUSED, "nothing was done")
    return administer.tell(options, administer.tombstones(options, errand, shown.plan_id))


def _agreed(shown: Answer) -> bool:
    if shown.typed:
        return terminal.typed("This mail cannot be had back.", shown.typed)
    return terminal.confirmed("Restore this mail?")
