"""`aimx schema`: the manifest's JSON Schema, for editors."""

from __future__ import annotations

import argparse
import json

from aimx.cli import terminal
from aimx.doors.exits import Exit


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    from desired.json_schema import json_schema

    terminal.say(json.dumps(json_schema(), indent=2))
    return Exit.DONE
