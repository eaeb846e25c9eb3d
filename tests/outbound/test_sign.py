import base64
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from aimx.outbound.compose import Composed
from aimx.outbound.sign import SIGNED, Signer, sign
from aimx.outbound.signing_key import KeyUnusableError, loaded
from aimx.verify.canonicalization import relaxed_field

Compose = Callable[..., Composed]
RFC_8463 = Path(__file__).parent.parent / "verify/cases/rfc-8463-a.3"
# RFC 8463 A.2, as PKCS#8 (RFC 8410 7) wraps it.
RFC_8463_KEY = b"""\
-----BEGIN PRIVATE KEY-----
%s
-----END PRIVATE KEY-----
""" % base64.b64encode(
    bytes.fromhex("302e020100300506032b657004220420")
    + base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
)
needs_nacl = pytest.mark.skipif(
    find_spec("nacl") is None, reason="dkimpy needs PyNaCl to verify Ed25519"
)
OPENDKIM = shutil.which("opendkim", path="/usr/sbin:/usr/bin")


def verifies(signer: Signer, content: bytes) -> bool:
    """dkimpy's word."""
    records = {
        f"{signer.selector}._domainkey.{signer.domain}.".encode(): signer.record.encode(),
    }
    return bool(dkim.verify(content, dnsfunc=lambda name, timeout=5: records.get(name)))


def holds(content: bytes, number: int, signer: Signer) -> bool:
    """dkimpy's word on one of several signatures."""
    record = signer.record.encode()
    try:
        return bool(dkim.DKIM(content).verify(idx=number, dnsfunc=lambda name, timeout=5: record))
    except dkim.ValidationError:
        return False


def message(composed: Compose, text: str = "hi", **options: bool) -> bytes:
    head = "From: info@a.example\r\nTo: b@c.example\r\nSubject: Grüße\r\n\r\n"
    return composed((head + text).encode(errors="replace"), **options).wire


@settings(max_examples=60)
@given(text=st.text(max_size=300), text_only=st.booleans())
def test_a_signature_on_any_text_verifies(
    signer: Signer, composed: Compose, now: datetime, text: str, text_only: bool
) -> None:
    signed = signer.sign(message(composed, text, text_only=text_only), now)

    assert verifies(signer, signed)


blanks = st.text(alphabet=" \ta\r\n.", max_size=60).map(
    lambda text: "\r\n".join(text.replace("\r", "\n").split("\n")).encode()
)


@given(body=blanks)
def test_a_signature_holds_over_blanks_and_empty_lines(
    signer: Signer, now: datetime, body: bytes
) -> None:
    wire = b"From: info@a.example\r\nSubject:  a \t b\r\n  c \r\n\r\n" + body + b"\r\n"

    assert verifies(signer, signer.sign(wire, now))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"\r\n\r\nhi", b"\r\n\r\nho", id="body"),
        pytest.param(b"To: b@c.example", b"To: x@c.example", id="to"),
        pytest.param(b"From: ", b"From: x@y.example\r\nFrom: ", id="second-from"),
        pytest.param(b"To: ", b"Subject: other\r\nTo: ", id="second-subject"),
        pytest.param(b"To: ", b"Reply-To: x@y.example\r\nTo: ", id="added-reply-to"),
        pytest.param(b"To: ", b"Content-Type: text/html\r\nTo: ", id="second-content-type"),
        pytest.param(b"To: ", b"Cc: x@y.example\r\nTo: ", id="added-cc"),
    ],
)
def test_a_signature_breaks_with_what_it_covers(
    signer: Signer, composed: Compose, now: datetime, old: bytes, new: bytes
) -> None:
    signed = signer.sign(message(composed, text_only=True), now)

    assert verifies(signer, signed)
    assert not verifies(signer, signed.replace(old, new, 1))


def test_the_signature_says_what_it_covers_and_when(
    signer: Signer, composed: Compose, now: datetime
) -> None:
    signed = signer.sign(message(composed), now)

    field = signed.partition(b"\r\nFrom:")[0]
    tags = dkim.util.parse_tag_value(field.partition(b":")[2])
    names = tags[b"h"].replace(b"\r\n ", b"").replace(b" ", b"").split(b":")
    assert tags[b"t"] == b"%d" % now.timestamp()
    assert (tags[b"a"], tags[b"c"]) == (b"rsa-sha256", b"relaxed/relaxed")
    assert (tags[b"d"], tags[b"s"]) == (b"a.example", b"aimx")
    assert {name: names.count(name) for name in SIGNED} == {
        name: 1
        if name in (b"cc", b"reply-to", b"in-reply-to", b"references")
        else 2
        # The entity is multipart: the encoding is said of its parts.
        - (name == b"content-transfer-encoding")
        for name in SIGNED
    }
    assert max(map(len, field.split(b"\r\n"))) <= 78


def test_a_line_of_blanks_takes_no_more_time_than_another(signer: Signer, now: datetime) -> None:
    wire = b"From: a@a.example\r\n\r\n" + (b" " * 997 + b"x\r\n") * 2000

    signed = signer.sign(wire, now)

    assert signed.endswith(wire)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_both_forms_of_pem_are_read(key: rsa.RSAPrivateKey, form: PrivateFormat) -> None:
    signer = Signer(key.private_bytes(Encoding.PEM, form, NoEncryption()), "s", "a.example")

    signer.probe()


def test_a_key_that_cannot_sign_is_refused(pem: bytes) -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )

    for unusable, reason in [(b"", "PEM"), (pem[:200], "PEM"), (curve, "neither an RSA key")]:
        with pytest.raises(KeyUnusableError, match=reason):
            Signer(unusable, "s", "a.example")


@pytest.mark.parametrize("flipped", [4, 1], ids=["another-modulus", "an-even-modulus"])
def test_a_key_whose_numbers_do_not_fit_is_found_before_it_signs_mail(
    key: rsa.RSAPrivateKey, flipped: int
) -> None:
    modulus = key.public_key().public_numbers().n
    raw, damaged = modulus.to_bytes(256), (modulus ^ flipped).to_bytes(256)
    der = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    text = base64.encodebytes(der.replace(raw, damaged, 1))
    title = b"RSA PRIVATE KEY-----\n"
    signer = Signer(b"-----BEGIN " + title + text + b"-----END " + title, "s", "a.example")

    with pytest.raises(KeyUnusableError, match=r"does not verify|no RSA key"):
        signer.probe()


def test_a_published_key_is_recognised(signer: Signer, key: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    record = signer.record.encode()

    assert signer.is_published(record)
    assert signer.is_published(record.replace(b"; ", b" ;\t").replace(b"MII", b"MI I"))
    assert not signer.is_published(Signer(pem, "aimx", "a.example").record.encode())
    assert not signer.is_published(b"v=DKIM1; p=")
    assert not signer.is_published(b"p=%%%; nonsense")


@needs_nacl
def test_two_keys_sign_the_same_and_each_signature_verifies_by_itself(
    signer: Signer, second: Signer, composed: Compose, now: datetime
) -> None:
    wire = message(composed)

    signed = sign(wire, (signer, second), now)

    fields = [field for name, field in dkim.DKIM(signed).headers if name == b"DKIM-Signature"]
    tags = [dkim.util.parse_tag_value(field) for field in fields]
    assert signed.endswith(wire)
    assert [tag[b"a"] for tag in tags] == [b"rsa-sha256", b"ed25519-sha256"]
    assert [tag[b"s"] for tag in tags] == [b"aimx", b"aimx-ed25519"]
    assert tags[0][b"h"] == tags[1][b"h"]
    assert tags[0][b"bh"] == tags[1][b"bh"]
    assert holds(signed, 0, signer)
    assert holds(signed, 1, second)


@needs_nacl
@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"\r\n\r\nhi", b"\r\n\r\nho", id="body"),
        pytest.param(b"To: ", b"Reply-To: x@y.example\r\nTo: ", id="added-reply-to"),
    ],
)
def test_a_change_breaks_both_signatures(
    signer: Signer, second: Signer, composed: Compose, now: datetime, old: bytes, new: bytes
) -> None:
    signed = sign(message(composed, text_only=True), (signer, second), now)

    changed = signed.replace(old, new, 1)

    assert [holds(content, 0, signer) for content in (signed, changed)] == [True, False]
    assert [holds(content, 1, second) for content in (signed, changed)] == [True, False]


def test_what_rfc_8463_signs_with_its_ed25519_key_is_signed_alike() -> None:
    content = (RFC_8463 / "message.eml").read_bytes().replace(b"\n", b"\r\n")
    rfc = dkim.DKIM(content)
    value = next(field for name, field in rfc.headers if name == b"DKIM-Signature")
    unsigned = value[: value.index(b" b=") + len(b" b=")] + b"\r\n"
    # The example's h= names each field twice, of which it has one.
    order = [b"From", b"To", b"Subject", b"Date", b"Message-ID"]
    fields = {name: relaxed_field(name, field) for name, field in rfc.headers if name in order}
    covered = [*(fields[name] for name in order), relaxed_field(b"DKIM-Signature", unsigned)]
    digest = hashlib.sha256(b"".join(covered).removesuffix(b"\r\n")).digest()

    signature = loaded(RFC_8463_KEY).sign(digest)

    assert base64.b64encode(signature) == b"".join(value.partition(b" b=")[2].split())
    record = Signer(RFC_8463_KEY, "brisbane", "football.example.com").record
    assert record in (RFC_8463 / "zone.toml").read_text()


@pytest.mark.skipif(OPENDKIM is None, reason="opendkim is not installed")
@pytest.mark.parametrize(
    ("old", "word"),
    [pytest.param(b"hi", "succeeded", id="intact"), pytest.param(b"ho", "failed", id="changed")],
)
@pytest.mark.parametrize("both", [False, True], ids=["RSA", "RSA-and-Ed25519"])
def test_opendkim_judges_the_signature_alike(
    signer: Signer,
    second: Signer,
    composed: Compose,
    tmp_path: Path,
    old: bytes,
    word: str,
    both: bool,
) -> None:
    signers = (signer, second) if both else (signer,)
    signed = sign(message(composed), signers, datetime(2020, 1, 1, tzinfo=UTC))
    content, keys, settings = tmp_path / "content", tmp_path / "keys", tmp_path / "settings"
    content.write_bytes(signed.replace(b"\r\nhi\r\n", b"\r\n" + old + b"\r\n"))
    keys.write_text(
        "".join(f"{each.selector}._domainkey.a.example {each.record}\n" for each in signers)
    )
    settings.write_text(f"Mode v\nTestPublicKeys {keys}\nSyslog no\n")

    told = subprocess.run(
        [OPENDKIM or "", "-x", settings, "-t", content], check=True, capture_output=True, text=True
    )

    assert word in told.stdout + told.stderr
