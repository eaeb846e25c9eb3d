"""How many messages of 4 KiB are signed in a second of a processor's time, beside OpenSSL alone."""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dkim  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from figures import CELLS, Series, ratio, table
from machine import machine

from aimx.outbound.sign import Signer, sign

SIZE = 4096
_NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_PLAIN = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True)
class Signing:
    """One way of signing, and how fast it was."""

    speed: Series  # A second.
    one: Callable[[bytes], object]

    def run(self, messages: Sequence[bytes]) -> None:
        begun = time.process_time()
        for message in messages:
            self.one(message)
        self.speed.add(len(messages) / (time.process_time() - begun))


def message(number: int) -> bytes:
    """What an agent sends: a dozen header fields, and text. No two are the same."""
    head = (
        "From: Agent <agent@example.com>\r\nTo: Somebody <somebody@example.org>\r\n"
        "Subject: The prices of this week\r\nDate: Fri, 02 Jan 2026 03:04:05 +0000\r\n"
        f"Message-ID: <{number:08}@example.com>\r\nIn-Reply-To: <question@example.org>\r\n"
        "References: <question@example.org>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    )
    line = "A crate of apples is two coins, a crate of pears is three  of them.\r\n"
    text = head + line * (SIZE // len(line))
    return f"{text[: SIZE - 2]}\r\n".encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="of each way (7)")
    parser.add_argument("--messages", type=int, default=3000, help="in each round (3000)")
    options = parser.parse_args()
    messages = [message(number) for number in range(options.messages)]
    with machine():
        bare, ways = Series("openssl speed rsa2048"), _ways()
        for _ in range(options.rounds):
            bare.add(_openssl())
            for way in ways:
                # dkimpy is some twenty times slower.
                way.run(messages[: 100 if "dkimpy" in way.speed.name else None])
        rows = [bare, *(way.speed for way in ways)]
        heads = ["signatures a second of CPU", *CELLS, "ratio to openssl"]
        table("Signing", heads, [[row.name, *row.cells(), ratio(row, bare)] for row in rows])


def _ways() -> list[Signing]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(*_PLAIN)
    first = Signer(pem, "aimx", "example.com")
    second = Signer(
        ed25519.Ed25519PrivateKey.generate().private_bytes(*_PLAIN), "aimx-ed25519", "example.com"
    )

    def theirs(content: bytes) -> object:
        relaxed = (b"relaxed", b"relaxed")
        return dkim.sign(content, b"aimx", b"example.com", pem, canonicalize=relaxed)

    return [
        Signing(
            Series("cryptography, RSA, nothing around it"),
            lambda content: key.sign(content, padding.PKCS1v15(), hashes.SHA256()),
        ),
        Signing(Series("aimx, whole message, RSA"), lambda content: sign(content, [first], _NOW)),
        Signing(
            Series("aimx, whole message, RSA and Ed25519"),
            lambda content: sign(content, [first, second], _NOW),
        ),
        Signing(
            Series("aimx, whole message, Ed25519"), lambda content: sign(content, [second], _NOW)
        ),
        Signing(Series("dkimpy, whole message, RSA"), theirs),
    ]


def _openssl() -> float:
    """It, too, counts the time that it has a processor."""
    command = ["openssl", "speed", "-seconds", "1", "-mr", "rsa2048"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # +F2:<index>:<bits>:<signatures a second>:<verifications a second>
    (line,) = (each for each in told.splitlines() if each.startswith("+F2:"))
    return float(line.split(":")[3])


if __name__ == "__main__":
    main()
