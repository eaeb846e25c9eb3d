"""Mail from one instance to another, over DNS and SMTP of their own on loopback."""

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from aimx.doors.socket.client import Err, Ok
from aimx.outbound.sign import Signer
from aimx.testing.zone import Zone, serve_in_thread

OURS, THEIRS, STRANGE = "orchard.example", "studio.example", "elsewhere.example"
AGENT = f"agent@{OURS}"
SELECTOR = "aimx"
STRANGER, NOBODY = 1, 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root and another Linux user")


def dkim_record(public_pem: bytes) -> str:
    der = load_pem_public_key(public_pem).public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


def names(keys: dict[str, bytes]) -> dict[str, dict[str, object]]:
    """What these domains publish, all of them on this host; each with its public key."""
    table: dict[str, dict[str, object]] = {}
    for domain, public in keys.items():
        table[domain] = {"MX": f"10 mx.{domain}", "TXT": "v=spf1 ip4:127.0.0.1 -all"}
        table[f"mx.{domain}"] = {"A": "127.0.0.1"}
        table[f"{SELECTOR}._domainkey.{domain}"] = {"TXT": dkim_record(public)}
        table[f"_dmarc.{domain}"] = {"TXT": "v=DMARC1; p=reject"}
    return table


@dataclass
class Pair:
    """Two complete instances that find each other by name, and a signer of a third domain."""

    ours: object
    theirs: object
    stranger: Signer

    def receive(self, content: bytes, sender: str, recipient: str) -> int:
        return self.theirs.deliver(content, recipient, sender=sender)


def declare(ours, theirs) -> None:
    ours.declare(AGENT, domains=(OURS,), rest=f"[outbound]\nport = {theirs.port}")
    theirs.declare(
        *(f"{name}@{THEIRS}" for name in ("info", "sales", "quiet")),
        domains=(THEIRS,),
        top=f'trust = "verified"\ntrusted_senders = ["*@{OURS}"]',
    )


def public_key(instance, domain: str) -> bytes:
    return (instance.base / "config" / "dkim" / domain / "public.key").read_bytes()


@pytest.fixture(scope="module")
def pair(make_for_all) -> Iterator[Pair]:
    ours, theirs = make_for_all("ours"), make_for_all("theirs")
    declare(ours, theirs)
    for instance in (ours, theirs):
        instance.apply()
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    published = {OURS: public_key(ours, OURS), THEIRS: public_key(theirs, THEIRS), STRANGE: public}
    with serve_in_thread(Zone(names(published))) as resolver:
        ours.resolver = theirs.resolver = resolver
        declare(ours, theirs)
        for instance in (ours, theirs):
            instance.serve()
        yield Pair(ours, theirs, Signer(private, SELECTOR, STRANGE))
        for instance in (ours, theirs):
            instance.stop()


@pytest.fixture(scope="module")
def sent(pair, tmp_path_factory) -> str:
    """Sends a message that has everything; gives its Message-ID."""
    prices = tmp_path_factory.mktemp("files") / "prices.csv"
    prices.write_bytes(b"apples,2\r\npears,3\r\n")
    done = pair.ours.aimx(
        "send",
        *("--from", AGENT, "--to", f"Info <info@{THEIRS}>"),
        *("--cc", f"sales@{THEIRS}", "--bcc", f"quiet@{THEIRS}"),
        *("--subject", SUBJECT, "--body", MARKDOWN, "--attachment", str(prices)),
    )
    assert done.returncode == 0, done.stderr + pair.ours.log
    return done.stdout.strip()


SUBJECT = "Äpfel, 新しい価格"
MARKDOWN = "Dear **reader**,\n\nthe prices are *attached*: 2 € a crate.\n"


@pytest.mark.parametrize("recipient", ["info", "sales", "quiet"])
def test_each_recipient_finds_it_authentic_and_trusted(pair, sent, recipient):
    letter = pair.theirs.letter(f"{recipient}@{THEIRS}", SUBJECT)

    said = {key: letter.fields[key] for key in ("dkim", "spf", "dmarc", "trusted", "from")}
    assert said == {
        "dkim": "pass",
        "spf": "pass",
        "dmarc": "pass",
        "trusted": "true",
        "from": AGENT,
    }
    assert f"<{letter.fields['message_id']}>" == sent or letter.fields["message_id"] == sent
    assert letter.fields["envelope_from"] == AGENT
    assert letter.fields["cc"] == f"sales@{THEIRS}"


def test_the_text_and_the_file_arrive_as_they_were_written(pair, sent):
    letter = pair.theirs.letter(f"info@{THEIRS}", SUBJECT)

    assert MARKDOWN.strip() in letter.body
    (attachment,) = letter.fields["attachments"]
    assert attachment["filename"] == "prices.csv"
    assert (letter.path.parent / "prices.csv").read_bytes() == b"apples,2\r\npears,3\r\n"


def test_nobody_learns_of_the_blind_copy(pair, sent):
    for recipient in ("info", "sales", "quiet"):
        letter = pair.theirs.letter(f"{recipient}@{THEIRS}", SUBJECT)
        told = {key: value for key, value in letter.fields.items() if key != "delivered_to"}

        assert "bcc" not in letter.fields
        assert "quiet" not in repr(told) or recipient == "quiet"


def test_the_sender_keeps_a_copy_that_tells_what_became_of_it(pair, sent):
    letter = pair.ours.letter(AGENT, SUBJECT, "sent")

    assert letter.fields["outbound"] is True
    assert letter.fields["delivery_status"] == "delivered"
    assert letter.fields["bcc"] == f"quiet@{THEIRS}"
    assert letter.fields["delivered_to"] == f"info@{THEIRS}, sales@{THEIRS}"
    assert letter.body.strip().startswith(MARKDOWN.strip())
    assert (letter.path.parent / "prices.csv").is_file()


def test_no_mail_is_sent_to_a_mailbox_that_is_not_there(pair):
    done = pair.ours.aimx(
        *("send", "--from", AGENT, "--to", f"nobody@{THEIRS}"),
        *("--subject", "lost", "--body", "Hello?"),
    )

    assert done.returncode == 1
    assert "550" in done.stderr
    assert pair.ours.letter(AGENT, "lost", "sent").fields["delivery_status"] == "failed"


def test_a_chain_alone_puts_a_message_into_its_thread(pair):
    done = pair.ours.aimx(
        *("send", "--from", AGENT, "--to", f"info@{THEIRS}", "--references", "root@x next@x"),
        *("--subject", "in the thread", "--body", "Hello."),
    )

    assert done.returncode == 0, done.stderr
    for letter in (
        pair.ours.letter(AGENT, "in the thread", "sent"),
        pair.theirs.letter(f"info@{THEIRS}", "in the thread"),
    ):
        assert letter.fields["references"] == "root@x next@x"
        assert "in_reply_to" not in letter.fields
        assert letter.fields["thread_id"] == sha256(b"root@x").hexdigest()[:16]


@pytest.mark.parametrize("option", ["--reply-to", "--references"])
def test_what_is_no_message_id_is_answered_by_nobody(pair, option):
    field = "In-Reply-To" if option == "--reply-to" else "References"
    told = (
        f"{field} is not a list of message ids like <left@right> (RFC 5322 3.6.4): copy the ids"
        " as they stand in the message that is answered, or leave it out"
    )
    to = ("--to", f"info@{THEIRS}", "--subject", "garbled", "--body", "Hello?")
    content = f"From: {AGENT}\r\nTo: info@{THEIRS}\r\n{field}: <a@x> <\r\n\r\nHello?\r\n".encode()

    done = pair.ours.aimx("send", "--from", AGENT, *to, "--reply-to", "a@x", option, "garbage id")
    reply = pair.ours.ask("SEND", {"Content-Length": str(len(content))}, content)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"aimx send: {told} [MALFORMED].\n"
    assert reply == Err("MALFORMED", told)


FORGED = (
    f"From: {AGENT}\r\nTo: info@{THEIRS}\r\nSubject: %s\r\n"
    f"Message-ID: <%s@{STRANGE}>\r\nDate: %s\r\n\r\nPay at once.\r\n"
)


def forged(subject: str) -> bytes:
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
    return (FORGED % (subject, subject, now)).encode()


def test_a_valid_signature_of_another_domain_makes_nobody_trusted(pair):
    content = pair.stranger.sign(forged("forged"), datetime.now(UTC))

    assert pair.receive(content, f"a@{STRANGE}", f"info@{THEIRS}") == 250

    letter = pair.theirs.letter(f"info@{THEIRS}", "forged")
    said = {key: letter.fields[key] for key in ("dkim", "spf", "dmarc", "trusted")}
    assert said == {"dkim": "pass", "spf": "pass", "dmarc": "fail", "trusted": "false"}
    assert letter.fields["trusted_reason"]


def test_a_message_without_a_signature_makes_nobody_trusted(pair):
    assert pair.receive(forged("unsigned"), AGENT, f"info@{THEIRS}") == 250

    letter = pair.theirs.letter(f"info@{THEIRS}", "unsigned")
    assert (letter.fields["dkim"], letter.fields["trusted"]) == ("none", "false")


def submit(instance, author: str, uid: int) -> Ok | Err:
    content = f"From: {author}\nTo: info@{THEIRS}\nSubject: as {uid}\n\nHello.\n".encode()
    length = {"Content-Length": str(len(content))}
    return instance.ask("SEND", length, content, uid=uid)


@needs_root
def test_the_owner_of_a_mailbox_sends_from_it(pair):
    assert isinstance(submit(pair.ours, AGENT, NOBODY), Ok)

    assert pair.theirs.letter(f"info@{THEIRS}", f"as {NOBODY}").fields["from"] == AGENT


@needs_root
def test_a_mailbox_of_somebody_else_looks_like_one_that_is_not_there(pair):
    missing = f"absent@{OURS}"

    foreign, absent = (submit(pair.ours, author, STRANGER) for author in (AGENT, missing))

    assert isinstance(foreign, Err)
    assert isinstance(absent, Err)
    assert foreign == Err(absent.code, absent.reason.replace(missing, AGENT))
    assert not [e for e in pair.ours.letters(AGENT, "sent") if e.fields["subject"] == "as 1"]


def test_a_rehearsal_sends_into_a_directory(instance):
    drop = instance.rehearse()
    instance.declare(AGENT, domains=(OURS,))
    instance.serve()

    done = instance.aimx(
        *("send", "--from", "agent", "--to", "a@example.org"),
        *("--subject", "Rehearsal", "--body", "Hello."),
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == f"Email sent.\nMessage-ID: {done.stdout}"
    (dropped,) = drop.glob("*.eml")
    content = dropped.read_bytes()
    record = dkim_record(public_key(instance, OURS)).encode()
    assert dkim.verify(content, dnsfunc=lambda name, timeout=5: record)
    assert b"\r\nFrom: agent@orchard.example\r\n" in content
    assert instance.letter(AGENT, "Rehearsal", "sent").fields["delivery_status"] == "delivered"
    assert str(drop) in instance.log


def test_a_relay_takes_mail_whatever_the_dns_says_of_its_recipients(make):
    ours, relay = make("ours"), make("relay")
    relay.declare(f"info@{THEIRS}", domains=(THEIRS,))
    relay.serve()
    secret = ours.base / "config" / "relay.password"
    secret.write_text("s3cret-of-the-relay\n")
    plain = f'[outbound]\nrelay = "127.0.0.1:{relay.port}"'
    ours.declare(AGENT, domains=(OURS,), rest=plain)
    ours.serve()

    def send(subject: str):
        to = ("--to", f"info@{THEIRS}", "--subject", subject, "--body", "Hello.")
        return ours.aimx("send", "--from", AGENT, *to)

    assert send("relayed").returncode == 0, ours.log
    assert relay.letter(f"info@{THEIRS}", "relayed").fields["from"] == AGENT

    # It offers STARTTLS with a certificate that nobody vouches for.
    known = (
        f'[outbound]\nrelay = "smtp://me@127.0.0.1:{relay.port}"\nrelay_password = "file:{secret}"'
    )
    ours.stop()
    ours.declare(AGENT, domains=(OURS,), rest=known)
    ours.serve()
    refused = send("refused")

    assert refused.returncode != 0
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr
    everything = [path for path in ours.base.rglob("*") if path.is_file() and path != secret]
    assert not [path for path in everything if b"s3cret-of-the-relay" in path.read_bytes()]
