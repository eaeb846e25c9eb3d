import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import chain, repeat
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.outbound.deliver import MOST_HOSTS, Direct
from aimx.outbound.delivery import Outgoing
from aimx.outbound.dialogue import transparent
from aimx.outbound.hosts import MOST_PEERS
from aimx.outbound.outcome import Attempt, Deferred, Delivered, Failed, Outcome
from aimx.outbound.session import Manners
from aimx.testing.certificate import throwaway_tls
from aimx.testing.exchanger import Exchanger
from aimx.testing.ports import ReservedPort
from aimx.testing.script import DISCONNECT, GARBLED, OK, SILENCE
from aimx.testing.zone import Zone, ZoneResolver

TABLE = {
    "c.example": {"MX": "10 mx.c.example"},
    "mx.c.example": {"A": "127.0.0.1"},
    "d.example": {"MX": ["10 mx.d.example", "20 mx.c.example"]},
    "mx.d.example": {"A": "127.0.0.2"},
    "two.example": {"MX": "10 two.example", "A": ["127.0.0.2", "127.0.0.1"]},
    "plain.example": {"A": "127.0.0.1"},
    "null.example": {"MX": "0 ."},
    "broken.example": {"fails": "SERVFAIL"},
    "bare.example": {"MX": "10 nohost.example"},
    "blind.example": {"MX": "10 broken.example"},
    "many.example": {"A": [f"127.0.1.{n}" for n in range(1, 20)]},
    "crowd.example": {"MX": [f"{n} host{n}.example" for n in range(1, 20)]},
    "six.example": {"MX": "10 mx.six.example"},
    "mx.six.example": {"AAAA": "::1"},
}
MESSAGE = Outgoing(
    sender="info@a.example",
    recipients=("bob@c.example",),
    content=b"Subject: x\r\n\r\nhi\r\n.\r\n..dots\r\n",
    message_id="a@b",
)
TLS = throwaway_tls()

Script = Mapping[str, Iterable[str]]


def direct(port: int, *, timeout: float = 5.0, ipv6: bool = False) -> Direct:
    manners = Manners("mail.a.example", port, timeout)
    return Direct(ZoneResolver(Zone(TABLE)), manners, ipv6=ipv6, random=Random(1))


def delivered(
    exchanger: Exchanger, outgoing: Outgoing = MESSAGE, *, timeout: float = 5.0, ipv6: bool = False
) -> Attempt:
    async def run() -> Attempt:
        async with exchanger:
            return await direct(exchanger.port, timeout=timeout, ipv6=ipv6).deliver(outgoing)

    return asyncio.run(run())


@asynccontextmanager
async def hosts_of_d(first: Script) -> AsyncIterator[tuple[Exchanger, Exchanger]]:
    """The first host of d.example, which follows the script, and the second."""
    with ReservedPort("127.0.0.2", "127.0.0.1") as port:
        async with (
            Exchanger(first, address="127.0.0.2", port=port.number) as one,
            Exchanger(port=port.number) as other,
        ):
            yield one, other


def to(*recipients: str) -> Outgoing:
    return replace(MESSAGE, recipients=recipients)


def test_a_message_arrives_as_it_was_signed() -> None:
    exchanger = Exchanger()

    attempt = delivered(exchanger)

    (received,) = exchanger.received
    assert attempt.outcomes == {"bob@c.example": Delivered("mx.c.example", "", "250 2.0.0 Kept")}
    assert (received.sender, received.recipients) == ("info@a.example", ("bob@c.example",))
    assert received.content == MESSAGE.content
    assert exchanger.commands[0] == "EHLO mail.a.example"
    assert exchanger.commands[-1] == "QUIT"


def test_a_host_that_offers_tls_gets_it_in_tls() -> None:
    exchanger = Exchanger(tls=TLS)

    attempt = delivered(exchanger)

    assert exchanger.received[0].tls
    assert attempt.outcomes["bob@c.example"] == Delivered(
        "mx.c.example", "TLSv1.3", "250 2.0.0 Kept"
    )
    assert [command for command in exchanger.commands if command.startswith("EHLO")] == [
        "EHLO mail.a.example"
    ] * 2


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param({"CONNECT": ["421 4.3.2 Busy"]}, "421 4.3.2 Busy", id="greeting-4xx"),
        pytest.param(
            {"CONNECT": [DISCONNECT]}, "mx.c.example: Unexpected EOF", id="hangs-up-at-once"
        ),
        pytest.param({"CONNECT": ["nonsense"]}, "Malformed SMTP response", id="no-smtp"),
        pytest.param({"EHLO": ["451 4.3.0 a"], "HELO": ["451 4.3.0 b"]}, "451 4.3.0 b", id="helo"),
        pytest.param({"MAIL": ["451 4.3.0 Sorry"]}, "451 4.3.0 Sorry", id="mail-4xx"),
        pytest.param({"RCPT": ["450 4.2.0 Greylisted"]}, "450 4.2.0 Greylisted", id="greylisted"),
        pytest.param({"RCPT": ["421 4.3.2 Bye"]}, "421 4.3.2 Bye", id="recipient-421"),
        pytest.param({"RCPT": [DISCONNECT]}, "mx.c.example: ", id="hangs-up-at-rcpt"),
        pytest.param({"RCPT": ["699 What"]}, "699 What", id="a-code-of-no-class"),
        pytest.param({"DATA": ["451 4.3.0 Disk"]}, "451 4.3.0 Disk", id="data-4xx"),
        pytest.param({"DATA": [DISCONNECT]}, "mx.c.example: ", id="hangs-up-at-data"),
        pytest.param({"END": ["452 4.3.1 Full"]}, "452 4.3.1 Full", id="final-dot-4xx"),
    ],
)
def test_what_may_change_is_deferred(script: Script, reason: str) -> None:
    outcome = delivered(Exchanger(script)).outcomes["bob@c.example"]

    assert isinstance(outcome, Deferred)
    assert outcome.reason.startswith("All MX servers for c.example unreachable: mx.c.example: ")
    assert reason in outcome.reason
    assert not outcome.unanswered


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param({"CONNECT": ["554 5.7.1 Go away"]}, "554 5.7.1 Go away", id="greeting"),
        pytest.param({"MAIL": ["550 5.7.1 Not you"]}, "550 5.7.1 Not you", id="mail"),
        pytest.param({"RCPT": ["550 5.1.1 Who?"]}, "550 5.1.1 Who?", id="rcpt"),
        pytest.param({"DATA": ["554 5.5.1 No"]}, "554 5.5.1 No", id="data"),
        pytest.param({"END": ["554 5.7.1 Spam"]}, "554 5.7.1 Spam", id="final-dot"),
        pytest.param(
            {"RCPT": ["550-5.1.1 two\r\n550 5.1.1 lines"]}, "550 5.1.1 two 5.1.1 lines", id="lines"
        ),
    ],
)
def test_a_5xx_fails_for_good(script: Script, reason: str) -> None:
    attempt = delivered(Exchanger(script))

    assert attempt.outcomes == {"bob@c.example": Failed(f"mx.c.example: {reason}")}


def test_a_host_that_closes_at_a_recipient_says_so_to_all_that_it_has_not_refused() -> None:
    script = {"RCPT": ["250 2.1.5 OK", "550 5.1.1 Who?", "421 4.7.0 Too many errors"]}
    message = to("a@c.example", "b@c.example", "c@c.example", "d@c.example")

    outcomes = delivered(Exchanger(script), message).outcomes

    closed = "All MX servers for c.example unreachable: mx.c.example: 421 4.7.0 Too many errors"
    assert outcomes.pop("b@c.example") == Failed("mx.c.example: 550 5.1.1 Who?")
    assert {outcome.reason for outcome in outcomes.values()} == {closed}


def test_a_host_that_does_not_know_ehlo_is_greeted_with_helo() -> None:
    exchanger = Exchanger({"EHLO": ["502 5.5.1 What?"]})

    delivered(exchanger)

    assert exchanger.commands[:2] == ["EHLO mail.a.example", "HELO mail.a.example"]
    assert len(exchanger.received) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param("454 4.7.0 Not now", "STARTTLS refused: 454 4.7.0 Not now", id="refused"),
        pytest.param("501 5.5.4 No", "STARTTLS refused: 501 5.5.4 No", id="refused-for-good"),
        pytest.param(GARBLED, "TLS: ", id="garbled"),
        pytest.param(DISCONNECT, "mx.c.example: ", id="hangs-up"),
    ],
)
def test_tls_that_fails_is_deferred_and_not_gone_around(answer: str, reason: str) -> None:
    exchanger = Exchanger({"STARTTLS": [answer]}, tls=TLS)

    outcome = delivered(exchanger).outcomes["bob@c.example"]

    assert isinstance(outcome, Deferred)
    assert reason in outcome.reason
    assert not any(command.startswith("MAIL") for command in exchanger.commands)


@pytest.mark.parametrize(
    ("command", "unreached"), [("CONNECT", True), ("EHLO", True), ("RCPT", False), ("DATA", False)]
)
def test_a_host_that_falls_silent_is_left_after_the_timeout(command: str, unreached: bool) -> None:
    timeout = 0.1 if unreached else 2.0  # What comes before the silence is in time.
    outcome = delivered(Exchanger({command: [SILENCE]}), timeout=timeout).outcomes["bob@c.example"]

    assert outcome == Deferred(
        "All MX servers for c.example unreachable: mx.c.example: timed out", unreached=unreached
    )


def test_a_host_that_answers_each_of_many_recipients_late_is_left() -> None:
    many = to(*(f"{number}@c.example" for number in range(100)))
    exchanger = Exchanger({"RCPT": repeat("AFTER 0.04 250 OK")})

    attempt = delivered(exchanger, many, timeout=0.3)

    late = Deferred("All MX servers for c.example unreachable: mx.c.example: timed out")
    assert set(attempt.outcomes.values()) == {late}
    assert exchanger.received == []
    assert sum(command.startswith("RCPT") for command in exchanger.commands) < 100


def test_a_host_that_takes_its_time_is_waited_for() -> None:
    slowly = ["AFTER 0.02 250 OK"]
    exchanger = Exchanger({"CONNECT": ["AFTER 0.02 220 x"], "MAIL": slowly, "RCPT": slowly})

    attempt = delivered(exchanger)

    assert isinstance(attempt.outcomes["bob@c.example"], Delivered)


def test_when_much_time_is_gone_no_other_address_is_tried() -> None:
    outcome = delivered(Exchanger(), to("bob@many.example"), timeout=0.0).outcomes

    assert outcome["bob@many.example"] == Deferred(
        "All MX servers for many.example unreachable: many.example: timed out", unreached=True
    )


@pytest.mark.parametrize("answer", [DISCONNECT, "nonsense"])
def test_a_message_that_may_have_been_taken_goes_to_no_other_host(answer: str) -> None:
    async def run() -> tuple[Attempt, int]:
        async with hosts_of_d({"END": [answer]}) as (first, second):
            attempt = await direct(first.port).deliver(to("bob@d.example"))
            return attempt, second.connections

    attempt, connections = asyncio.run(run())

    outcome = attempt.outcomes["bob@d.example"]
    assert isinstance(outcome, Deferred)
    assert outcome.unanswered
    assert outcome.reason.endswith("after the message was sent")
    assert connections == 0


LARGE = (b"y" * 998 + b"\r\n") * 16_000  # More than the system takes at once.


@pytest.mark.parametrize("tls", [None, TLS], ids=["plain", "tls"])
def test_a_large_message_arrives_block_by_block(tls: ssl.SSLContext | None) -> None:
    exchanger = Exchanger(tls=tls)

    attempt = delivered(exchanger, replace(MESSAGE, content=LARGE), timeout=20.0)

    assert isinstance(attempt.outcomes["bob@c.example"], Delivered)
    assert [received.content == LARGE for received in exchanger.received] == [True]


@asynccontextmanager
async def turning_away(port: int, last: bytes) -> AsyncIterator[None]:
    """A host that hangs up within the content, or says something and takes no more of it."""
    loop = asyncio.get_running_loop()

    async def host() -> None:
        client, _ = await loop.sock_accept(listener)
        with client:
            await loop.sock_sendall(client, b"220 a\r\n")
            while (await loop.sock_recv(client, 512))[:4] != b"DATA":
                await loop.sock_sendall(client, b"250 a\r\n")
            await loop.sock_sendall(client, b"354 a\r\n")
            await loop.sock_recv(client, 512)
            if last:
                await loop.sock_sendall(client, last)
                await asyncio.Event().wait()

    with socket.socket() as listener:
        # So that little of the content is on its way by then.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.2", port))
        listener.listen()
        listener.setblocking(False)
        serving = asyncio.create_task(host())
        try:
            yield
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        pytest.param(b"", Delivered("mx.c.example", "", "250 2.0.0 Kept"), id="hung-up"),
        pytest.param(b"552 5.3.4 Large\r\n", Failed("mx.d.example: 552 5.3.4 Large"), id="refused"),
        pytest.param(b"250 OK\r\n", Delivered("mx.c.example", "", "250 2.0.0 Kept"), id="nonsense"),
    ],
)
def test_a_host_that_was_not_sent_the_end_cannot_have_the_message(
    last: bytes, outcome: Outcome
) -> None:
    large = replace(to("bob@d.example"), content=LARGE)

    async def run() -> Attempt:
        with ReservedPort("127.0.0.2", "127.0.0.1") as port:
            async with turning_away(port.number, last), Exchanger(port=port.number):
                return await direct(port.number, timeout=20.0).deliver(large)

    assert asyncio.run(run()).outcomes == {"bob@d.example": outcome}


@pytest.mark.parametrize(
    "script",
    [
        pytest.param({"CONNECT": ["421 4.3.2 Busy"]}, id="busy"),
        pytest.param({"CONNECT": [SILENCE]}, id="silent"),
        pytest.param({"RCPT": ["450 4.2.0 Later"]}, id="greylisted"),
        pytest.param({"END": ["451 4.3.0 Disk"]}, id="final-dot-4xx"),
    ],
)
def test_after_a_host_that_defers_the_next_is_asked(script: Script) -> None:
    async def run() -> Attempt:
        async with hosts_of_d(script) as (first, _):
            return await direct(first.port, timeout=2.0).deliver(to("bob@d.example"))

    assert asyncio.run(run()).outcomes == {
        "bob@d.example": Delivered("mx.c.example", "", "250 2.0.0 Kept")
    }


def test_after_a_host_that_refuses_no_other_is_asked() -> None:
    async def run() -> tuple[Attempt, int]:
        async with hosts_of_d({"RCPT": ["550 5.1.1 No"]}) as (first, second):
            return await direct(first.port).deliver(to("bob@d.example")), second.connections

    attempt, connections = asyncio.run(run())

    assert attempt.outcomes == {"bob@d.example": Failed("mx.d.example: 550 5.1.1 No")}
    assert connections == 0


def test_only_those_who_wait_are_offered_to_the_next_host() -> None:
    async def run() -> tuple[Attempt, Exchanger]:
        script = {"RCPT": [OK, "450 4.2.0 Later", "550 5.1.1 No"]}
        async with hosts_of_d(script) as (first, second):
            outgoing = to("a@d.example", "b@d.example", "c@d.example")
            return await direct(first.port).deliver(outgoing), second

    attempt, second = asyncio.run(run())

    assert attempt.outcomes == {
        "a@d.example": Delivered("mx.d.example", "", "250 2.0.0 Kept"),
        "b@d.example": Delivered("mx.c.example", "", "250 2.0.0 Kept"),
        "c@d.example": Failed("mx.d.example: 550 5.1.1 No"),
    }
    assert [received.recipients for received in second.received] == [("b@d.example",)]


def test_each_address_of_a_host_is_tried() -> None:
    with ReservedPort("127.0.0.2", "127.0.0.1") as port:  # Nobody listens on the first address.
        attempt = delivered(Exchanger(port=port.number), to("bob@two.example"))

    assert attempt.outcomes == {"bob@two.example": Delivered("two.example", "", "250 2.0.0 Kept")}


def test_where_nobody_listens_every_host_is_named() -> None:
    async def run() -> Attempt:
        with ReservedPort("127.0.0.2", "127.0.0.1") as port:
            return await direct(port.number).deliver(to("bob@d.example"))

    assert asyncio.run(run()).outcomes == {
        "bob@d.example": Deferred(
            "All MX servers for d.example unreachable:"
            " mx.d.example: connection refused; mx.c.example: connection refused",
            unreached=True,
        )
    }


def test_a_domain_of_many_addresses_is_not_tried_for_ever() -> None:
    # Nobody listens on any of them.
    outcome = delivered(Exchanger(), to("bob@many.example")).outcomes["bob@many.example"]

    assert isinstance(outcome, Deferred)
    assert outcome.reason.count("many.example: connection refused") == MOST_PEERS


@pytest.mark.parametrize(
    ("recipient", "outcome"),
    [
        pytest.param(
            "a@null.example",
            Failed("domain null.example takes no mail (null MX, 5.1.10)"),
            id="null-mx",
        ),
        pytest.param(
            "a@no.example", Failed("domain no.example does not exist (5.1.2)"), id="nxdomain"
        ),
        pytest.param(
            "a@broken.example",
            Deferred("MX of broken.example: SERVFAIL", unreached=True),
            id="servfail",
        ),
        pytest.param(
            "a@bare.example",
            Failed(
                "All MX servers for bare.example unreachable: nohost.example has no IPv4 address"
            ),
            id="a-host-without-address",
        ),
        pytest.param(
            "a@blind.example",
            Deferred(
                "All MX servers for blind.example unreachable: A of broken.example: SERVFAIL",
                unreached=True,
            ),
            id="a-host-unseen",
        ),
        pytest.param(
            "a@plain.example",
            Delivered("plain.example", "", "250 2.0.0 Kept"),
            id="a-domain-that-is-its-own-host",
        ),
    ],
)
def test_the_dns_decides_whether_there_is_a_later(
    recipient: str, outcome: Delivered | Deferred | Failed
) -> None:
    assert delivered(Exchanger(), to(recipient)).outcomes == {recipient: outcome}


def test_of_a_domain_with_many_hosts_few_are_looked_up() -> None:
    outcome = delivered(Exchanger(), to("bob@crowd.example")).outcomes["bob@crowd.example"]

    assert isinstance(outcome, Failed)
    assert outcome.reason.count("has no IPv4 address") == MOST_HOSTS


def test_ipv6_is_used_where_it_is_enabled() -> None:
    exchanger = Exchanger(address="::1")

    attempt = delivered(exchanger, to("bob@six.example"), ipv6=True)

    assert attempt.outcomes["bob@six.example"] == Delivered("mx.six.example", "", "250 2.0.0 Kept")


def test_recipients_of_one_domain_share_a_transaction() -> None:
    exchanger = Exchanger()

    attempt = delivered(exchanger, to("a@c.example", "b@plain.example", "c@c.example"))

    assert list(attempt.outcomes) == ["a@c.example", "b@plain.example", "c@c.example"]
    assert sorted(received.recipients for received in exchanger.received) == [
        ("a@c.example", "c@c.example"),
        ("b@plain.example",),
    ]


def test_addresses_outside_ascii_ask_for_smtputf8() -> None:
    international = replace(to("böb@c.example"), is_international=True)
    able, unable = Exchanger(), Exchanger(extensions=())

    taken = delivered(able, international)
    refused = delivered(unable, international)

    assert isinstance(taken.outcomes["böb@c.example"], Delivered)
    assert able.received[0].recipients == ("böb@c.example",)
    assert "SMTPUTF8" in able.received[0].options
    assert refused.outcomes["böb@c.example"] == Failed(
        "mx.c.example: it takes no addresses outside ASCII (SMTPUTF8, 5.6.7)"
    )


def test_a_blind_copy_outside_ascii_keeps_nobody_else_from_their_mail() -> None:
    blind = to("bob@c.example", "böb@c.example")
    able, unable = Exchanger(), Exchanger(extensions=())

    taken = delivered(able, blind)
    parted = delivered(unable, blind)

    assert {type(each) for each in taken.outcomes.values()} == {Delivered}
    assert able.received[0].options == f"SIZE={len(MESSAGE.content)} SMTPUTF8"
    assert parted.outcomes == {
        "bob@c.example": Delivered("mx.c.example", "", "250 2.0.0 Kept"),
        "böb@c.example": Failed(
            "mx.c.example: it takes no addresses outside ASCII (SMTPUTF8, 5.6.7)"
        ),
    }
    assert [each.recipients for each in unable.received] == [("bob@c.example",)]
    assert "SMTPUTF8" not in unable.received[0].options


def test_a_header_outside_ascii_is_for_nobody_without_smtputf8() -> None:
    exchanger = Exchanger(extensions=())

    attempt = delivered(exchanger, replace(to("bob@c.example"), is_international=True))

    assert isinstance(attempt.outcomes["bob@c.example"], Failed)
    assert exchanger.received == []
    assert exchanger.commands == ["EHLO mail.a.example", "QUIT"]


def both(first: Script, recipient: str = "bob@d.example", **kinds: object) -> tuple[Attempt, int]:
    """What becomes of a message to d.example, and how many its second host got."""

    async def run() -> tuple[Attempt, int]:
        async with hosts_of_d(first) as (one, other):
            if "extensions" in kinds:
                one.extensions = ()
            attempt = await direct(one.port).deliver(to(recipient))
            return attempt, len(other.received)

    return asyncio.run(run())


@pytest.mark.parametrize(
    "first",
    [
        pytest.param({"CONNECT": ["554 5.7.1 Not you"]}, id="greeting"),
        pytest.param({"EHLO": ["550 5.7.1 No"], "HELO": ["550 5.7.1 No"]}, id="helo"),
    ],
)
def test_a_host_that_refuses_at_the_door_is_passed_over_for_the_next(first: Script) -> None:
    attempt, got = both(first)

    assert isinstance(attempt.outcomes["bob@d.example"], Delivered)
    assert got == 1


def test_a_host_without_smtputf8_is_passed_over_for_one_that_has_it() -> None:
    attempt, got = both({}, "böb@d.example", extensions=())

    assert isinstance(attempt.outcomes["böb@d.example"], Delivered)
    assert got == 1


def test_where_one_host_refuses_at_the_door_and_another_is_busy_it_is_not_over() -> None:
    async def run() -> Attempt:
        with ReservedPort("127.0.0.2", "127.0.0.1") as port:
            script = {"CONNECT": ["554 5.7.1 Not you"]}
            async with Exchanger(script, address="127.0.0.2", port=port.number):
                return await direct(port.number).deliver(to("bob@d.example"))

    told = asyncio.run(run()).outcomes["bob@d.example"]

    assert isinstance(told, Deferred)
    assert "554 5.7.1 Not you; mx.c.example: connection refused" in told.reason


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        pytest.param(
            {"RCPT": ["550 5.1.1 " + "x" * 100_000]},
            Deferred("All MX servers for c.example unreachable: mx.c.example: Response too long"),
            id="before-the-content",
        ),
        pytest.param(
            {"END": ["250 2.0.0 " + "x" * 100_000]},
            Deferred("mx.c.example: Response too long after the message was sent", unanswered=True),
            id="after-it",
        ),
        pytest.param(
            {"END": ["250-fine\r\n550 5.7.1 not fine"]},
            Failed("mx.c.example: 550 fine 5.7.1 not fine"),
            id="the-last-line-counts",
        ),
        pytest.param(
            {"RCPT": ["\r\n".join(["550-5.1.1 see"] * 50 + ["550 5.1.1 the end"])]},
            Failed(f"mx.c.example: {('550 ' + '5.1.1 see ' * 50)[:304].strip()}"),
            id="of-many-lines-the-beginning-is-told",
        ),
    ],
)
def test_a_reply_of_whatever_length_is_told_in_words(script: Script, outcome: Outcome) -> None:
    attempt = delivered(Exchanger(script))

    assert attempt.outcomes == {"bob@c.example": outcome}


MANY = tuple(f"{number}@c.example" for number in range(5))


@pytest.mark.parametrize(
    ("extensions", "answers", "portions"),
    [
        pytest.param(("LIMITS RCPTMAX=2",), [], [2, 2, 1], id="announced"),
        pytest.param(("LIMITS MAILMAX=9 RCPTMAX=4",), [], [4, 1], id="among-others"),
        pytest.param(("LIMITS RCPTMAX=what",), [], [5], id="nonsense"),
        pytest.param((), [OK, OK, "452 4.5.3 Too many"], [2, 3], id="said"),
        pytest.param((), [OK, OK, "552 5.5.3 Too many"], [2, 3], id="said-as-once"),
        pytest.param((), [OK, "452 4.5.3 No", OK, "452 4.5.3 No", OK], [1, 1, 3], id="said-twice"),
    ],
)
def test_a_host_that_takes_a_few_recipients_at_a_time_gets_the_rest_after_them(
    extensions: tuple[str, ...], answers: list[str], portions: list[int]
) -> None:
    exchanger = Exchanger({"RCPT": answers}, extensions=extensions)

    attempt = delivered(exchanger, to(*MANY))

    assert {type(each) for each in attempt.outcomes.values()} == {Delivered}
    assert [len(each.recipients) for each in exchanger.received] == portions
    assert sorted(to for each in exchanger.received for to in each.recipients) == list(MANY)


def test_who_is_refused_in_a_transaction_of_their_own_was_not_one_too_many() -> None:
    exchanger = Exchanger({"RCPT": chain([OK], repeat("552 5.2.2 Full"))})

    attempt = delivered(exchanger, to(*MANY))

    kinds = [type(attempt.outcomes[each]) for each in MANY]
    assert kinds == [Delivered, *[Failed] * 4]
    assert len(exchanger.received) == 1


@pytest.mark.parametrize(
    "script",
    [
        pytest.param({"RCPT": ["252 2.1.5 Cannot verify, but will try"]}, id="recipient"),
        pytest.param({"RCPT": ["299 Yes"]}, id="of-no-meaning"),
        pytest.param({"MAIL": ["251 2.1.0 OK"]}, id="sender"),
    ],
)
def test_a_code_that_nobody_knows_is_read_by_its_first_digit(script: Script) -> None:
    exchanger = Exchanger(script)

    attempt = delivered(exchanger)

    assert isinstance(attempt.outcomes["bob@c.example"], Delivered)
    assert len(exchanger.received) == 1


def test_what_is_said_before_tls_is_never_read_within() -> None:
    # Read within, the second reply would answer EHLO, and its limit keep the message from leaving.
    exchanger = Exchanger({"STARTTLS": ["220 2.0.0 Ready\r\n250-no\r\n250 SIZE 1"]}, tls=TLS)

    attempt = delivered(exchanger)

    assert attempt.outcomes["bob@c.example"] == Delivered(
        "mx.c.example", "TLSv1.3", "250 2.0.0 Kept"
    )


def test_whoever_takes_none_of_the_rest_has_put_them_off() -> None:
    exchanger = Exchanger({"RCPT": chain([OK], repeat("452 4.2.2 Full"))})

    attempt = delivered(exchanger, to(*MANY))

    kinds = [type(attempt.outcomes[each]) for each in MANY]
    assert kinds == [Delivered, *[Deferred] * 4]
    assert len(exchanger.received) == 1
    # One is taken and the next one not; then the four that are left are asked for once.
    assert sum(command.startswith("RCPT") for command in exchanger.commands) == 2 + 4


@pytest.mark.parametrize(
    ("announced", "fits"),
    [
        pytest.param("SIZE", True, id="no-limit"),
        pytest.param("SIZE 0", True, id="zero"),
        pytest.param("SIZE 999", True, id="enough"),
        pytest.param(f"SIZE {'9' * 5000}", True, id="more-than-a-number"),
        pytest.param("SIZE 9", False, id="too-little"),
    ],
)
def test_a_message_over_the_announced_size_is_not_sent(announced: str, fits: bool) -> None:
    exchanger = Exchanger(extensions=(announced,))

    attempt = delivered(exchanger)

    assert len(exchanger.received) == fits
    assert attempt.outcomes["bob@c.example"] == (
        Delivered("mx.c.example", "", "250 2.0.0 Kept")
        if fits
        else Failed("mx.c.example: the message has 29 octets, it takes 9 (5.3.4)")
    )


class Diary:
    """A witness that writes down what it is told, and keeps the content here if it is to."""

    def __init__(self, *, forbids: bool = False) -> None:
        self.entries: list[object] = []
        self._forbids = forbids

    async def leaving(self, recipients: Sequence[str]) -> None:
        self.entries.append(tuple(recipients))
        if self._forbids:
            raise OSError(28, "No space left on device")

    async def answered(self, outcomes: Mapping[str, Outcome]) -> None:
        self.entries.append(dict(outcomes))


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        pytest.param({}, Delivered("mx.c.example", "", "250 2.0.0 Kept"), id="taken"),
        pytest.param({"END": ["554 No"]}, Failed("mx.c.example: 554 No"), id="refused"),
        pytest.param({"END": ["452 Full"]}, Deferred("mx.c.example: 452 Full"), id="deferred"),
    ],
)
def test_a_witness_is_told_before_the_content_leaves_and_when_it_is_answered(
    script: Script, outcome: Outcome
) -> None:
    diary = Diary()

    delivered(Exchanger(script), replace(to("a@c.example", "b@c.example"), witness=diary))

    both = ("a@c.example", "b@c.example")
    assert diary.entries == [both, dict.fromkeys(both, outcome)]


@pytest.mark.parametrize("command", ["CONNECT", "MAIL", "RCPT", "DATA"])
def test_a_witness_hears_nothing_of_what_never_left(command: str) -> None:
    diary = Diary()

    delivered(Exchanger({command: [DISCONNECT]}), replace(MESSAGE, witness=diary))

    assert diary.entries == []


def test_content_whose_leaving_cannot_be_witnessed_stays_here() -> None:
    exchanger = Exchanger()

    attempt = delivered(exchanger, replace(MESSAGE, witness=Diary(forbids=True)))

    assert exchanger.received == []
    assert attempt.may_repeat


def test_a_greylisted_message_gets_through_the_second_time() -> None:
    async def run() -> tuple[Attempt, Attempt]:
        async with Exchanger({"RCPT": ["450 4.2.0 Greylisted"]}) as exchanger:
            deliverer = direct(exchanger.port)
            return await deliverer.deliver(MESSAGE), await deliverer.deliver(MESSAGE)

    first, second = asyncio.run(run())

    assert first.may_repeat
    assert second.outcomes["bob@c.example"] == Delivered("mx.c.example", "", "250 2.0.0 Kept")


def test_a_host_that_always_defers_is_not_asked_for_ever() -> None:
    exchanger = Exchanger({"RCPT": repeat("450 4.2.0 Later")})

    delivered(exchanger)

    assert exchanger.connections == 1


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"", b".a"]), min_size=1))
def test_no_line_of_the_content_ends_the_content(lines: list[bytes]) -> None:
    content = b"\r\n".join(lines) + b"\r\n"

    stuffed = transparent(content)

    sent, end = stuffed[:-3], stuffed[-3:]
    assert end == b".\r\n"
    assert b".\r\n" not in [line + b"\r\n" for line in sent.split(b"\r\n")]
    assert b"\r\n".join(line.removeprefix(b".") for line in sent.split(b"\r\n")) == content


@pytest.mark.parametrize("content", [b"a", b"a\n", b"a\r\nb\nc\r\n", b"a\rb\r\n", b"a\r\n.\n\r\n"])
def test_content_with_other_line_ends_is_never_sent(content: bytes) -> None:
    with pytest.raises(ValueError, match="other than CRLF"):
        transparent(content)
