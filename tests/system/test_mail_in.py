"""Mail from the network becomes Markdown in its owner's directory."""

import os
import pwd
import smtplib
import ssl
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "messages").glob("*.eml"))
MAILBOXES = ("info@example.com", "sales@example.com", "*@agents.example", "postmaster@example.com")
ALIAS = 'aliases = ["hello@example.com"]'


def manifest(instance, *more: str) -> str:
    text = instance.text(*MAILBOXES, *more, domains=("example.com", "agents.example"))
    first = '[mailboxes."info@example.com"]\n'
    return text.replace(first, f"{first}{ALIAS}\n")


@pytest.fixture(scope="module")
def served(make_for_all):
    instance = make_for_all()
    instance.write(manifest(instance))
    instance.serve()
    return instance


def message(subject: str, text: str = "Hello.") -> bytes:
    fields = f"From: a@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.org>\r\n"
    return f"{fields}\r\n{text}\r\n".encode()


def owner_and_mode(path: Path) -> tuple[str, int]:
    found = path.stat()
    return pwd.getpwuid(found.st_uid).pw_name, stat.S_IMODE(found.st_mode)


def subjects(instance, address: str) -> list[str]:
    return [each.fields["subject"] for each in instance.letters(address)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_lands_as_one_markdown_file(make_for_all, served, example):
    before = served.letters("sales@example.com")

    assert served.deliver(example.read_bytes(), "sales@example.com") == 250

    (letter,) = [each for each in served.letters("sales@example.com") if each not in before]
    assert letter.fields["mailbox"] == "sales@example.com"
    assert letter.fields["received_from_ip"] == "127.0.0.1"
    assert letter.fields["read"] is False
    assert letter.body.strip()
    beside = {path.name for path in letter.path.parent.iterdir()} - {letter.path.name}
    named = {each["path"] for each in letter.fields.get("attachments", [])}
    assert named == (beside if letter.path.parent.name == letter.fields["id"] else set())


def test_the_mail_is_its_owners_and_nobody_elses(served):
    owner = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    for example in EXAMPLES:
        assert served.deliver(example.read_bytes(), "info@example.com") == 250

    inbox = served.mailbox("info@example.com")

    assert owner_and_mode(inbox) == (owner, 0o700)
    for path in inbox.rglob("*"):
        assert owner_and_mode(path) == (owner, 0o700 if path.is_dir() else 0o600)
    assert any(path.is_dir() for path in inbox.iterdir())


def test_each_recipient_gets_a_copy(served):
    code = served.deliver(message("to-all"), "info@example.com", "sales@example.com")

    assert code == 250
    copies = [served.letter(f"{name}@example.com", "to-all") for name in ("info", "sales")]
    assert [copy.fields["delivered_to"] for copy in copies] == [
        "info@example.com",
        "sales@example.com",
    ]


def test_recipients_of_one_mailbox_get_one_copy(served):
    recipients = ("info@example.com", "info+shop@example.com", "hello@example.com")

    assert served.deliver(message("thrice"), *recipients) == 250

    letter = served.letter("info@example.com", "thrice")
    assert letter.fields["delivered_to"] == ", ".join(recipients)


@pytest.mark.parametrize(
    ("recipient", "mailbox"),
    [
        pytest.param("INFO@Example.COM", "info@example.com", id="in-another-case"),
        pytest.param("info+orders@example.com", "info@example.com", id="subaddress"),
        pytest.param("hello@example.com", "info@example.com", id="alias"),
        pytest.param("anything@agents.example", "*@agents.example", id="catchall"),
        pytest.param("postmaster@agents.example", "*@agents.example", id="postmaster-by-catchall"),
        pytest.param("Postmaster@example.com", "postmaster@example.com", id="postmaster"),
        pytest.param("postmaster", "postmaster@example.com", id="postmaster-of-no-domain"),
    ],
)
def test_an_address_leads_to_its_mailbox(served, recipient, mailbox):
    subject = f"for-{recipient.lower().replace('@', '-at-')}"

    assert served.deliver(message(subject), recipient) == 250

    letter = served.letter(mailbox, subject)
    assert letter.fields["delivered_to"].lower() == recipient.lower()
    assert letter.fields["mailbox"] == mailbox


def test_a_message_that_comes_twice_is_kept_once(served):
    assert served.deliver(message("again"), "info@example.com") == 250
    assert served.deliver(message("again"), "info@example.com") == 250

    assert subjects(served, "info@example.com").count("again") == 1


def test_another_message_with_the_same_message_id_is_kept_as_well(served):
    assert served.deliver(message("borrowed", "One."), "info@example.com") == 250
    assert served.deliver(message("borrowed", "Two."), "info@example.com") == 250

    assert subjects(served, "info@example.com").count("borrowed") == 2


def test_starttls_is_offered_and_the_message_comes_through_it(served):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with served.session() as session:
        assert session.has_extn("starttls")

        session.starttls(context=context)
        session.ehlo()
        version = session.sock.version()
        session.sendmail("a@example.org", ["info@example.com"], message("encrypted"))

        assert not session.has_extn("starttls")
    assert version in ("TLSv1.2", "TLSv1.3")
    assert served.letter("info@example.com", "encrypted")


def test_a_session_sees_a_new_generation_with_its_next_message(served, until):
    before = served.status()["engine_generation"]
    with served.session() as session:
        session.mail("a@example.org")
        assert session.rcpt("late@example.com")[0] == 550

        served.write(manifest(served, "late@example.com"))
        until(lambda: served.status()["engine_generation"] > before, "the new generation")

        # What MAIL began ends as it began.
        assert session.rcpt("late@example.com")[0] == 550
        session.rset()
        session.sendmail("a@example.org", ["late@example.com"], message("at-last"))
    assert served.letter("late@example.com", "at-last")


def test_a_thousand_messages_may_come_on_one_connection(served):
    with served.session() as session:
        for number in range(1000):
            session.mail("a@example.org")
            assert session.rcpt("info@example.com")[0] == 250, number
            session.rset()


def connected(served, stack: ExitStack, source: str) -> str:
    """Connects from there; gives the first word that is said, and stays connected."""
    try:
        session = smtplib.SMTP(
            "127.0.0.1", served.port, "mail.example.org", source_address=(source, 0), timeout=60
        )
    except smtplib.SMTPConnectError as refusal:
        return str(refusal.smtp_code)
    stack.callback(session.close)
    return "220"


def has_room(served) -> bool:
    with ExitStack() as stack:
        return connected(served, stack, "127.0.0.1") == "220"


@pytest.fixture
def limited(instance):
    """One that nobody was connected to before: who has left is in for a moment yet."""
    instance.declare("info@example.com", smtp="max_connections = 12\nmax_connections_per_ip = 8")
    instance.serve()
    return instance


def test_one_client_has_only_so_many_connections(limited, until):
    with ExitStack() as stack:
        answers = [connected(limited, stack, "127.0.0.1") for _ in range(9)]
        elsewhere = connected(limited, stack, "127.0.0.10")

    assert answers == ["220"] * 8 + ["421"]
    assert elsewhere == "220"
    until(lambda: has_room(limited), "room again")


def test_all_clients_together_have_only_so_many_connections(limited, until):
    with ExitStack() as stack:
        answers = [connected(limited, stack, f"127.0.1.{number}") for number in range(1, 14)]

    assert answers == ["220"] * 12 + ["421"]
    until(lambda: has_room(limited), "room again")


def test_a_message_is_kept_as_it_came_and_refused_where_that_is_declared(make):
    instance = make()
    declared = instance.text("info@example.com", smtp='dmarc = "enforce"\nkeep_raw = true')
    instance.write(declared)
    instance.serve()
    content = message("kept")

    assert instance.deliver(content, "info@example.com") == 250
    assert instance.deliver(b"Subject: nobody's\r\n\r\nHello.\r\n", "info@example.com") == 550

    letter = instance.letter("info@example.com", "kept")
    assert (letter.path.parent / "raw.eml").read_bytes() == content
    assert subjects(instance, "info@example.com") == ["kept"]
