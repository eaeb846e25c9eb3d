"""`aimx resume`: what was suspended goes on, and the manifest on disk is in force again."""

from __future__ import annotations

from aimx.cli import administer
from aimx.cli.options import Options, Parser
from aimx.doors.wish import Intent


def arguments(parser: Parser) -> None:
    pass


def run(options: Options) -> int:
    return administer.tell(options, administer.intend(options, Intent("RESUME")))
