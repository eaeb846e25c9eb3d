from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aimx.mail.author import Author, NoAuthor
from aimx.verify.trust import Trusted, decide
from aimx.verify.verdict import Dmarc, Signature, Spf, Verdicts

NOW = datetime(2026, 1, 10, tzinfo=UTC)
ALICE = Author("alice@example.com", "example.com")
SIGNED = Signature(
    "example.com", "s", "pass", "", signed_at=NOW - timedelta(hours=1), covers_body=True
)
WEEK = timedelta(days=7)


def verdicts(*signatures: Signature, **organizations: str) -> Verdicts:
    return Verdicts(
        Spf("pass", "", "example.com"),
        signatures,
        Dmarc("pass", "reject", "", "example.com"),
        {name.replace("__", "."): found for name, found in organizations.items()},
    )


def decided(*signatures: Signature, author=ALICE, senders=("*@example.com",), **organizations):
    found = verdicts(*signatures, **organizations)
    return decide("verified", senders, author, found, NOW, WEEK)


def test_a_listed_author_whose_domain_signed_is_trusted():
    assert decided(SIGNED) == Trusted("true")


def test_without_a_policy_nobody_is_asked():
    found = decide("none", ("*@example.com",), ALICE, verdicts(SIGNED), NOW, WEEK)

    assert found == Trusted("none")


@pytest.mark.parametrize(
    "senders",
    [
        pytest.param(("alice@example.com",), id="the address"),
        pytest.param(("ALICE@EXAMPLE.COM",), id="in capitals"),
        pytest.param(("bob@example.com", "a*@*.com"), id="a pattern"),
    ],
)
def test_a_sender_is_listed_by_address_or_pattern(senders):
    assert decided(SIGNED, senders=senders).value == "true"


@pytest.mark.parametrize("domain", ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example"])
@pytest.mark.parametrize("sender", ["alice@bücher.example", "*@xn--bcher-kva.example"])
def test_a_sender_is_listed_however_the_labels_of_its_domain_are_written(domain, sender):
    alice = Author(f"alice@{domain.lower()}", domain.lower())

    assert decided(signed(domain="xn--bcher-kva.example"), author=alice, senders=(sender,)) == (
        Trusted("true")
    )


@pytest.mark.parametrize(
    "senders",
    [
        pytest.param((), id="nobody"),
        pytest.param(("bob@example.com",), id="somebody else"),
        pytest.param(("*",), id="a star is not an address"),
        pytest.param(("*@*.example.com",), id="a subdomain"),
    ],
)
def test_who_is_not_listed_is_not_trusted(senders):
    assert decided(SIGNED, senders=senders) == Trusted(
        "false", "alice@example.com is not among the trusted senders."
    )


def test_a_message_without_an_author_is_not_trusted():
    found = decided(SIGNED, author=NoAuthor("It has two From fields."), senders=("*@*",))

    assert found == Trusted("false", "It has two From fields.")


def signed(**changes: object) -> Signature:
    return SIGNED._replace(**changes)


@pytest.mark.parametrize(
    ("signatures", "reason"),
    [
        pytest.param((), "It has no DKIM signature.", id="unsigned"),
        pytest.param(
            (signed(verdict="fail", reason="the body is not what was signed"),),
            "No DKIM signature passes: the body is not what was signed.",
            id="broken",
        ),
        pytest.param(
            (signed(domain="evil.example"),),
            "It is signed by evil.example, which is not the organization of example.com.",
            id="signed by another",
        ),
        pytest.param(
            (signed(domain="badexample.com"),),
            "It is signed by badexample.com, which is not the organization of example.com.",
            id="signed by one that ends alike",
        ),
        pytest.param(
            (signed(covers_body=False),),
            "The signature leaves the end of the body open (l=).",
            id="part of the body",
        ),
        pytest.param(
            (signed(signed_at=NOW - WEEK - timedelta(seconds=1)),),
            "The signature is 7 days old, and may be a replay.",
            id="old",
        ),
        pytest.param(
            (signed(signed_at=None),),
            "The signature does not say when it was made.",
            id="undated",
        ),
        pytest.param(
            (signed(signed_at=NOW + timedelta(days=1)),),
            "The signature is of the future.",
            id="of the future",
        ),
        pytest.param(
            (signed(domain="evil.example"), signed(covers_body=False)),
            "The signature leaves the end of the body open (l=).",
            id="two that lack different things",
        ),
    ],
)
def test_a_signature_must_be_of_the_author_whole_and_new(signatures, reason):
    assert decided(*signatures) == Trusted("false", reason)


def test_one_good_signature_is_enough():
    assert decided(signed(verdict="fail"), signed(domain="list.example"), SIGNED).value == "true"


@pytest.mark.parametrize(
    ("signer", "organization", "value"),
    [
        pytest.param("mail.example.com", "example.com", "true", id="the same"),
        pytest.param("mail.example.com", "mail.example.com", "false", id="its own"),
        pytest.param("example.org", "example.org", "false", id="another"),
    ],
)
def test_a_signer_of_the_same_organization_counts(signer, organization, value):
    organizations = {signer.replace(".", "__"): organization}

    assert decided(signed(domain=signer), **organizations).value == value


def test_an_organization_that_could_not_be_found_out_is_nobodys():
    found = replace(verdicts(signed(domain="mail.example.com")), dmarc=Dmarc("temperror", "", ""))

    assert decide("verified", ("*@*",), ALICE, found, NOW, WEEK).value == "false"
