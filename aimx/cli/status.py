"""`aimx status`: how machine and manifest stand."""

from __future__ import annotations

import argparse
import json
from typing import Any

from aimx.cli import administer, terminal
from aimx.doors.exits import Exit
from aimx.doors.socket import client


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the state as data")
    parser.add_argument(
        "--detailed-exitcode", action="store_true", help="exit 2 when changes are pending"
    )


def run(options: argparse.Namespace) -> int:
    try:
        document = administer.status(options)
    except client.ReplyError as cause:
        terminal.tell(f"aimx: {cause}")
        return Exit.ERROR
    terminal.say(json.dumps(document, indent=2) if options.json else _text(document))
    pending = any(row["apply"] for row in document.get("resources", []))
    return Exit.PENDING if options.detailed_exitcode and pending else Exit.DONE


def _text(document: dict[str, Any]) -> str:
    return "\n".join([*_head(document), *_conditions(document), *_resources(document)])


def _head(document: dict[str, Any]) -> list[str]:
    serving = "running" if document["daemon"] else "not running"
    lines = [f"Generation {document['generation']}, daemon {serving}."]
    if document["daemon"] and document["engine_generation"] != document["generation"]:
        lines.append(f"The engine is at generation {document['engine_generation']}.")
    return lines


def _conditions(document: dict[str, Any]) -> list[str]:
    lines = []
    for condition in document["conditions"]:
        reason = f"  {condition['reason']}" if condition["reason"] else ""
        lines.append(f"  {condition['type']:<16}{condition['status']:<8}{reason}".rstrip())
        if condition["message"]:
            lines += [f"      {line}" for line in condition["message"].splitlines()]
    return ["", "Conditions:", *lines] if lines else []


def _resources(document: dict[str, Any]) -> list[str]:
    """Two columns: what drifted since the last apply, and what an apply would do."""
    if "mailboxes" in document:
        mine = document["mailboxes"]
        return ["", "Your mailboxes:", *(f"  {each}" for each in mine or ["none"])]
    rows = document.get("resources", [])
    if not rows:
        return ["", f"{document['unchanged']} resources, all as the manifest says."]
    lines = [f"  {row['drift'] or ' '}{row['apply'] or ' '}  {row['address']}" for row in rows]
    return [
        "",
        "Resources (first column: drifted since the last apply; second: what apply would do):",
        *lines,
        f"  {document['unchanged']} more are as the manifest says.",
    ]
