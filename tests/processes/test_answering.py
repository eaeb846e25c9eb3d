"""Who asks for metrics gets an answer, also where others hold all places."""

import asyncio
import socket

from aimx.metrics.pages import Page
from aimx.processes.answering import Answering

PAGES = (Page("/metrics", 200, "a 1\n"),)


def test_who_finds_no_place_is_told_so_and_not_cut_off() -> None:
    async def play() -> list[bytes]:
        answering = Answering()
        with socket.create_server(("127.0.0.1", 0)) as server:
            clients = [socket.create_connection(server.getsockname()) for _ in range(20)]
            for client in clients:
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                client.setblocking(False)
            for _ in clients:
                answering.adopt(server.accept()[0], PAGES)
            loop, found = asyncio.get_running_loop(), []
            for client in reversed(clients):
                found.append(await _all(loop, client))
            return found

    answers = asyncio.run(play())

    assert [answer.partition(b"\r\n")[0] for answer in answers] == [
        *[b"HTTP/1.1 503 Service Unavailable"] * 4,
        *[b"HTTP/1.1 200 OK"] * 16,
    ]


async def _all(loop: asyncio.AbstractEventLoop, client: socket.socket) -> bytes:
    content = b""
    with client:
        while block := await loop.sock_recv(client, 65536):
            content += block
    return content
