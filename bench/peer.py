"""The peer: a plain aiosmtpd handler in one process that keeps each message as a file.

python bench/peer.py PORT DIRECTORY flush|leave
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session


class Keeping:
    """Writes a message beside its place, flushes it if asked to, and renames it there."""

    def __init__(self, directory: Path, *, flushes: bool) -> None:
        self._directory = directory
        self._flushes = flushes
        self._numbers = itertools.count()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        name = self._directory / f"{next(self._numbers):09}"
        with name.with_suffix(".tmp").open("wb") as file:
            file.write(envelope.content)
            file.flush()
            if self._flushes:
                os.fsync(file.fileno())
        name.with_suffix(".tmp").rename(name.with_suffix(".eml"))
        return "250 OK"


async def serve(port: int, handler: Keeping) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    _, port, directory, durability = sys.argv
    asyncio.run(serve(int(port), Keeping(Path(directory), flushes=durability == "flush")))
