"""`aimx suspend`: the daemon applies nothing by itself for a while."""

from __future__ import annotations

import re

from aimx.cli import administer
from aimx.cli.options import Options, Parser, unfit
from aimx.doors.wish import LASTING, Intent


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "--for",
        dest="lasting",
        type=duration,
        required=True,
        metavar="DURATION",
        help="for how long, such as 90m, 2h or 1d",
    )
    reasons(parser)


def reasons(parser: Parser) -> None:
    parser.add_argument(
        "--reason", type=_line, default="", metavar="TEXT", help="why, for whoever asks"
    )


def duration(text: str) -> str:
    if not re.fullmatch(LASTING, text):
        raise unfit(f"'{text}' is no duration: write 90s, 30m, 2h or 1d")
    return text


def _line(text: str) -> str:
    if not text.isprintable() or len(text) > 500:
        raise unfit("a reason is one line of at most 500 characters")
    return text.strip()


def run(options: Options) -> int:
    intent = Intent("SUSPEND", lasting=options.lasting, reason=options.reason)
    return administer.tell(options, administer.intend(options, intent))
