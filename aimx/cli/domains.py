"""`aimx domains`: a domain comes into the manifest, planned and applied in one go."""

from __future__ import annotations

import argparse
import os

from aimx.cli import administer, apply, roots, terminal
from aimx.doors.exits import Exit


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("add",), help="what to do")
    parser.add_argument("domain", metavar="DOMAIN", type=_line)
    parser.add_argument("--selector", type=_line, help="of its DKIM key (as for the other domains)")
    parser.add_argument("--dry-run", action="store_true", help="only show what it would change")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="the plan, or the outcome, as data")
    # As `aimx apply` has them.
    parser.set_defaults(plan=None, events=False, wait=None)


def _line(text: str) -> str:
    """What can stand in a frame."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no name")
    return text.strip()


def run(options: argparse.Namespace) -> int:
    if options.dry_run:
        return administer.tell(options, administer.plan(options))
    code = apply.run(options)
    if code == Exit.DONE and not options.json:
        from desired.names import Domain  # Nobody waits for it any more.

        domain = str(Domain.parse(options.domain))
        keys = os.path.join(roots.chosen(options)["config-dir"], "dkim", domain)
        terminal.say(f"Added domain {domain}\nDKIM keypair: {keys}")
    return code
