"""The caller's side of AIMX/1: one frame there, one reply back. Imports nothing heavy."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from io import IOBase
from typing import Any

from aimx.doors.events import LINE, Tell, unheard
from desired.frozen import frozen

_CHUNK = 1 << 16


class UnreachableError(Exception):
    """No daemon answers at the socket."""


class ReplyError(Exception):
    """What came back is no reply of this protocol."""


@frozen
class Ok:
    """Success: a detail on the first line, or a JSON document."""

    detail: str = ""
    document: Any = None


@frozen
class Err:
    """Refusal."""

    code: str
    reason: str


def call(
    path: str,
    verb: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    heard: Tell = unheard,
    seconds: float | None = None,
) -> Ok | Err:
    """One request; raises `UnreachableError` where nobody listens, `ReplyError` for nonsense.

    `heard` is told what happens until the reply comes, where the headers ask for that. Nothing
    is waited for longer than `seconds`; None: what is asked for may take its time.
    """
    frame = "".join(
        [f"AIMX/1 {verb}\n", *(f"{name}: {value}\n" for name, value in headers.items()), "\n"]
    )
    if not os.path.lexists(path):
        raise UnreachableError(os.strerror(errno.ENOENT))
    import socket  # It takes longer than a hundred directories, and most often nobody is asked.

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(path)
        except OSError as cause:
            raise UnreachableError(cause.strerror or str(cause)) from cause
        try:
            connection.sendall(frame.encode() + body)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It may have answered and closed before it read all.
        with connection.makefile("rb", _CHUNK) as stream:
            return parse(_reply(stream, heard))


def _reply(stream: IOBase, heard: Tell) -> bytes:
    """All that comes, but for the events before it."""
    lines: list[bytes] = []
    try:
        for line in stream:
            if not line.startswith(LINE):
                lines.append(line)
                break
            with suppress(ValueError):  # One that is cut is no event, and no reply follows.
                heard(json.loads(line.removeprefix(LINE)))
        while chunk := stream.read(_CHUNK):
            lines.append(chunk)
    except TimeoutError as cause:
        raise ReplyError("the daemon does not answer") from cause
    except OSError as cause:
        # It may have answered before it had read all, and that is what counts.
        if not lines:
            raise ReplyError(f"the daemon hung up: {cause.strerror}") from cause
    return b"".join(lines)


def parse(reply: bytes) -> Ok | Err:
    """Read a whole reply."""
    head, _, rest = reply.partition(b"\n")
    words = head.decode("utf-8", "replace").split(" ", 3)
    if words[:2] == ["AIMX/1", "OK"]:
        length, _, body = rest.partition(b"\n\n")
        return Ok(
            " ".join(words[2:]), _document(body) if length.startswith(b"Content-Length:") else None
        )
    if words[:2] == ["AIMX/1", "ERR"] and len(words) >= 3:
        return Err(words[2], words[3] if len(words) > 3 else "")
    raise ReplyError("the daemon hung up without a reply" if not reply else "not an AIMX/1 reply")


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as cause:
        raise ReplyError("the daemon hung up in the middle of its reply") from cause
