"""What is told of the queue travels in one packet, whatever authors and hosts have written."""

import json

import pytest

from aimx.channel.control import FROM_OUTBOUND, Answered
from aimx.channel.packets import LARGEST
from aimx.outbound.queue import telling
from aimx.outbound.queue.recipient import Recipient
from aimx.outbound.queue.rows import Event, Message
from aimx.outbound.queue.states import Halt, State

TEXTS = [
    pytest.param("a", id="ascii"),
    pytest.param('"', id="quotes"),
    pytest.param("я", id="letters"),
    pytest.param("\N{GRINNING FACE}", id="pictures"),
]


def message(number: int, text: str, recipients: int) -> Message:
    return Message(
        id=f"{number:016x}",
        author="alice@a.com",
        message_id=f"{number}@a.com",
        subject=text * 400,
        size=100,
        international=False,
        queued=0.0,
        halt=Halt.NOT,
        origin=b"",
        stem="",
        closed=None,
        recipients=tuple(_recipient(place, text) for place in range(recipients)),
    )


def _recipient(place: int, text: str) -> Recipient:
    address, host = f"{place}@{'d' * 200}.example", f"{'d' * 200}.example"
    return Recipient(place, address, host, State.DEFERRED, 0.0, 0.0, 3, f"451 {text * 3000}")


def octets(document: dict[str, object]) -> int:
    return len(FROM_OUTBOUND.encode(Answered(1, "", json.dumps(document, ensure_ascii=False))))


@pytest.mark.parametrize("text", TEXTS)
def test_a_list_has_as_many_messages_as_travel_and_says_how_many_more(text):
    document = telling.listed([message(number, text, 1) for number in range(500)], 7)

    assert octets(document) <= LARGEST
    assert document["messages"]
    assert len(document["messages"]) + document["more"] == 507


@pytest.mark.parametrize("text", TEXTS)
def test_a_message_is_shown_with_all_its_recipients_and_as_much_of_what_was_said_as_travels(text):
    events = [
        Event(number, 0.0, "b.example", "deferred", text * 3000, False) for number in range(60)
    ]

    document = telling.shown(message(1, text, 100), events)

    assert octets(document) <= LARGEST
    assert len(document["recipients"]) == 100
    assert len(document["history"]) == 50
    assert all(len(each["told"]) >= 25 for each in document["recipients"])
