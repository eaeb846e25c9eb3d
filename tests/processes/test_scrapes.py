"""Where metrics are asked for, while somebody else has the address."""

import asyncio
import socket
from typing import Any, cast

from structlog.testing import capture_logs

from aimx.processes.scrapes import Scrapes
from desired.quantities import Endpoint


def test_what_is_in_the_way_is_told_once_and_tried_again_and_again():
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    nothing = cast(Any, None)

    async def run() -> None:
        scrapes = Scrapes(nothing, nothing, nothing, lambda: None, again=0.01)
        scrapes.begin(Endpoint("127.0.0.1", port))
        await asyncio.sleep(0.3)
        taken.close()
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    break
        await scrapes.close()

    with capture_logs() as logs:
        asyncio.run(run())
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == [
        "metrics not served"
    ]
