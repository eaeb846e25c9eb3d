import asyncio
import base64
import re
import time
from dataclasses import replace
from datetime import UTC, datetime

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from aimx.testing.zone import Zone, ZoneResolver
from aimx.verify import dkim
from aimx.verify.verdict import Signature

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MESSAGE = (
    b"From: Alice <alice@example.com>\r\n"
    b"To: bob@example.net\r\n"
    b"Subject: A  folded\r\n\tsubject\r\n"
    b"Date: Fri, 02 Jan 2026 03:00:00 +0000\r\n"
    b"Message-ID: <1@example.com>\r\n"
    b"\r\n"
    b"Hello  Bob, \r\n\r\nhow are you?\r\n\r\n"
)


def judged(message: bytes, zone: dict, now: datetime = NOW) -> tuple[Signature, ...]:
    return asyncio.run(dkim.signatures(message, now, ZoneResolver(Zone(zone))))


def words(message: bytes, zone: dict, now: datetime = NOW) -> list[str]:
    return [signature.verdict for signature in judged(message, zone, now)]


def record(signer, **tags: str) -> dict:
    """The signer's key, with these tags put before its own."""
    text = "; ".join(f"{tag}={value}" for tag, value in tags.items())
    public = signer.record.partition("p=")[2]
    return {"s._domainkey.example.com": {"TXT": f"{text}; p={public}"}}


@pytest.mark.parametrize(
    "how", ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"]
)
@pytest.mark.parametrize("kind", ["rsa_signer", "ed25519_signer"])
def test_what_was_signed_passes(request, kind, how):
    signer = replace(request.getfixturevalue(kind), canonicalization=how)

    (found,) = judged(signer.sign(MESSAGE), signer.zone)

    assert found == Signature(
        "example.com",
        "s",
        "pass",
        "",
        signed_at=datetime(2026, 1, 2, 3, 0, tzinfo=UTC),
        covers_body=True,
    )


def test_what_dkimpy_signs_passes(rsa_signer):
    pem = rsa_signer.key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    field = dkimpy.sign(MESSAGE, b"s", b"example.com", pem)

    # dkimpy signs with its own clock.
    assert words(field + MESSAGE, rsa_signer.zone, datetime.now(UTC)) == ["pass"]


changes = st.sampled_from(
    [
        pytest.param(old, new, id=old.decode())
        for old, new in [
            (b"Alice", b"Mallory"),
            (b"bob@", b"eve@"),
            (b"A  folded", b"A folde"),
            (b"03:00:00", b"03:00:01"),
            (b"Hello", b"hello"),
            (b"you?", b"you? Send money."),
            (b"Bob, \r\n\r\nhow", b"Bob, \r\nhow"),
            (b"From: Alice", b"From: Eve <eve@example.org>\r\nFrom: Alice"),
            (b"Subject:", b"Subject: Urgent\r\nSubject:"),
            (b"To: bob", b"To: eve@example.org\r\nTo: bob"),
            (b"s=s;", b"s=s; i=@sub.example.com;"),
        ]
    ]
)


@given(changes)
def test_a_change_breaks_the_signature(rsa_signer, change):
    old, new = change.values
    signed = rsa_signer.sign(MESSAGE)
    assert old in signed

    assert words(signed.replace(old, new, 1), rsa_signer.zone) == ["fail"]


@given(st.integers(0), st.integers(1, 255))
def test_no_octet_can_be_changed_and_pass_with_simple(ed25519_signer, at, by):
    signed = bytearray(replace(ed25519_signer, canonicalization="simple/simple").sign(MESSAGE))
    start = signed.index(b"\r\nFrom:") + 2
    at = start + at % (len(signed) - 4 - start)  # The last CRLF is one that may go.
    signed[at] = signed[at] ^ by

    assert "pass" not in words(bytes(signed), ed25519_signer.zone)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"Hello  Bob, \r\n", b"Hello \t Bob,\r\n", id="blanks in the body"),
        pytest.param(b"folded\r\n\tsubject", b"folded subject", id="folding"),
        pytest.param(b"Subject: A", b"SUBJECT:A", id="case of a name"),
        pytest.param(b"you?\r\n\r\n", b"you?\r\n\r\n\r\n", id="empty lines at the end"),
        pytest.param(b"From:", b"Received: by us\r\nFrom:", id="an unsigned field"),
    ],
)
def test_relaxed_forgives_what_mail_servers_do(rsa_signer, old, new):
    signed = rsa_signer.sign(MESSAGE)
    assert old in signed

    assert words(signed.replace(old, new, 1), rsa_signer.zone) == ["pass"]


@pytest.mark.parametrize(
    "name",
    [
        *(b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id"),
        *(b"in-reply-to", b"references"),
        *(b"mime-version", b"content-type", b"content-transfer-encoding"),
    ],
)
def test_a_field_of_which_there_is_one_cannot_be_added_once_it_is_signed(ed25519_signer, name):
    field = name.title() + b": x\r\n"
    message = MESSAGE if re.search(rb"(?im)^%b:" % name, MESSAGE) else field + MESSAGE
    signer = replace(ed25519_signer, fields=f"from:{name.decode()}")
    signed = signer.sign(message)

    assert words(signed, signer.zone) == ["pass"]
    assert words(field + signed, signer.zone) == ["fail"]


@pytest.mark.parametrize("how", ["relaxed/relaxed", "simple/simple"])
def test_blanks_before_a_colon_belong_to_no_name(ed25519_signer, how):
    signer = replace(ed25519_signer, canonicalization=how)
    message = MESSAGE.replace(b"Subject:", b"Subject \t:")

    signed = b"X-Old : y\r\n" + signer.sign(message)

    assert words(signed, signer.zone) == ["pass"]
    assert words(b"Subject : Urgent\r\n" + signed, signer.zone) == ["fail"]


def test_an_unsigned_message_has_no_signatures():
    assert judged(MESSAGE, {}) == ()


def test_every_signature_is_judged(rsa_signer, ed25519_signer):
    other = replace(ed25519_signer, domain="example.org", selector="e")
    broken = rsa_signer.sign(MESSAGE).replace(b"h=from:to", b"h=from:cc", 1)

    found = words(other.sign(broken), rsa_signer.zone | other.zone)

    assert found == ["pass", "fail"]


def test_five_signatures_are_enough(ed25519_signer):
    message = MESSAGE
    for _ in range(6):
        message = ed25519_signer.sign(message)

    assert words(message, ed25519_signer.zone) == ["pass"] * 5


@pytest.mark.parametrize(
    ("tags", "verdict", "reason"),
    [
        pytest.param({"a": "rsa-sha1"}, "policy", "rsa-sha1 is too weak", id="rsa-sha1"),
        pytest.param({"a": "rsa-md5"}, "permerror", "break RFC 6376 3.5", id="unknown algorithm"),
        pytest.param({"a": "ed25519-sha256"}, "permerror", r"another algorithm", id="key is RSA"),
        pytest.param({"v": "2"}, "permerror", "break RFC 6376 3.5", id="version"),
        pytest.param({"d": "com"}, "permerror", "not a domain name", id="top-level domain"),
        pytest.param({"d": "a..b"}, "permerror", "not a domain name", id="no domain"),
        pytest.param({"s": "a b"}, "permerror", "not a domain name", id="no selector"),
        pytest.param({"s": "other"}, "permerror", "no key at other._domain", id="no such key"),
        pytest.param({"i": "@example.org"}, "permerror", "outside of d=", id="i= elsewhere"),
        pytest.param({"i": "@evilexample.com"}, "permerror", "outside", id="i= of a longer name"),
        pytest.param({"i": "example.com"}, "permerror", "outside of d=", id="i= without an @"),
        pytest.param({"i": "@example=2Ecom"}, "pass", "", id="i= is quoted"),
        pytest.param({"i": "alice=40example.com"}, "pass", "", id="the @ of i= is quoted"),
        pytest.param({"i": "@example=2Eorg"}, "permerror", "outside", id="i= elsewhere, quoted"),
        pytest.param({"c": "strict/relaxed"}, "permerror", "c= names no", id="c="),
        pytest.param({"bh": "AAA"}, "permerror", "break RFC 6376", id="bh= is cut"),
        pytest.param({"bh": "A!==AAAA"}, "permerror", "not base64", id="bh= is not base64"),
        pytest.param({"bh": "AAAA"}, "fail", "the body is not what", id="bh= of another body"),
        pytest.param({"x": "1767323044"}, "fail", "expired", id="expired a second ago"),
        pytest.param({"x": "9" * 12, "t": "1"}, "pass", "", id="expires after our calendar"),
        pytest.param({"x": "9" * 30}, "permerror", "not a time", id="x= beyond time"),
        pytest.param({"t": "1767359045"}, "pass", "", id="t= ten hours ahead"),
        pytest.param({"t": "1767359046"}, "permerror", "of the future", id="t= in the future"),
        pytest.param({"z": "x" * 16 * 1024}, "permerror", "longer than 16384", id="too long"),
        pytest.param({"h": "from" + ":x" * 199}, "pass", "", id="h= of 200 names"),
        pytest.param({"h": "from" + ":x" * 200}, "permerror", "more than 200", id="h= of 201"),
        pytest.param({"t": "-1"}, "permerror", "not a time", id="t= before time"),
        pytest.param({"t": "9", "x": "8"}, "permerror", "before it was made", id="x= before t="),
        pytest.param({"q": "http"}, "permerror", "no way to look up", id="q="),
        pytest.param({"q": "dns/other : dns/txt"}, "pass", "", id="q= of several"),
        pytest.param({"l": "x"}, "permerror", "break RFC 6376", id="l="),
        pytest.param({"l": ""}, "permerror", "l= is empty", id="l= is empty"),
    ],
)
def test_a_signature_must_keep_to_the_rules(rsa_signer, tags, verdict, reason):
    kept = {tag: text for tag, text in tags.items() if tag != "l"}
    fields = tags.get("h", rsa_signer.fields)
    signed = replace(rsa_signer, fields=fields, tags=kept).sign(MESSAGE)
    if "l" in tags:
        signed = signed.replace(b"v=1;", f"v=1; l={tags['l']};".encode(), 1)

    (found,) = judged(signed, rsa_signer.zone)

    assert found.verdict == verdict
    assert re.search(reason, found.reason)


def test_a_signature_that_has_not_expired_passes(rsa_signer):
    signed = replace(rsa_signer, tags={"t": "1767323000", "x": "1767323046"}).sign(MESSAGE)

    (found,) = judged(signed, rsa_signer.zone)

    assert (found.verdict, found.signed_at) == ("pass", datetime(2026, 1, 2, 3, 3, 20, tzinfo=UTC))


def test_a_signature_without_the_author_does_not_pass(rsa_signer):
    signed = replace(rsa_signer, fields="to:subject").sign(MESSAGE)

    assert words(signed, rsa_signer.zone) == ["permerror"]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param("from:dkim-signature", id="as many as there are"),
        pytest.param("from:dkim-signature:dkim-signature", id="one more"),
    ],
)
def test_a_signature_signs_others_and_never_itself(ed25519_signer, fields):
    other = replace(ed25519_signer, selector="other")
    zone = ed25519_signer.zone | other.zone
    signed = replace(ed25519_signer, fields=fields).sign(other.sign(MESSAGE))

    assert words(signed, zone) == ["pass", "pass"]
    assert words(signed.replace(b"s=other;", b"s=s;", 1), zone) == ["fail", "fail"]


def test_a_time_is_only_taken_from_a_date_that_is_signed(rsa_signer):
    (found,) = judged(replace(rsa_signer, fields="from").sign(MESSAGE), rsa_signer.zone)

    assert (found.verdict, found.signed_at) == ("pass", None)


@pytest.mark.parametrize("date", [b"yesterday", b"Fri, 99 Jan 2026 00:00:00 +0000", b"1" * 300])
def test_a_date_that_is_none_gives_no_time(rsa_signer, date):
    message = re.sub(rb"Date: [^\r]*", b"Date: " + date, MESSAGE)

    (found,) = judged(rsa_signer.sign(message), rsa_signer.zone)

    assert (found.verdict, found.signed_at) == ("pass", None)


@pytest.mark.parametrize(("over", "verdict"), [(0, "pass"), (1, "permerror")])
def test_no_more_can_be_signed_than_there_is(rsa_signer, over, verdict):
    length = len(b"Hello Bob,\r\n\r\nhow are you?\r\n") + over
    signed = replace(rsa_signer, tags={"l": str(length)}).sign(MESSAGE)

    assert words(signed, rsa_signer.zone) == [verdict]


def test_what_follows_a_signed_length_is_not_covered(rsa_signer):
    signed = replace(rsa_signer, tags={"l": "5"}).sign(MESSAGE)

    (found,) = judged(signed + b"Send money.\r\n", rsa_signer.zone)

    assert (found.verdict, found.covers_body) == ("pass", False)


@pytest.mark.parametrize(
    ("tags", "verdict", "reason"),
    [
        pytest.param({"v": "DKIM1"}, "pass", "", id="k= is RSA by default"),
        pytest.param({"v": "DKIM2"}, "permerror", "no DKIM key", id="v="),
        pytest.param({"h": "sha1"}, "permerror", "not for sha256", id="h=sha1"),
        pytest.param({"h": "sha1:sha256"}, "pass", "", id="h=sha1:sha256"),
        pytest.param({"s": "tlsrpt"}, "permerror", "not for mail", id="s=tlsrpt"),
        pytest.param({"s": "other : email"}, "pass", "", id="s=other:email"),
        pytest.param({"t": "s"}, "pass", "", id="t=s"),
        pytest.param({"k": "ed25519"}, "permerror", "kind that is not known", id="k=ed25519"),
        pytest.param({"k": "dsa"}, "permerror", "kind that is not known", id="k=dsa"),
        pytest.param({"n": "a note", "z": "new"}, "pass", "", id="unknown tags"),
    ],
)
def test_a_key_is_used_for_what_its_record_says(rsa_signer, tags, verdict, reason):
    (found,) = judged(rsa_signer.sign(MESSAGE), record(rsa_signer, **tags))

    assert found.verdict == verdict
    assert reason in found.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("v=DKIM1; p=", "revoked", id="revoked"),
        pytest.param("v=DKIM1", "holds no key", id="no key"),
        pytest.param("v=DKIM1; p=@@@@", "cannot be read", id="not base64"),
        pytest.param("v=DKIM1; p=aGVsbG8=", "cannot be read", id="not a key"),
        pytest.param("v=DKIM1; p=aGVsbG8=; p=aGVsbG8=", "no tag list", id="two keys"),
        pytest.param("hello", "no tag list", id="no record"),
    ],
)
def test_a_record_without_a_key_verifies_nothing(rsa_signer, text, reason):
    (found,) = judged(rsa_signer.sign(MESSAGE), {"s._domainkey.example.com": {"TXT": text}})

    assert found.verdict == "permerror"
    assert reason in found.reason


def test_a_key_for_one_domain_does_not_serve_those_below_it(rsa_signer):
    signed = replace(rsa_signer, tags={"i": "alice@sub.example.com"}).sign(MESSAGE)

    assert words(signed, rsa_signer.zone) == ["pass"]
    assert words(signed, record(rsa_signer, t="y:s")) == ["permerror"]


def test_a_key_under_test_does_not_count_against_the_domain(rsa_signer):
    signed = rsa_signer.sign(MESSAGE)

    assert words(signed, record(rsa_signer, t="y")) == ["pass"]
    assert words(signed + b"more\r\n", record(rsa_signer, t="y")) == ["neutral"]


def test_a_short_key_is_refused():
    # 512 bits, which `cryptography` reads and would not make.
    short = (
        "MEgCQQCo9+BpMRYQ/dL3DS2CyJxRF+j6ctbT3/Qp84+KeFhnii7NT7fELilKUSnxS30WAvQC"
        "Co2yU1orfgqr41mM70MBAgMBAAE="
    )
    value = "v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=AAAA; b=AAAA"
    signed = f"DKIM-Signature: {value}\r\n".encode() + MESSAGE

    (found,) = judged(signed, {"s._domainkey.example.com": {"TXT": f"k=rsa; p={short}"}})

    assert (found.verdict, found.reason) == (
        "policy",
        "the key has fewer than 1024 bits (RFC 8301)",
    )


def test_a_key_in_the_older_form_is_read(rsa_signer):
    octets = rsa_signer.key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    text = f"v=DKIM1; p={base64.b64encode(octets).decode()}"

    assert words(rsa_signer.sign(MESSAGE), {"s._domainkey.example.com": {"TXT": text}}) == ["pass"]


def test_one_of_several_keys_is_enough(rsa_signer, ed25519_signer):
    zone = {
        "s._domainkey.example.com": {
            "TXT": ["a", "b", "v=spf1 -all", ed25519_signer.record, rsa_signer.record]
        }
    }

    assert words(rsa_signer.sign(MESSAGE), zone) == ["pass"]


def test_of_many_keys_three_are_tried(ed25519_signer):
    others = [f"v=DKIM1; k=ed25519; n={number}; p=AAAA" for number in range(3)]
    last = ed25519_signer.record.replace("k=ed25519;", "k=ed25519; n=~;")

    def found(*records: str) -> list[str]:
        zone = {"s._domainkey.example.com": {"TXT": [*records]}}
        return words(ed25519_signer.sign(MESSAGE), zone)

    assert found(*others[1:], last) == ["pass"]
    assert found(*others, last) == ["permerror"]


@pytest.mark.parametrize("trouble", [{"fails": "SERVFAIL"}, {"silent": True}])
def test_a_key_that_could_not_be_looked_up_is_a_temporary_error(rsa_signer, trouble):
    zone = {"s._domainkey.example.com": trouble}

    assert words(rsa_signer.sign(MESSAGE), zone) == ["temperror"]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"From x\r\n", id="a mailbox file's From line"),
        pytest.param(b"From\r\n : eve@example.org\r\n", id="a fold before the colon"),
        pytest.param(b" folded\r\n", id="the first line is folded"),
        pytest.param(b"no field\r\n", id="no colon"),
        pytest.param(b"X: a\nFrom: eve@example.org\r\n", id="a bare LF"),
        pytest.param(b"X: a\rb\r\n", id="a bare CR"),
        pytest.param(b"X: a\x00b\r\n", id="NUL"),
    ],
)
def test_a_header_that_others_would_read_differently_does_not_pass(rsa_signer, line):
    (found,) = judged(line + rsa_signer.sign(MESSAGE), rsa_signer.zone)

    assert found.verdict == "permerror"


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"X: y\r\n" * 600, id="fields"),
        pytest.param(b"X: " + b"y" * 300_000 + b"\r\n", id="octets"),
        pytest.param(b"X: y\r\n" + b" y\r\n" * 80_000, id="folding"),
    ],
)
def test_a_header_without_end_is_not_verified(rsa_signer, header):
    started = time.process_time()

    assert words(header + rsa_signer.sign(MESSAGE), rsa_signer.zone) == ["permerror"]
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"b=" + b"\r\n " * 5_000 + b"!", id="folding in b="),
        pytest.param(b"bh=" + b" " * 15_000 + b"!; b=aaaa", id="blanks in bh="),
        pytest.param(b"h=from" + b" " * 15_000 + b"x; b=aaaa", id="blanks in h="),
        pytest.param(b"h=" + b"from:" * 3_000 + b"from; b=aaaa", id="names in h="),
        pytest.param(b"b=" + b";b " * 5_000, id="many b"),
        pytest.param(b"z=" + b"x" * 20_000, id="a long field"),
    ],
)
def test_a_hostile_signature_costs_little(value):
    field = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; " + value + b"\r\n"
    started = time.process_time()

    found = words(field * 5 + MESSAGE, {})

    assert found == ["permerror"] * 5
    assert time.process_time() - started < 3


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(octets):
    judged(octets, {})
    judged(b"DKIM-Signature: " + octets + b"\r\n" + MESSAGE, {})


@given(
    st.dictionaries(
        st.sampled_from(["v", "a", "b", "bh", "c", "d", "h", "i", "l", "q", "s", "t", "x"]),
        st.sampled_from(
            [
                *(b"", b"1", b"s", b"from", b"rsa-sha256", b"example.com", b"AAAA", b"-1"),
                *(b"9" * 5000, b"\xff", b"@", b"simple", b"dns/txt", b"a\r\n b"),
            ]
        ),
    )
)
def test_no_tags_make_it_raise(ed25519_signer, tags):
    value = b"; ".join(tag.encode() + b"=" + text for tag, text in tags.items())

    found = words(b"DKIM-Signature: " + value + b"\r\n" + MESSAGE, ed25519_signer.zone)

    assert "pass" not in found


@given(st.text(max_size=60))
def test_no_record_makes_it_raise(ed25519_signer, text):
    zone = {"s._domainkey.example.com": {"TXT": text.encode("utf-8", "replace").decode()}}

    assert words(ed25519_signer.sign(MESSAGE), zone) != ["pass"]
