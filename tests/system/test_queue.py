"""`[outbound] mode = "queue"`: what is handed in is delivered, by and by, once."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from aimx.doors.socket.client import Err, Ok
from aimx.testing.exchanger import Exchanger, in_thread
from aimx.testing.ports import ReservedPort
from aimx.testing.zone import Zone, serve_in_thread

AGENT = "agent@example.com"
TABLE = {
    "c.example": {"MX": "10 mx.c.example"},
    "mx.c.example": {"A": "127.0.0.1"},
    "gone.example": {"MX": "10 mx.gone.example"},
    "mx.gone.example": {"A": "127.0.0.7"},
}


@dataclass
class Queued:
    """An instance that queues, and the one host that it may reach."""

    instance: object
    port: int

    def declare(self, **parts: str) -> None:
        rest = f'[outbound]\nmode = "queue"\nport = {self.port}\n' + parts.pop("rest", "")
        self.instance.declare(AGENT, rest=rest, **parts)

    def send(self, subject: str, *recipients: str, key: str = "", **options) -> Ok | Err:
        to = ", ".join(recipients or ("bob@c.example",))
        content = f"From: agent\nTo: {to}\nSubject: {subject}\n\nHello.\n".encode()
        headers = {"Content-Length": str(len(content))}
        if key:
            headers["Idempotency-Key"] = key
        return self.instance.ask("SEND", headers, content, **options)

    def copy(self, subject: str):
        return self.instance.letter(AGENT, subject, "sent")

    def status(self, subject: str) -> str:
        return self.copy(subject).fields["delivery_status"]


@pytest.fixture
def queued(make) -> Iterator[Queued]:
    instance = make()
    with (
        serve_in_thread(Zone(TABLE)) as resolver,
        ReservedPort("127.0.0.1", "127.0.0.7") as port,
    ):
        instance.resolver = resolver
        yield Queued(instance, port.number)


def test_a_message_is_answered_at_once_and_delivered(queued, until):
    queued.declare()
    queued.instance.serve()
    with in_thread(Exchanger(port=queued.port)) as exchanger:
        sent = queued.send("hello", "bob@c.example", "eve@c.example")

        until(lambda: exchanger.received, "the message to arrive")
        until(lambda: queued.status("hello") == "delivered", "the copy to say so")

    (received,) = exchanger.received
    assert isinstance(sent, Ok)
    assert received.recipients == ("bob@c.example", "eve@c.example")
    fields = queued.copy("hello").fields
    assert f"<{fields['message_id']}>" == sent.detail
    assert "bob@c.example: delivered to mx.c.example" in fields["delivery_details"]
    assert fields["delivered_at"]
    assert queued.copy("hello").body.strip() == "Hello."
