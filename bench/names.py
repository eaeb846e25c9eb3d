"""A name server of its own process, which answers at once: python bench/names.py < zone.json

Its replies are made before it says on which address it listens, so that what is measured is not
how fast a name server in Python is.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dns.message
import dns.rcode
import dns.rrset

_TTL = 3600  # Seconds.
_ID = 2  # Octets (RFC 1035 4.1.1), as is the header.
_HEADER = 12


@contextmanager
def name_server(zone: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Gives where it listens. A zone is by name, and then by record."""
    serving = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert serving.stdin is not None
    assert serving.stdout is not None
    try:
        json.dump(zone, serving.stdin)
        serving.stdin.close()
        yield serving.stdout.readline().strip()
    finally:
        serving.terminate()
        serving.wait()


def _replies(zone: Mapping[str, Mapping[str, str]]) -> dict[bytes, bytes]:
    """By question, what follows the id of a reply."""
    made = {}
    for name, entry in zone.items():
        for record, text in entry.items():
            reply = dns.message.make_response(
                dns.message.make_query(f"{name}.", record), recursion_available=True
            )
            pieces = " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))
            reply.answer.append(dns.rrset.from_text(f"{name}.", _TTL, "IN", record, pieces))
            wire = reply.to_wire()
            made[_question(wire)] = wire[_ID:]
    return made


def _question(wire: bytes) -> bytes:
    end = wire.index(b"\0", _HEADER) + 5
    return wire[_HEADER:end]


def _nothing(query: bytes) -> bytes:
    reply: Any = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    reply.set_rcode(dns.rcode.NXDOMAIN)
    return bytes(reply.to_wire())[_ID:]


def _serve(listening: socket.socket, replies: Mapping[bytes, bytes]) -> None:
    while True:
        query, asker = listening.recvfrom(4096)
        told = replies.get(_question(query).lower()) or _nothing(query)
        listening.sendto(query[:_ID] + told, asker)


def main() -> None:
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    listening.bind(("127.0.0.1", 0))
    replies = _replies(json.load(sys.stdin))
    host, port = listening.getsockname()
    print(f"{host}:{port}", flush=True)
    _serve(listening, replies)


if __name__ == "__main__":
    main()
