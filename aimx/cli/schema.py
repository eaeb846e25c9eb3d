"""`aimx schema`: the manifest's JSON Schema, for editors."""

from __future__ import annotations

import json

from aimx.cli import terminal
from aimx.cli.options import Options, Parser
from aimx.doors.exits import Exit


def arguments(parser: Parser) -> None:
    pass


def run(options: Options) -> int:
    from desired.json_schema import json_schema

    terminal.say(json.dumps(json_schema(), indent=2))
    return Exit.DONE
