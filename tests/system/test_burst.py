"""Several messages to one host, through the daemon."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from aimx.doors.socket.client import Ok
from aimx.testing.exchanger import Exchanger
from aimx.testing.zone import Zone, serve_in_thread


@contextmanager
def exchanging() -> Iterator[Exchanger]:
    """A host beside the test."""
    exchanger, started, over = Exchanger(), threading.Event(), threading.Event()

    async def run() -> None:
        async with exchanger:
            started.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    started.wait()
    try:
        yield exchanger
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("mode", ["direct", "queue"])
def test_a_burst_shares_sessions_which_end_with_the_daemon(make, until, mode) -> None:
    zone = Zone({"c.example": {"MX": "10 mx.c.example"}, "mx.c.example": {"A": "127.0.0.1"}})
    content = b"From: info\nTo: bob@c.example\n\nHello.\n"
    instance = make()
    with exchanging() as exchanger, serve_in_thread(zone) as resolver:
        instance.resolver = resolver
        instance.declare(
            "info@example.com", rest=f'[outbound]\nmode = "{mode}"\nport = {exchanger.port}\n'
        )
        instance.serve()

        told = [
            instance.ask("SEND", {"Content-Length": str(len(content))}, content) for _ in range(8)
        ]
        until(lambda: len(exchanger.received) == len(told), "all of them")
        instance.stop()

        # Whoever leaves does not wait for what the host says to it.
        until(lambda: exchanger.commands[-1] == "QUIT", "the last session to end")
        assert {type(each) for each in told} == {Ok}
        # One, or as many as the queue takes to a host at a time, where no five seconds lie between.
        assert exchanger.connections < len(told)
