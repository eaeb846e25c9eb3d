"""Delivers into a directory instead of the network: one file a message, as it would be sent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from aimx.outbound.delivery import Outgoing
from aimx.outbound.outcome import Attempt, Delivered


class MailDrop:
    """Writes `<time>-<digest of the Message-ID>.eml`. Who sees the name sees the whole message."""

    def __init__(self, directory: Path, clock: Callable[[], datetime]) -> None:
        self._directory = directory
        self._clock = clock

    async def deliver(self, outgoing: Outgoing) -> Attempt:
        """Keep it, durably. Raises OSError where the directory does not take it."""
        digest = hashlib.sha256(outgoing.message_id.encode()).hexdigest()[:16]
        name = f"{self._clock():%Y-%m-%dT%H%M%S.%fZ}-{digest}.eml"
        await outgoing.witness.leaving(outgoing.recipients)
        _write(self._directory, name, outgoing.content)
        delivered = Delivered(host=str(self._directory), reply=name)
        outcomes = dict.fromkeys(outgoing.recipients, delivered)
        await outgoing.witness.answered(outcomes)
        return Attempt(outcomes)

    def destination(self, recipient: str) -> str:
        return str(self._directory)


def _write(directory: Path, name: str, content: bytes) -> None:
    unfinished = directory / f".{name}"
    with unfinished.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(directory / name)
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
