"""The most memory that a server has while many clients send it the largest messages at once."""

from __future__ import annotations

import base64
import os
import smtplib
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from load import RECIPIENT, SENDER
from servers import Server
from usage import memory

OCTETS = 25 * 1024 * 1024 - 4096  # Of a message: just below the limit.
_LOOK = 0.01  # Seconds.
_PATIENCE = 600.0  # Seconds that a client waits for its reply.
_LINE = b"The quick brown fox jumps over the lazy dog, and nobody asks it why.\r\n"


def largest(server: Server, sessions: int) -> Iterator[tuple[str, float]]:
    """For each sort of message, the highest sum of all processes' RSS, in MB."""
    for name, body in _bodies().items():
        files = server.files() + server.bundles()
        with ThreadPoolExecutor(sessions) as clients:
            sent = [clients.submit(_send, server.port, body, each) for each in range(sessions)]
            peak = _peak(server, sent)
        for each in sent:
            each.result()  # Whatever was not answered 250 raises here.
        new = server.files() + server.bundles() - files
        if new != sessions:
            raise SystemExit(f"{sessions} messages were answered 250, and {new} are there")
        yield f"{sessions} sessions, each a message of 25 MiB: {name}", peak


def _bodies() -> Mapping[str, bytes]:
    text = b"\r\n" + _LINE * (OCTETS // len(_LINE))
    lines = base64.encodebytes(os.urandom(OCTETS * 57 // 79)).replace(b"\n", b"\r\n")
    attached = (
        b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
        b"--b\r\n\r\nSee below.\r\n--b\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Disposition: attachment; filename=large.bin\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + lines + b"--b--\r\n"
    )
    return {"all text": text, "all one attachment": attached}


def _peak(server: Server, sent: list[Future[None]]) -> float:
    peak = 0.0
    while not all(each.done() for each in sent):
        peak = max(peak, memory(server.pid, shares=False).resident)
        time.sleep(_LOOK)
    return peak


def _send(port: int, body: bytes, number: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=_PATIENCE) as session:
        session.ehlo("sender.example")
        session.mail(SENDER)
        session.rcpt(RECIPIENT)
        session.putcmd("DATA")
        session.getreply()
        head = f"Message-ID: <{time.time_ns()}.{number}@sender.example>\r\n".encode()
        assert session.sock is not None
        session.sock.sendall(head)
        session.sock.sendall(body)
        session.sock.sendall(b".\r\n")
        code, said = session.getreply()
        if code != 250:
            raise SystemExit(f"a message of 25 MiB was answered {code} {said!r}")
