"""`aimx version`."""

from __future__ import annotations

import argparse

from aimx.cli import terminal
from aimx.doors.exits import Exit


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    from importlib.metadata import version

    terminal.say(f"AIMX (AI Mail Exchange) version {version('aimx-mail')}")
    return Exit.DONE
