"""The name of stored mail: when it came, and what about."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

from aimx.mail import dates

SLUG = 20  # Code points.
# Characters of a subject that are looked at: bringing a run of combining marks into order takes
# time quadratic in its length.
READ = 500

_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")


def base(subject: str, received_at: datetime) -> str:
    """`YYYY-MM-DD-HHMMSS-slug` in UTC. Who places it adds a number if the name is taken."""
    moment = dates.rfc3339(received_at).replace("T", "-").replace(":", "").removesuffix("Z")
    return f"{moment}-{slug(subject)}"


def slug(subject: str) -> str:
    lower = unicodedata.normalize("NFC", subject[:READ]).lower()
    dashed = _NOT_ALPHANUMERIC.sub("-", lower).strip("-")
    return dashed[:SLUG].rstrip("-") or "no-subject"
