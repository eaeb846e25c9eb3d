import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import repeat

import pytest

from aimx.outbound.deliver import Direct
from aimx.outbound.delivery import Deliverer, Outgoing
from aimx.outbound.outcome import Attempt, Deferred, Delivered, Failed, Outcome
from aimx.outbound.relayed import Relayed
from aimx.outbound.session import Manners, opportunistic
from aimx.outbound.sessions import MOST_AT_ONCE, Sessions
from aimx.testing.certificate import throwaway_tls
from aimx.testing.exchanger import Exchanger
from aimx.testing.script import DISCONNECT, OK, SILENCE
from aimx.testing.zone import Zone, ZoneResolver
from desired.quantities import Endpoint
from desired.relay import Relay

ZONE = Zone(
    {
        "c.example": {"MX": "10 mx.c.example"},
        "d.example": {"MX": "10 mx.c.example"},
        "other.example": {"MX": "10 mx.other.example"},
        "mx.c.example": {"A": "127.0.0.1"},
        "mx.other.example": {"A": "127.0.0.1"},
        "relay.example": {"A": "127.0.0.1"},
    }
)
TLS = throwaway_tls()
BOB = "bob@c.example"
KEPT = Delivered("mx.c.example", "", "250 2.0.0 Kept")


def to(*recipients: str) -> Outgoing:
    return Outgoing("info@a.example", recipients, b"Subject: x\r\n\r\nhi\r\n", "a@b")


@dataclass
class Rehearsal:
    """A host, the sessions that are kept with it, and who sends."""

    exchanger: Exchanger
    sessions: Sessions
    manners: Manners

    @property
    def deliverer(self) -> Deliverer:
        return Direct(ZoneResolver(ZONE), self.manners, sessions=self.sessions)

    async def send(self, *recipients: str) -> list[Outcome]:
        attempt = await self.deliverer.deliver(to(*(recipients or (BOB,))))
        return list(attempt.outcomes.values())

    def said(self, *verbs: str) -> list[str]:
        """These commands, in the order in which the host heard them."""
        heard = [command.partition(" ")[0].upper() for command in self.exchanger.commands]
        return [verb for verb in heard if verb in verbs]

    async def until_said(self, verb: str, times: int = 1) -> None:
        while self.said(verb).count(verb) < times:
            await asyncio.sleep(0.001)


Scene = Callable[[Rehearsal], Awaitable[None]]


def rehearse(
    scene: Scene,
    script: Mapping[str, Iterable[str]] | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    **bounds: float,
) -> Rehearsal:
    async def run() -> Rehearsal:
        async with Exchanger(script, tls=tls) as exchanger:
            sessions = Sessions(**bounds)  # type: ignore[arg-type]
            manners = Manners("mail.a.example", exchanger.port, 5.0)
            rehearsal = Rehearsal(exchanger, sessions, manners)
            await scene(rehearsal)
            await sessions.close()
            return rehearsal

    return asyncio.run(run())


@pytest.mark.parametrize("tls", [None, TLS], ids=["clear", "TLS"])
def test_a_burst_to_one_host_goes_over_one_session(tls):
    told: list[Outcome] = []

    async def scene(rehearsal: Rehearsal) -> None:
        for _ in range(5):
            told.extend(await rehearsal.send())

    done = rehearse(scene, tls=tls)

    assert done.exchanger.connections == 1
    assert told == [replace(KEPT, tls="TLSv1.3" if tls else "")] * 5
    assert len(done.exchanger.received) == 5
    assert {message.tls for message in done.exchanger.received} == {tls is not None}
    assert done.said("MAIL", "RSET", "QUIT", "STARTTLS") == [
        *(["STARTTLS"] if tls else []),
        *["MAIL"] * 5,
        "QUIT",
    ]


def test_recipients_of_several_domains_with_one_host_share_its_session():
    async def scene(rehearsal: Rehearsal) -> None:
        await rehearsal.send(BOB)
        await rehearsal.send("carol@d.example")
        # The same address, under another name.
        await rehearsal.send("dan@other.example")

    assert rehearse(scene).exchanger.connections == 2


def test_messages_that_are_sent_at_once_share_a_few_sessions():
    async def scene(rehearsal: Rehearsal) -> None:
        await asyncio.gather(*(rehearsal.send() for _ in range(20)))

    done = rehearse(scene)

    assert done.exchanger.connections == MOST_AT_ONCE
    assert len(done.exchanger.received) == 20


def test_whoever_waits_for_a_session_has_it_in_the_order_of_coming():
    people = [f"{number}@c.example" for number in range(6)]

    async def scene(rehearsal: Rehearsal) -> None:
        await asyncio.gather(*(rehearsal.send(person) for person in people))

    done = rehearse(scene, at_once=1)

    assert done.exchanger.connections == 1
    assert [message.recipients[0] for message in done.exchanger.received] == people


def test_whoever_waits_too_long_has_a_session_of_their_own():
    async def scene(rehearsal: Rehearsal) -> None:
        slow = asyncio.create_task(rehearsal.send("slow@c.example"))
        await rehearsal.until_said("MAIL")
        await rehearsal.send("quick@c.example")
        assert not slow.done()
        await rehearsal.exchanger.hang_up()
        await slow

    done = rehearse(scene, {"MAIL": [SILENCE]}, at_once=1, wait=0.02)

    assert done.exchanger.connections == 2
    assert [message.recipients for message in done.exchanger.received] == [("quick@c.example",)]


def test_a_session_that_fails_lets_the_next_one_in():
    async def scene(rehearsal: Rehearsal) -> None:
        await asyncio.gather(*(rehearsal.send() for _ in range(3)))

    done = rehearse(scene, {"CONNECT": [DISCONNECT]}, at_once=1)

    assert len(done.exchanger.received) == 2
    assert done.exchanger.connections == 2


def test_a_host_that_says_how_much_it_takes_in_a_session_is_believed():
    async def scene(rehearsal: Rehearsal) -> None:
        rehearsal.exchanger.extensions = ("LIMITS MAILMAX=2 RCPTMAX=0",)
        for _ in range(5):
            await rehearsal.send()

    assert rehearse(scene).exchanger.connections == 3


def test_a_session_ends_after_so_many_messages():
    async def scene(rehearsal: Rehearsal) -> None:
        for _ in range(5):
            await rehearsal.send()

    done = rehearse(scene, messages=2)

    assert done.exchanger.connections == 3
    assert done.said("MAIL", "QUIT") == [*["MAIL", "MAIL", "QUIT"] * 2, "MAIL", "QUIT"]


def test_a_session_ends_when_it_is_old():
    async def scene(rehearsal: Rehearsal) -> None:
        for _ in range(3):
            await rehearsal.send()

    assert rehearse(scene, oldest=0.0).exchanger.connections == 3


def test_a_session_that_nobody_uses_is_ended_with_quit():
    async def scene(rehearsal: Rehearsal) -> None:
        await rehearsal.send()
        await rehearsal.until_said("QUIT")
        await rehearsal.send()

    assert rehearse(scene, idle=0.01).exchanger.connections == 2


def test_of_too_many_that_wait_the_one_that_waited_longest_is_ended():
    async def scene(rehearsal: Rehearsal) -> None:
        await rehearsal.send(BOB)
        await rehearsal.send("dan@other.example")
        await rehearsal.until_said("QUIT")
        await rehearsal.send("dan@other.example")

    done = rehearse(scene, most=1)

    assert done.exchanger.connections == 2
    assert done.said("QUIT") == ["QUIT", "QUIT"]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param({"MAIL": [OK, DISCONNECT]}, id="hangs-up-at-mail"),
        pytest.param({"RCPT": [OK, DISCONNECT]}, id="hangs-up-at-rcpt"),
        pytest.param({"DATA": [OK, DISCONNECT]}, id="hangs-up-at-data"),
        pytest.param({"MAIL": [OK, "421 4.3.2 Bye"]}, id="421-to-mail"),
        pytest.param({"RCPT": [OK, "421 4.3.2 Bye"]}, id="421-to-rcpt"),
        pytest.param({"DATA": [OK, "421 4.3.2 Bye"]}, id="421-to-data"),
        pytest.param({"MAIL": [OK, "452 4.5.3 Enough of you"]}, id="enough-for-now"),
        pytest.param({"MAIL": [OK, "550 5.7.1 Enough of you"]}, id="enough-for-good"),
        pytest.param({"MAIL": [OK, "nonsense"]}, id="speaks-nonsense"),
    ],
)
def test_a_session_that_is_over_is_replaced_and_the_message_arrives(script):
    told: list[Outcome] = []

    async def scene(rehearsal: Rehearsal) -> None:
        told.extend([*await rehearsal.send(), *await rehearsal.send()])

    done = rehearse(scene, script)

    assert told == [KEPT, KEPT]
    assert done.exchanger.connections == 2
    assert len(done.exchanger.received) == 2


def test_a_host_that_hung_up_while_nobody_looked_costs_nothing():
    async def scene(rehearsal: Rehearsal) -> None:
        await rehearsal.send()
        await rehearsal.exchanger.hang_up()
        assert await rehearsal.send() == [KEPT]

    done = rehearse(scene)

    assert done.exchanger.connections == 2
    assert len(done.exchanger.received) == 2


def test_what_a_fresh_session_is_refused_is_refused():
    told: list[Outcome] = []

    async def scene(rehearsal: Rehearsal) -> None:
        for _ in range(2):
            told.extend(await rehearsal.send())

    done = rehearse(scene, {"MAIL": [OK, *repeat("550 5.7.1 Not from you", 9)]})

    assert told == [KEPT, Failed("mx.c.example: 550 5.7.1 Not from you")]
    assert done.exchanger.connections == 2


@pytest.mark.parametrize("answer", [DISCONNECT, "451 4.3.0 Disk"])
def test_a_message_whose_content_has_left_is_not_offered_again(answer):
    told: list[Outcome] = []

    async def scene(rehearsal: Rehearsal) -> None:
        for _ in range(2):
            told.extend(await rehearsal.send())

    done = rehearse(scene, {"END": [OK, answer]})

    second = told[1]
    assert isinstance(second, Deferred)
    assert second.unanswered == (answer == DISCONNECT)
    assert done.exchanger.connections == 1
    assert done.said("DATA") == ["DATA", "DATA"]


@pytest.mark.parametrize(
    ("script", "recipients"),
    [
        pytest.param({"RCPT": ["550 5.1.1 Who?"]}, [BOB], id="nobody-was-taken"),
        pytest.param({"DATA": ["451 4.3.0 Disk"]}, [BOB], id="no-content-was-taken"),
    ],
)
def test_a_transaction_that_was_left_in_the_middle_is_reset(script, recipients):
    told: list[Outcome] = []

    async def scene(rehearsal: Rehearsal) -> None:
        await rehearsal.send(*recipients)
        told.extend(await rehearsal.send("carol@c.example"))

    done = rehearse(scene, script)

    assert told == [KEPT]
    assert done.exchanger.connections == 1
    assert done.exchanger.received[0].recipients == ("carol@c.example",)
    assert done.said("MAIL", "RSET") == ["MAIL", "RSET", "MAIL"]


def test_a_refusal_of_the_content_leaves_the_session_as_it_was():
    async def scene(rehearsal: Rehearsal) -> None:
        await rehearsal.send()
        assert await rehearsal.send() == [KEPT]

    done = rehearse(scene, {"END": ["554 5.7.1 Spam"]})

    assert done.exchanger.connections == 1
    assert done.said("RSET") == []


def test_a_message_that_the_host_cannot_take_does_not_end_the_session():
    async def scene(rehearsal: Rehearsal) -> None:
        large = replace(to(BOB), content=b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n")
        (outcome,) = (await rehearsal.deliverer.deliver(large)).outcomes.values()
        assert isinstance(outcome, Failed)
        assert await rehearsal.send() == [KEPT]

    async def run() -> int:
        async with Exchanger(extensions=["SIZE 50"]) as exchanger:
            sessions = Sessions()
            await scene(Rehearsal(exchanger, sessions, Manners("m", exchanger.port, 5.0)))
            await sessions.close()
            return exchanger.connections

    assert asyncio.run(run()) == 1


def test_what_cannot_be_recorded_keeps_the_content_and_ends_the_session():
    class Full:
        async def leaving(self, recipients: object) -> None:
            raise OSError(28, "disk full")

        async def answered(self, outcomes: object) -> None:
            raise AssertionError

    async def scene(rehearsal: Rehearsal) -> None:
        await rehearsal.send()
        attempt = await rehearsal.deliverer.deliver(replace(to(BOB), witness=Full()))
        assert [type(outcome) for outcome in attempt.outcomes.values()] == [Deferred]
        assert await rehearsal.send() == [KEPT]

    done = rehearse(scene)

    assert done.exchanger.connections == 2
    assert len(done.exchanger.received) == 2


@asynccontextmanager
async def relay(user: str, password: str) -> AsyncIterator[Callable[..., Relayed]]:
    async with Exchanger(tls=TLS, extensions=["SIZE", "AUTH PLAIN"]) as exchanger:

        def made(sessions: Sessions, user: str = user, password: str = password) -> Relayed:
            return Relayed(
                Relay(Endpoint("relay.example", exchanger.port), user, implicit_tls=False),
                ZoneResolver(ZONE),
                hostname="mail.a.example",
                timeout=5.0,
                password=password,
                tls=context,
                sessions=sessions,
            )

        context = opportunistic()
        made.exchanger = exchanger  # type: ignore[attr-defined]
        yield made


def test_a_relay_is_told_the_password_once_for_several_messages():
    async def run() -> Exchanger:
        async with relay("me", "s3cret") as made:
            sessions = Sessions()
            for _ in range(3):
                # Each generation has a relay of its own.
                attempt: Attempt = await made(sessions).deliver(to(BOB, "eve@d.example"))
                assert {type(outcome) for outcome in attempt.outcomes.values()} == {Delivered}
            await sessions.close()
            return made.exchanger

    exchanger = asyncio.run(run())

    assert exchanger.connections == 1
    assert [line for line in exchanger.commands if line.startswith("AUTH")] == [
        "AUTH PLAIN AG1lAHMzY3JldA=="
    ]


def test_nobody_sends_in_a_session_of_somebody_else():
    async def run() -> int:
        async with relay("me", "s3cret") as made:
            sessions = Sessions()
            for user, password in [("me", "s3cret"), ("you", "s3cret"), ("me", "other"), ("", "")]:
                await made(sessions, user, password).deliver(to(BOB))
            await sessions.close()
            return made.exchanger.connections

    assert asyncio.run(run()) == 4


@pytest.mark.parametrize(
    ("command", "reply", "unanswered"),
    [
        pytest.param("MAIL", "354 Go ahead", False, id="sender"),
        pytest.param("RCPT", "354 Go ahead", False, id="recipient"),
        pytest.param("RCPT", "nonsense", False, id="nonsense"),
        pytest.param("RCPT", "221 2.0.0 Bye", False, id="goodbye"),
        pytest.param("DATA", "250 2.1.5 Ok", False, id="invitation"),
        pytest.param("END", "354 Go ahead", True, id="content"),
        pytest.param("END", "99 Bottles", True, id="no-reply"),
    ],
)
def test_a_host_that_answers_something_else_hears_no_other_message(command, reply, unanswered):
    """It may be a reply behind, or take for content what is said next: another one's envelope."""
    told: list[Outcome] = []

    async def scene(rehearsal: Rehearsal) -> None:
        for _ in range(2):
            told.extend(await rehearsal.send())

    rehearsal = rehearse(scene, {command: [reply]})

    assert isinstance(told[0], Deferred)
    assert told[0].unanswered is unanswered
    assert told[1] == KEPT
    assert rehearsal.exchanger.connections == 2
    assert "RSET" not in rehearsal.said("RSET")
