import asyncio
import ssl
from base64 import b64encode

import pytest

from aimx.outbound.delivery import Outgoing
from aimx.outbound.outcome import Attempt, Deferred, Delivered, Failed
from aimx.outbound.relayed import Relayed
from aimx.outbound.session import opportunistic
from aimx.testing.certificate import throwaway_tls
from aimx.testing.exchanger import Exchanger
from aimx.testing.zone import Zone, ZoneResolver
from desired.quantities import Endpoint
from desired.relay import Relay

TABLE = {"relay.example": {"A": "127.0.0.1"}}
MESSAGE = Outgoing(
    sender="info@a.example",
    recipients=("bob@c.example", "carol@d.example"),
    content=b"Subject: x\r\n\r\nhi\r\n",
    message_id="a@b",
)
TLS = throwaway_tls()
AUTH = ("SIZE", "AUTH PLAIN")


def relayed(
    exchanger: Exchanger,
    *,
    user: str = "",
    password: str = "",
    host: str = "relay.example",
    tls: ssl.SSLContext | None = None,
) -> Attempt:
    async def run() -> Attempt:
        async with exchanger:
            relay = Relay(Endpoint(host, exchanger.port), user, exchanger.implicit_tls)
            resolver = ZoneResolver(Zone(TABLE))
            deliverer = Relayed(
                relay, resolver, hostname="m.a.example", timeout=5.0, password=password, tls=tls
            )
            return await deliverer.deliver(MESSAGE)

    return asyncio.run(run())


@pytest.mark.parametrize("host", ["relay.example", "127.0.0.1"])
def test_all_recipients_go_to_the_relay_whatever_the_dns_says_of_their_domains(host):
    exchanger = Exchanger()

    attempt = relayed(exchanger, host=host)

    assert set(attempt.outcomes.values()) == {Delivered(host, "", "250 2.0.0 Kept")}
    (received,) = exchanger.received
    assert received.recipients == MESSAGE.recipients


@pytest.mark.parametrize("implicit_tls", [False, True], ids=["starttls", "implicit"])
def test_a_relay_with_a_user_is_told_the_password_in_an_encrypted_session(implicit_tls):
    exchanger = Exchanger(tls=TLS, implicit_tls=implicit_tls, extensions=AUTH)

    attempt = relayed(exchanger, user="me@a.example", password="s3cret", tls=opportunistic())

    assert [outcome.tls for outcome in attempt.outcomes.values()] == ["TLSv1.3", "TLSv1.3"]
    token = b64encode(b"\0me@a.example\0s3cret").decode()
    before = exchanger.commands[: exchanger.commands.index(f"AUTH PLAIN {token}")]
    assert implicit_tls or "STARTTLS" in before
    assert exchanger.received[0].tls


@pytest.mark.parametrize(
    ("exchanger", "reason"),
    [
        pytest.param(Exchanger(extensions=AUTH), "it offers no TLS", id="no-tls"),
        pytest.param(
            Exchanger({"AUTH": ["535 5.7.8 Who?"]}, tls=TLS, extensions=AUTH),
            "it does not let me in: 535 5.7.8 Who?",
            id="wrong-password",
        ),
        pytest.param(Exchanger(tls=TLS), "AUTH extension is not supported", id="no-auth"),
    ],
)
def test_a_relay_that_lets_nobody_in_says_nothing_about_the_message(exchanger, reason):
    attempt = relayed(exchanger, user="me", password="s3cret", tls=opportunistic())

    for outcome in attempt.outcomes.values():
        assert isinstance(outcome, Deferred)
        assert outcome.reason.startswith("the relay relay.example has not taken it: ")
        assert reason in outcome.reason
        assert "s3cret" not in outcome.reason
    assert not any("s3cret" in command for command in exchanger.commands)
    assert not exchanger.received


@pytest.mark.parametrize("implicit_tls", [False, True], ids=["starttls", "implicit"])
def test_a_relay_that_cannot_prove_who_it_is_is_told_no_password(implicit_tls):
    exchanger = Exchanger(tls=TLS, implicit_tls=implicit_tls, extensions=AUTH)

    attempt = relayed(exchanger, user="me", password="s3cret")

    assert all(isinstance(outcome, Deferred) for outcome in attempt.outcomes.values())
    assert not any(command.startswith("AUTH") for command in exchanger.commands)


def test_what_the_relay_refuses_for_good_has_failed():
    exchanger = Exchanger({"RCPT": ["550 5.1.1 No such user", "OK"]})

    outcomes = relayed(exchanger).outcomes

    assert outcomes["bob@c.example"] == Failed("relay.example: 550 5.1.1 No such user")
    assert isinstance(outcomes["carol@d.example"], Delivered)


def test_without_its_password_nothing_is_sent_and_all_may_be_sent_again():
    exchanger = Exchanger(tls=TLS, extensions=AUTH)

    attempt = relayed(exchanger, user="me")

    assert attempt.may_repeat
    assert "password cannot be read" in attempt.details
    assert not exchanger.connections
