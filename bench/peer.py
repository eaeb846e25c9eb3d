"""The peer: a plain aiosmtpd handler in one process that keeps each message as a file.

python bench/peer.py PORT DIRECTORY flush|leave|directory
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session


class Keeping:
    """Writes a message beside its place, flushes it, and renames it there.

    `leave` does not flush. `directory` flushes the directory as well, without which the new name
    need not survive a power cut.
    """

    def __init__(self, directory: Path, durability: str) -> None:
        self._directory = directory
        self._durability = durability
        self._descriptor = os.open(directory, os.O_RDONLY)
        self._numbers = itertools.count()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        name = self._directory / f"{next(self._numbers):09}"
        with name.with_suffix(".tmp").open("wb") as file:
            file.write(envelope.content)
            file.flush()
            if self._durability != "leave":
                os.fsync(file.fileno())
        name.with_suffix(".tmp").rename(name.with_suffix(".eml"))
        if self._durability == "directory":
            os.fsync(self._descriptor)
        return "250 OK"


async def serve(port: int, handler: Keeping) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    _, port, directory, durability = sys.argv
    asyncio.run(serve(int(port), Keeping(Path(directory), durability)))
