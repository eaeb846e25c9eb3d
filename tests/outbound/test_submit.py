import asyncio
from dataclasses import dataclass, field
from datetime import datetime

import dkim
import pytest

from aimx.mail.addresses import Correspondent
from aimx.outbound.compose import HandedIn
from aimx.outbound.delivery import Outgoing
from aimx.outbound.directly import Directly, Mailed
from aimx.outbound.outcome import Attempt, Deferred, Delivered, Failed, Outcome, Sent, Status
from aimx.outbound.refusal import Code, NotSent
from aimx.outbound.sign import Signer
from aimx.outbound.submit import Sending
from aimx.signing import Signing
from aimx.snapshot import Snapshot, SnapshotId

SNAPSHOT = Snapshot(
    id=SnapshotId(1),
    hostname="mail.a.example",
    domains=("a.example", "b.example"),
    routes={},
    signing={"a.example": Signing({"rsa-sha256": "aimx"}, "Sent by an agent")},
)
MESSAGE = b"From: info\r\nTo: bob@c.example\r\nBcc: eve@c.example\r\n\r\nhi\r\n"


@dataclass
class Rehearsal:
    """A deliverer with one outcome for all, and a mailbox that keeps everything."""

    outcome: Outcome
    sent: list[Outgoing] = field(default_factory=list)
    kept: list[Mailed] = field(default_factory=list)

    async def deliver(self, outgoing: Outgoing) -> Attempt:
        self.sent.append(outgoing)
        return Attempt(dict.fromkeys(outgoing.recipients, self.outcome))

    def destination(self, recipient: str) -> str:
        return recipient.rpartition("@")[2]

    async def keep(self, mailed: Mailed) -> str:
        self.kept.append(mailed)
        return "2026-01-02-030405-no-subject"


@pytest.fixture
def rehearsal() -> Rehearsal:
    return Rehearsal(Delivered("mx.c.example", "TLSv1.3", "250 OK"))


def sending(rehearsal: Rehearsal, signer: Signer, now: datetime) -> Sending:
    return Sending(
        snapshot=SNAPSHOT,
        signers={"a.example": [signer]},
        dispatch=Directly(rehearsal, rehearsal.keep).dispatch,
        clock=lambda: now,
        message_id=lambda domain: f"made@{domain}",
    )


def test_a_message_is_signed_delivered_and_kept(
    rehearsal: Rehearsal, signer: Signer, now: datetime
) -> None:
    house = sending(rehearsal, signer, now)

    told = asyncio.run(house.send(HandedIn(MESSAGE), "info@a.example"))

    (outgoing,), (mailed,) = rehearsal.sent, rehearsal.kept
    record = signer.record.encode()
    assert told == Sent("<made@a.example>")
    assert outgoing.sender == "info@a.example"
    assert outgoing.recipients == ("bob@c.example", "eve@c.example")
    assert b"eve" not in outgoing.content
    assert b"Sent by an agent" in outgoing.content
    assert dkim.verify(outgoing.content, dnsfunc=lambda name, timeout=5: record)
    assert mailed.content == outgoing.content
    assert mailed.composed.source == "hi\n"
    assert mailed.attempt.status is Status.DELIVERED


def test_the_author_is_known_before_anything_else_is_looked_at(
    rehearsal: Rehearsal, signer: Signer, now: datetime
) -> None:
    house = sending(rehearsal, signer, now)

    assert house.author(b"From: info\r\nTo: nobody\r\n\r\n\xff") == Correspondent(
        "", "info", "a.example"
    )
    assert house.author(b"From: x@c.example\r\n\r\n") == NotSent(
        Code.DOMAIN,
        'sender domain \'c.example\' is not in `domains = ["a.example", "b.example"]`',
    )


@pytest.mark.parametrize(
    ("outcome", "code", "copies"),
    [
        pytest.param(Deferred("450"), Code.TEMP, 0, id="deferred-leaves-no-copy"),
        pytest.param(Failed("550"), Code.DELIVERY, 1, id="failed-leaves-a-copy"),
        pytest.param(
            Deferred("gone", unanswered=True), Code.DELIVERY, 1, id="unanswered-leaves-a-copy"
        ),
    ],
)
def test_what_did_not_arrive_is_told(
    signer: Signer, now: datetime, outcome: Outcome, code: Code, copies: int
) -> None:
    rehearsal = Rehearsal(outcome)

    told = asyncio.run(sending(rehearsal, signer, now).send(HandedIn(MESSAGE), "info@a.example"))

    assert isinstance(told, NotSent)
    assert told.code is code
    assert len(rehearsal.kept) == copies


@pytest.mark.parametrize(
    ("message", "author", "refusal"),
    [
        pytest.param(
            b"From: x@b.example\r\nTo: bob@c.example\r\n\r\n",
            "x@b.example",
            NotSent(
                Code.SIGN,
                "no DKIM key loaded for domain 'b.example';"
                " run `aimx dkim-keygen --domain b.example` and restart aimx serve",
            ),
            id="no-key",
        ),
        pytest.param(
            b"From: info\r\n\r\n",
            "info@a.example",
            NotSent(Code.MALFORMED, "no recipient in To"),
            id="malformed",
        ),
        pytest.param(
            MESSAGE,
            "info@old.example",
            NotSent(Code.TEMP, "the default domain has just changed; send it again"),
            id="another-author-than-the-authorised-one",
        ),
    ],
)
def test_what_cannot_be_sent_reaches_nobody(
    rehearsal: Rehearsal,
    signer: Signer,
    now: datetime,
    message: bytes,
    author: str,
    refusal: NotSent,
) -> None:
    told = asyncio.run(sending(rehearsal, signer, now).send(HandedIn(message), author))

    assert told == refusal
    assert (rehearsal.sent, rehearsal.kept) == ([], [])
