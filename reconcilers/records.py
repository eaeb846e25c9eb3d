"""What is alike in all records in JSON: how one is sealed and read, and how a time stands in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

_SEAL = "checksum"


def parsed(content: bytes) -> Any:
    """What a record says; whatever is in the file, what it raises is a `ValueError`."""
    try:
        return json.loads(content)
    except RecursionError as cause:
        raise ValueError("is nested too deeply") from cause


def checksum(document: Mapping[str, Any]) -> str:
    """Of what a document says, however it is written down."""
    return sha256(json.dumps(document, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its checksum, for what somebody acts on: one octet may make another name
    or day of it, which nobody could tell from what was meant."""
    return {**document, _SEAL: checksum(document)}


def unsealed(content: bytes) -> Any:
    """What a record says, as `parsed` reads it; a `ValueError` also where it was changed since.

    What earlier releases wrote has no seal, and is taken at its word.
    """
    found = parsed(content)
    if isinstance(found, dict) and _SEAL in found and found.pop(_SEAL) != checksum(found):
        raise ValueError("is not as it was written")
    return found


def rfc3339(moment: datetime, timespec: str = "auto") -> str:
    """The time in UTC, as each record and report writes it; older ones end in `+00:00`."""
    return f"{moment.astimezone(UTC).isoformat(timespec=timespec).removesuffix('+00:00')}Z"
