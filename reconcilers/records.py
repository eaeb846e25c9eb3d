"""The one reader of records in JSON: whatever is in the file, what it raises is a `ValueError`."""

from __future__ import annotations

import json
from typing import Any


def parsed(content: bytes) -> Any:
    """What a record says; raises `ValueError` where it is not JSON, or nested without end."""
    try:
        return json.loads(content)
    except RecursionError as cause:
        raise ValueError("is nested too deeply") from cause
