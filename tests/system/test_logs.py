"""What an operator reads of one message, and how the log is told to be written."""

import json
import os
import pwd
import re
import signal
from typing import Any

import pytest

from .conftest import owner, until

HOOK = """[[mailboxes."info@example.com".hooks]]
event = "{event}"
cmd = ["/bin/true"]
name = "{event}"
"""


def declared(instance, log: str = "") -> str:
    """A mailbox that fires a hook on whatever comes, and after each attempt to send."""
    text = instance.text("info@example.com", "sales@example.com", rest=f"[log]\n{log}\n")
    incoming = HOOK.format(event="on_receive") + "fire_on_untrusted = true\n"
    mailbox = f'[mailboxes."info@example.com"]\nowner = "{owner()}"\n'
    return text.replace(mailbox, mailbox + incoming + HOOK.format(event="after_send"))


@pytest.fixture
def served(make):
    instance = make()
    instance.rehearse()
    instance.write(declared(instance))
    instance.serve()
    # Its first look is over: what a test takes away stays away.
    until(lambda: instance.is_at_rest, "the first look")
    return instance


def lines(instance) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in instance.log.splitlines()]
    assert all({"event", "timestamp", "level"} <= line.keys() for line in found)
    return found


def traced(instance, trace: str, *events: str) -> list[dict[str, Any]]:
    """All lines about one message, once these are among them."""

    def all_there() -> list[dict[str, Any]]:
        about = [line for line in lines(instance) if line.get("trace") == trace]
        return about if set(events) <= {line["event"] for line in about} else []

    found: list[dict[str, Any]] = until(all_there, f"the lines of {trace}: {events}")
    return found


def message(subject: str) -> bytes:
    fields = f"From: a@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n"
    return f"{fields}\r\nThe content\r\n".encode()


def delivered(instance, content: bytes, *recipients: str) -> tuple[int, str]:
    """The code, and the reference that its sender got."""
    with instance.session() as session:
        session.mail("a@example.org")
        for recipient in recipients:
            session.rcpt(recipient)
        code, text = session.data(content)
    found = re.search(r"\(reference ([0-9a-f]{16})\)", text.decode())
    assert found is not None, text
    return code, found[1]


def serves(instance) -> bool:
    try:
        return instance.accepts("info@example.com")
    except OSError:  # As smtplib's are: whoever it was handed to may be gone.
        return False


def test_one_message_is_followed_from_rcpt_to_its_hook_by_the_reference_of_the_reply(served):
    code, trace = delivered(
        served, message("one"), "info@example.com", "nobody@example.com", "sales@example.com"
    )
    found = {line["event"]: line for line in traced(served, trace, "mail kept", "on_receive")}

    (letter,) = served.letters("info@example.com")
    kept, fired, refused = found["mail kept"], found["on_receive"], found["recipient refused"]
    assert code == 250
    assert (kept["peer"], kept["sender"]) == ("127.0.0.1", "a@example.org")
    assert (kept["helo"], kept["tls"]) == ("mail.example.org", False)
    assert kept["recipients"] == ["info@example.com", "sales@example.com"]
    assert (kept["spf"], kept["dkim"], kept["dmarc"]) == ("none", "none", "none")
    assert kept["copies"][0] == {
        "mailbox": "info@example.com",
        "trusted": "none",
        "id": letter.path.stem,
        "duplicate": False,
    }
    assert {"judging_ms", "reading_ms", "placing_ms", "size_bytes"} <= kept.keys()
    assert (fired["hook"], fired["email_id"]) == ("fired", letter.path.stem)
    assert refused["recipient"] == "nobody@example.com"
    assert "The content" not in served.log


def test_each_try_of_one_message_has_a_trace_of_its_own_and_the_second_is_told_a_duplicate(served):
    _, first = delivered(served, message("one"), "sales@example.com")
    _, second = delivered(served, message("one"), "sales@example.com")

    (line,) = traced(served, second, "mail kept")
    assert first != second
    assert line["copies"][0]["duplicate"] is True


def test_a_message_that_could_not_be_kept_is_found_by_the_reference_of_its_451(served):
    served.mailbox("sales@example.com").rename(served.base / "away")

    code, trace = delivered(served, message("one"), "sales@example.com")

    found = {line["event"]: line for line in traced(served, trace, "mail not kept")}
    assert code == 451
    assert found["mail not kept"]["copies"][0]["reason"]
    assert found["mail not placed"]["mailbox"] == "example.com/inbox/sales"


def test_a_submission_is_followed_to_its_sent_copy_and_its_hook_by_one_trace(served):
    body = b"From: info@example.com\nTo: bob@example.net\nSubject: hi\n\nHello\n"
    uid = pwd.getpwnam(owner()).pw_uid if os.geteuid() == 0 else -1
    served.ask("SEND", {"Content-Length": str(len(body))}, body, uid=uid)
    answered = until(
        lambda: [line for line in lines(served) if line["event"] == "submission answered"],
        "the answer",
    )

    trace = answered[0]["trace"]
    found = {line["event"]: line for line in traced(served, trace, "mail sent", "after_send")}

    (copy,) = served.letters("info@example.com", "sent")
    assert answered[0]["answer"] == "sent"
    assert found["submission read"]["author"] == "info@example.com"
    assert found["mail sent"]["id"] == copy.path.stem
    assert found["mail sent"]["recipients"][0]["to"] == "bob@example.net"
    assert found["mail sent"]["recipients"][0]["status"] == "delivered"
    assert found["after_send"]["email_id"] == copy.path.stem


def test_no_line_can_be_forged_by_what_a_stranger_says(served):
    forged = '{"event": "mail kept", "trace": "0000000000000000"}'
    with served.session() as session:
        session.command_encoding = "utf-8"
        assert session.docmd("MAIL", "FROM:<a\u202eb\u2028c@example.org> SMTPUTF8")[0] == 250
        assert session.docmd("RCPT", "TO:<info\u2028@example.com>")[0] == 550
        assert session.docmd("RCPT", "TO:<sales+\u202e@example.com>")[0] == 250
        fields = f"From: a@example.org\r\nSubject: x\r\n\t{forged}\r\nMessage-ID: <{forged}@x>"
        code, text = session.data(f"{fields}\r\n\r\n{forged}\r\n".encode())
    traced(served, text.decode()[-17:-1], "mail kept")

    assert code == 250
    assert all(line.get("trace") != "0000000000000000" for line in lines(served))
    assert served.log.replace("\n", "").isprintable()
    assert "a\\u202eb\\u2028c@example.org" in served.log


def test_level_and_format_of_the_log_are_edited_while_it_runs(served):
    served.write(declared(served, 'level = "warning"\nformat = "text"'))
    until(lambda: served.is_at_rest, "generation 2")
    before = len(served.log)

    _, trace = delivered(served, message("one"), "sales@example.com")
    served.mailbox("sales@example.com").rename(served.base / "away")
    _, lost = delivered(served, message("two"), "sales@example.com")
    until(lambda: "mail not kept" in served.log[before:], "a line in the new format")

    said = served.log[before:]
    assert trace not in said
    assert f"trace={lost}" in said
    # The placer's too, which knows no generation.
    assert re.search(rf"\[warning *\] mail not placed .*trace={lost}", said)

    served.write(declared(served, 'level = "debug"'))
    until(lambda: served.is_at_rest, "generation 3")
    before = len(served.log)
    _, third = delivered(served, message("three"), "info@example.com")
    until(lambda: '"hook": "wrote"' in served.log[before:], "a line at debug, as JSON again")
    assert f'"trace": "{third}"' in served.log[before:]


def test_who_replaces_a_process_logs_as_it_is_told_by_then(served):
    served.write(declared(served, 'level = "warning"\nformat = "text"'))
    until(lambda: served.is_at_rest, "generation 2")
    before = len(served.log)

    killed = set(served.pids("inbound"))
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(set(served.pids("inbound")) - killed) == 2, "successors")
    until(lambda: serves(served), "a successor that serves")

    said = [line for line in served.log[before:].splitlines() if line.startswith("{")]
    assert said == []
