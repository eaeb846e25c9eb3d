"""`aimx resume`: what was suspended goes on, and the manifest on disk is in force again."""

from __future__ import annotations

import argparse

from aimx.cli import administer
from aimx.doors.wish import Intent


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    return administer.tell(options, administer.intend(options, Intent("RESUME")))
