from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from aimx.mail.envelope import Client, Envelope, Incoming

Arrive = Callable[..., Incoming]


@pytest.fixture(scope="session")
def arrive() -> Arrive:
    def arrive(content: bytes, *, sender: str = "bounces@news.example") -> Incoming:
        client = Client("192.0.2.7", "mx.news.example")
        envelope = Envelope(sender, ("info@example.com",), client)
        return Incoming(envelope, content, datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC))

    return arrive
