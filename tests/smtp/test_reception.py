"""What becomes of a message that has come whole."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from aimx.mail.envelope import Client, Envelope, Incoming
from aimx.placing.client import NotPlaced, Placed, Placement, Placing
from aimx.smtp.reception import Reception
from aimx.smtp.replies import Reply
from aimx.smtp.service import Received
from aimx.snapshot import Receiving, Route, Snapshot, SnapshotId
from aimx.testing.zone import Zone, ZoneResolver
from aimx.verify.judge import Judge

MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\n"
RECORDING = Receiving()
LARGE = MESSAGE + b"word\r\n" * 100_000


@dataclass
class Placements:
    """Tells for each mailbox, in order, what it was given to tell."""

    outcomes: list[Placing]
    placed: list[Placement] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def place(self, placement: Placement) -> Placing:
        outcome = self.outcomes[len(self.placed)]
        self.placed.append(placement)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return outcome


def received(content: bytes, mailboxes: int, receiving: Receiving = RECORDING) -> Received:
    addresses = tuple(f"m{number}@example.com" for number in range(mailboxes))
    routes = {address: Route(address, "example.com", address[:-12], 1) for address in addresses}
    envelope = Envelope("a@example.org", addresses, Client("192.0.2.1", "mx.example.org"))
    return Received(
        Incoming(envelope, content, datetime(2026, 1, 2, tzinfo=UTC)),
        tuple(routes.items()),
        Snapshot(SnapshotId(1), "mx.example.com", ("example.com",), routes, receiving=receiving),
        "5eed" * 4,
    )


def answer(placements: Placements, content: bytes = MESSAGE) -> Reply:
    reception = Reception(Judge(ZoneResolver(Zone({}))), placements)
    return asyncio.run(reception.receive(received(content, len(placements.outcomes))))


KEPT, FULL, AWAY = Placed("stem"), NotPlaced("why", full=True), NotPlaced("why", away=True)
BROKEN = NotPlaced("why")


@pytest.mark.parametrize("content", [MESSAGE, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("outcomes", "reply"),
    [
        pytest.param([KEPT], "250 2.0.0", id="kept"),
        pytest.param([KEPT, KEPT], "250 2.0.0", id="kept-twice"),
        pytest.param([KEPT, FULL], "451 4.3.0", id="kept-in-part"),
        pytest.param([FULL, FULL], "452 4.2.2", id="full"),
        pytest.param([FULL, BROKEN], "451 4.3.0", id="full-for-one"),
        pytest.param([AWAY], "451 4.2.1", id="retired-meanwhile"),
        pytest.param([AWAY, BROKEN], "451 4.3.0", id="nowhere"),
    ],
)
def test_the_reply_tells_what_became_of_all_copies(content, outcomes, reply):
    assert str(answer(Placements(outcomes), content)).startswith(reply)


def test_of_a_large_message_few_copies_are_made_at_a_time():
    placements = Placements([KEPT] * 20)

    assert answer(placements, LARGE).accepts

    assert {placement.name for placement in placements.placed} == {f"m{n}" for n in range(20)}
    assert placements.most_at_once <= 4


def enforced(content: bytes, table: dict[str, dict[str, object]]) -> tuple[Reply, int]:
    """The reply, and how many copies were kept."""
    placements = Placements([KEPT])
    reception = Reception(Judge(ZoneResolver(Zone(table))), placements)
    enforcing = received(content, 1, Receiving(enforces_dmarc=True))
    return asyncio.run(reception.receive(enforcing)), len(placements.placed)


POLICY = "_dmarc.example.org"
MINE = {"TXT": "v=spf1 ip4:192.0.2.1 -all"}


@pytest.mark.parametrize(
    ("content", "table", "reply"),
    [
        pytest.param(MESSAGE, {}, "250 2.0.0", id="no-policy"),
        pytest.param(MESSAGE, {POLICY: {"TXT": "v=DMARC1; p=none"}}, "250 2.0.0", id="none"),
        pytest.param(
            MESSAGE, {POLICY: {"TXT": "v=DMARC1; p=quarantine"}}, "250 2.0.0", id="quarantine"
        ),
        pytest.param(MESSAGE, {POLICY: {"TXT": "v=DMARC1; p=reject"}}, "550 5.7.26", id="reject"),
        pytest.param(
            MESSAGE,
            {POLICY: {"TXT": "v=DMARC1; p=reject"}, "example.org": MINE},
            "250 2.0.0",
            id="reject-and-pass",
        ),
        pytest.param(MESSAGE, {POLICY: {"fails": "SERVFAIL"}}, "451 4.7.0", id="unknown"),
        pytest.param(b"From: b@x.example\r\n" + MESSAGE, {}, "550 5.7.1", id="two-authors"),
        pytest.param(b"Subject: x\r\n\r\n", {}, "550 5.7.1", id="no-author"),
    ],
)
def test_an_enforced_policy_decides_what_is_taken(content, table, reply):
    found, kept = enforced(content, table)

    assert str(found).startswith(f"{reply} ")
    assert kept == (1 if found.accepts else 0)


def test_an_author_of_another_script_is_refused_in_ascii():
    content = "From: a@b\u00fccher.example\r\n\r\n".encode()
    policy = {"_dmarc.xn--bcher-kva.example": {"TXT": "v=DMARC1; p=reject"}}

    found, _ = enforced(content, policy)

    assert found.code == 550
    assert "xn--bcher-kva.example" in found.encoded.decode("ascii")


@pytest.mark.parametrize("content", [MESSAGE, LARGE], ids=["small", "large"])
def test_the_message_as_it_came_is_kept_where_that_is_asked_for(content):
    placements = Placements([KEPT])
    reception = Reception(Judge(ZoneResolver(Zone({}))), placements)

    asyncio.run(reception.receive(received(content, 1, Receiving(keeps_raw=True))))

    (copy,) = placements.placed
    assert [(each.name, each.content) for each in copy.attachments] == [("raw.eml", content)]
