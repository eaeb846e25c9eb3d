"""`aimx version`."""

from __future__ import annotations

from aimx.cli import terminal
from aimx.cli.options import Options, Parser
from aimx.doors.exits import Exit


def arguments(parser: Parser) -> None:
    pass


def run(options: Options) -> int:
    from importlib.metadata import version

    terminal.say(f"AIMX (AI Mail Exchange) version {version('aimx-mail')}")
    return Exit.DONE
