"""The name of stored mail: when it came, and what about."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

SLUG = 20  # Code points.
# Characters of a subject that are looked at: bringing a run of combining marks into order takes
# time quadratic in its length.
READ = 500

_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")


def base(subject: str, received_at: datetime) -> str:
    """`YYYY-MM-DD-HHMMSS-slug` in UTC. Who places it adds a number if the name is taken."""
    moment = received_at.astimezone(UTC)
    day = f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
    return f"{day}-{moment.hour:02}{moment.minute:02}{moment.second:02}-{slug(subject)}"


def slug(subject: str) -> str:
    lower = unicodedata.normalize("NFC", subject[:READ]).lower()
    dashed = _NOT_ALPHANUMERIC.sub("-", lower).strip("-")
    return dashed[:SLUG].rstrip("-") or "no-subject"
