import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail.author import Author
from aimx.mail.envelope import Client, Envelope, Incoming
from aimx.testing.zone import Zone, ZoneResolver
from aimx.verify.judge import Judge
from aimx.verify.resolver import Answer, Resolver
from aimx.verify.verdict import Verdicts

MESSAGE = b"From: alice@example.com\r\nSubject: Dinner\r\n\r\nHello.\r\n"


def incoming(content: bytes, sender: str = "alice@example.com") -> Incoming:
    client = Client("192.0.2.1", "mx.example.com")
    received_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Incoming(Envelope(sender, ("bob@example.net",), client), content, received_at)


def judged(resolver: Resolver, content: bytes, sender: str = "alice@example.com") -> Verdicts:
    return asyncio.run(Judge(resolver).verdicts(incoming(content, sender)))


class Broken:
    """A resolver with a fault of its own."""

    def foresee(self, name: str, record: str) -> None: ...

    async def lookup(self, name: str, record: str) -> Answer:
        raise ZeroDivisionError(name, record)


def test_a_fault_of_ours_is_a_temporary_error(ed25519_signer):
    found = judged(Broken(), ed25519_signer.sign(MESSAGE))

    assert (found.spf_verdict, found.dkim_verdict, found.dmarc_verdict) == ("temperror",) * 3


def test_all_that_can_be_known_is_asked_for_before_anything_is_waited_for(ed25519_signer):
    class Noting(ZoneResolver):
        """Notes what was foreseen by the time of the first look-up."""

        first: tuple[tuple[str, str], ...] = ()

        async def lookup(self, name: str, record: str) -> Answer:
            if not self.asked:
                self.first = tuple(self.foreseen)
            return await super().lookup(name, record)

    resolver = Noting(Zone({}))

    judged(resolver, ed25519_signer.sign(MESSAGE), "alice@bounce.example")

    names = "bounce.example", "s._domainkey.example.com", "_dmarc.example.com", "_dmarc.com"
    assert sorted(resolver.first) == sorted((name, "TXT") for name in names)


def test_verdicts_name_the_organization_of_each_signer_that_passes(ed25519_signer):
    zone = {
        **ed25519_signer.zone,
        "_dmarc.com": {"TXT": "v=DMARC1; psd=y"},
        "_dmarc.example.com": {"TXT": "v=DMARC1; p=none"},
    }

    found = judged(ZoneResolver(Zone(zone)), ed25519_signer.sign(MESSAGE))

    assert found.organizations == {"example.com": "example.com"}
    assert found.dmarc.organizational_domain == "example.com"


def test_a_large_body_keeps_nobody_else_waiting(ed25519_signer):
    signed = incoming(ed25519_signer.sign(MESSAGE + b"word  \tword \r\n" * 1_000_000))

    async def work() -> tuple[str, int]:
        judging = asyncio.create_task(
            Judge(ZoneResolver(Zone(ed25519_signer.zone))).verdicts(signed)
        )
        turns = 0
        while not judging.done():
            turns += 1
            await asyncio.sleep(0)
        return (await judging).dkim_verdict, turns

    verdict, turns = asyncio.run(work())

    assert verdict == "pass"
    assert turns > 10  # It is one where it is done in the loop.


def test_verdicts_name_the_author():
    assert judged(ZoneResolver(Zone({})), MESSAGE).author == Author(
        "alice@example.com", "example.com"
    )


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\r\n\r\n", b"From", b"From:\r\n\r\n"])
def test_a_message_without_an_author_has_no_dmarc(content):
    found = judged(ZoneResolver(Zone({})), content)

    assert (found.spf_verdict, found.dkim, found.dmarc.verdict) == ("none", (), "permerror")


@given(st.binary(max_size=200), st.text(max_size=30))
def test_no_bytes_make_it_raise(octets, sender):
    judged(ZoneResolver(Zone({})), octets, sender)
    judged(ZoneResolver(Zone({})), b"DKIM-Signature: d=a.example; " + octets + MESSAGE, sender)
