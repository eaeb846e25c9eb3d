from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from itertools import repeat

import pytest

from aimx.outbound.clear import Clear
from aimx.outbound.deliver import Direct
from aimx.outbound.delivery import Outgoing
from aimx.outbound.outcome import Deferred, Delivered, Outcome
from aimx.outbound.relayed import Relayed
from aimx.outbound.session import Credentials, Manners, Peer, opportunistic
from aimx.outbound.sessions import Sessions
from aimx.testing.certificate import throwaway_tls
from aimx.testing.exchanger import Exchanger
from aimx.testing.script import DISCONNECT, GARBLED, OK
from aimx.testing.zone import Zone, ZoneResolver
from desired.quantities import Endpoint
from desired.relay import Relay

RESOLVER = ZoneResolver(
    Zone(
        {
            "c.example": {"MX": "10 mx.c.example"},
            "mx.c.example": {"A": "127.0.0.1"},
            "relay.example": {"A": "127.0.0.1"},
        }
    )
)
MESSAGE = Outgoing("info@a.example", ("bob@c.example",), b"Subject: x\r\n\r\nhi\r\n", "a@b")
TLS = throwaway_tls()
PEER = Peer("mx.c.example", "127.0.0.1")
MANNERS = Manners("mail.a.example", 25)


def attempts(
    number: int, script: Mapping[str, Iterable[str]], sessions: Sessions
) -> tuple[list[Outcome], Exchanger]:
    async def run() -> tuple[list[Outcome], Exchanger]:
        async with Exchanger(script, tls=TLS) as exchanger:
            manners = Manners("mail.a.example", exchanger.port, 5.0)
            direct = Direct(RESOLVER, manners, sessions=sessions)
            made = [await direct.deliver(MESSAGE) for _ in range(number)]
            await sessions.close()
            return [attempt.outcomes["bob@c.example"] for attempt in made], exchanger

    return asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("454 4.7.0 Not now", id="refused"),
        pytest.param("501 5.5.4 No", id="refused-for-good"),
        pytest.param(GARBLED, id="garbled"),
        pytest.param(DISCONNECT, id="hangs-up"),
    ],
)
def test_once_tls_has_failed_the_next_attempt_is_in_the_clear(answer: str) -> None:
    outcomes, exchanger = attempts(3, {"STARTTLS": repeat(answer)}, Sessions())

    kept = Delivered("mx.c.example", "", "250 2.0.0 Kept")
    assert isinstance(outcomes[0], Deferred)
    assert outcomes[1:] == [kept, kept]
    assert exchanger.commands.count("STARTTLS") == 1


def test_tls_is_tried_again_after_a_while() -> None:
    sessions = Sessions()
    sessions.clear = Clear(seconds=0.0)

    outcomes, _ = attempts(2, {"STARTTLS": [GARBLED]}, sessions)

    assert isinstance(outcomes[0], Deferred)
    assert outcomes[1] == Delivered("mx.c.example", "TLSv1.3", "250 2.0.0 Kept")


def test_a_host_that_fails_otherwise_is_met_with_tls_again() -> None:
    outcomes, _ = attempts(2, {"EHLO": [DISCONNECT]}, Sessions())

    assert isinstance(outcomes[0], Deferred)
    assert outcomes[1] == Delivered("mx.c.example", "TLSv1.3", "250 2.0.0 Kept")


@pytest.mark.parametrize(
    "must",
    [
        pytest.param(Manners("m", 25, implicit_tls=True), id="from-the-first-byte"),
        pytest.param(Manners("m", 25, credentials=Credentials("me", "s3cret")), id="a-user"),
    ],
)
def test_where_tls_is_a_must_nothing_is_said_in_the_clear(must: Manners) -> None:
    clear = Clear()

    clear.note(PEER, must)

    assert clear.manners(PEER, must) == must


def test_a_relay_that_knows_us_is_never_told_anything_in_the_clear() -> None:
    async def run() -> Exchanger:
        script = {"STARTTLS": repeat(GARBLED)}
        async with Exchanger(script, tls=TLS, extensions=["AUTH PLAIN"]) as exchanger:
            relayed = Relayed(
                Relay(Endpoint("relay.example", exchanger.port), "me", implicit_tls=False),
                RESOLVER,
                hostname="mail.a.example",
                timeout=5.0,
                password="s3cret",
                tls=opportunistic(),
                sessions=Sessions(),
            )
            for _ in range(2):
                await relayed.deliver(MESSAGE)
            return exchanger

    exchanger = asyncio.run(run())

    assert exchanger.commands.count("STARTTLS") == 2
    assert not any(command.startswith(("AUTH", "MAIL")) for command in exchanger.commands)


def test_so_many_hosts_are_remembered_and_the_first_is_forgotten_first() -> None:
    clear = Clear(most=2)
    one, two, three = (Peer("mx.c.example", f"127.0.0.{number}") for number in (1, 2, 3))

    for peer in (one, two, two):
        clear.note(peer, MANNERS)
    before = [clear.manners(peer, MANNERS).start_tls for peer in (one, two, three)]
    clear.note(three, MANNERS)
    after = [clear.manners(peer, MANNERS).start_tls for peer in (one, two, three)]

    assert before == [False, False, True]
    assert after == [True, False, False]


def test_a_host_that_ends_the_session_within_tls_is_met_in_the_clear() -> None:
    outcomes, _ = attempts(2, {"EHLO": [OK, DISCONNECT, OK]}, Sessions())

    assert isinstance(outcomes[0], Deferred)
    assert outcomes[1] == Delivered("mx.c.example", "", "250 2.0.0 Kept")


def test_another_port_of_the_host_is_another_host() -> None:
    clear = Clear()

    clear.note(PEER, MANNERS)

    assert clear.manners(PEER, Manners("mail.a.example", 26)).start_tls
