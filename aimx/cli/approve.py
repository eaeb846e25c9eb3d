"""`aimx approve`: carry out exactly the plan that waits for it."""

from __future__ import annotations

from aimx.cli import administer
from aimx.cli.options import Options, Parser, unfit
from aimx.doors.wish import Intent


def arguments(parser: Parser) -> None:
    parser.add_argument("plan", metavar="ID", type=_id, help="of the plan, as `aimx status` has it")
    parser.add_argument("--json", action="store_true", help="the outcome as data")


def _id(text: str) -> str:
    digits = text.removeprefix("sha256:")
    if not 16 <= len(digits) <= 64 or set(digits) - set("0123456789abcdef"):
        raise unfit(f"'{text}' is no id of a plan: it has 16 digits of 0-9 and a-f, or more")
    return text


def run(options: Options) -> int:
    return administer.tell(options, administer.intend(options, Intent("APPROVE", options.plan)))
