"""What is alike in all records in JSON: how one is read, and how a time stands in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any


def parsed(content: bytes) -> Any:
    """What a record says; whatever is in the file, what it raises is a `ValueError`."""
    try:
        return json.loads(content)
    except RecursionError as cause:
        raise ValueError("is nested too deeply") from cause


def rfc3339(moment: datetime, timespec: str = "auto") -> str:
    """The time in UTC, as each record and report writes it; older ones end in `+00:00`."""
    return f"{moment.astimezone(UTC).isoformat(timespec=timespec).removesuffix('+00:00')}Z"
