"""Mail fires hooks: real processes of the mailbox's owner, once for each message."""

import json
import os
import pwd
import signal
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aimx.outbound.sign import Signer
from aimx.testing.zone import Zone, serve_in_thread

# One that every user may read and run, wherever ours is.
PYTHON = "/usr/bin/python3"
WRITES = """
import json, os, sys
told = {"environment": dict(os.environ), "stdin": sys.stdin.read(), "arguments": sys.argv[1:]}
told |= {"uid": os.getuid(), "gids": sorted({os.getgid(), *os.getgroups()}), "cwd": os.getcwd()}
told |= {"session": os.getsid(0) == os.getpid(), "open": sorted(os.listdir("/proc/self/fd"))}
path = os.path.join(DIRECTORY, os.environ["AIMX_ID"] + "." + str(os.getpid()))
with open(path + ".new", "x") as file:
    json.dump(told, file)
os.rename(path + ".new", path + ".json")
"""

pytestmark = pytest.mark.skipif(not Path(PYTHON).exists(), reason="needs a Python for everybody")


class Hooked:
    """An instance whose hooks write what they were given into a directory."""

    def __init__(self, instance):
        self.instance = instance
        self.directory = instance.base / "told"
        self.directory.mkdir()
        self.directory.chmod(0o777)

    def hook(self, mailbox, name="tell", code=WRITES, *arguments, **keys):
        """The manifest's table of a hook that runs this Python."""
        keys = {"event": "on_receive", "fire_on_untrusted": True, **keys}
        if keys["event"] == "after_send":
            del keys["fire_on_untrusted"]
        command = [PYTHON, "-I", "-c", f"DIRECTORY = {str(self.directory)!r}\n{code}", *arguments]
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        head = (f'[[mailboxes."{mailbox}".hooks]]', f'name = "{name}"')
        return "\n".join([*head, f"cmd = {json.dumps(command)}", *lines, ""])

    @property
    def told(self):
        return [json.loads(path.read_text()) for path in sorted(self.directory.glob("*.json"))]

    def of(self, **variables):
        """What the firings with these variables were told."""
        wanted = variables.items()
        return [each for each in self.told if wanted <= each["environment"].items()]

    def lines(self, outcome, **fields):
        """The log's lines about hooks of which that became, with these fields."""
        lines = (line for line in self.instance.log.splitlines() if line.startswith("{"))
        wanted = {"hook": outcome, **fields}.items()
        return [found for found in map(json.loads, lines) if wanted <= found.items()]


def message(subject="hello", *more, text="Hello."):
    fields = [
        "From: Ann <a@example.org>",
        "To: info@example.com",
        f"Subject: {subject}",
        f"Message-ID: <{subject.replace(' ', '-')}@example.org>",
        "Date: Fri, 02 Jan 2026 03:04:05 +0000",
        *more,
    ]
    return "\r\n".join([*fields, "", text, ""]).encode()


@pytest.fixture
def hooked(instance):
    return Hooked(instance)


SIGNED_OFF = "From: ops@example.com\r\nTo: b@example.org\r\nSubject: {}\r\n\r\nHi.\r\n"


@pytest.fixture(scope="module")
def served(make_for_all):
    """Mailboxes with a hook each, which all tests that share it write to."""
    hooked = Hooked(make_for_all())
    hooked.drop = hooked.instance.rehearse()
    tables = [
        hooked.hook("info@example.com", "tell", WRITES, "$AIMX_SUBJECT; id", timeout_secs=50),
        hooked.hook("people@example.com", "people", fire_on_automated=False),
        hooked.hook("careful@example.com", "careful", fire_on_untrusted=False),
        hooked.hook("broken@example.com", "loud", "raise SystemExit('first\\nsecond')"),
        hooked.hook("ops@example.com", "sent", event="after_send"),
        '[mailboxes."looping@example.com"]\nowner = "' + owner_of_mail() + '"',
        "limits = { replies_per_thread_per_hour = 2 }",
        hooked.hook("looping@example.com", "loop"),
    ]
    names = ("info", "people", "careful", "broken", "ops")
    hooked.instance.declare(*(f"{name}@example.com" for name in names), rest="\n".join(tables))
    hooked.instance.serve()
    return hooked


def owner_of_mail():
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def test_a_message_fires_its_hook_as_the_owner_with_a_clean_environment(served, until):
    hooked = served

    assert hooked.instance.deliver(message(), "info@example.com") == 250

    (told,) = until(lambda: hooked.of(AIMX_SUBJECT="hello"), "the hook to have run")
    letter = hooked.instance.letter("info@example.com", "hello")
    owner = pwd.getpwuid(letter.path.stat().st_uid)
    assert told["environment"] == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": owner.pw_dir,
        "AIMX_HOOK_NAME": "tell",
        "AIMX_EVENT": "on_receive",
        "AIMX_MAILBOX": "info@example.com",
        "AIMX_FROM": "Ann <a@example.org>",
        "AIMX_TO": "info@example.com",
        "AIMX_SUBJECT": "hello",
        "AIMX_FILEPATH": str(letter.path),
        "AIMX_MESSAGE_ID": "hello@example.org",
        "AIMX_ID": letter.fields["id"],
        "AIMX_DATE": "2026-01-02T03:04:05Z",
        **({"LC_CTYPE": "C.UTF-8"} if "LC_CTYPE" in told["environment"] else {}),
    }
    assert told["stdin"] == letter.path.read_text()
    assert told["arguments"] == ["$AIMX_SUBJECT; id"]
    assert told["uid"] == owner.pw_uid
    assert told["session"]
    assert told["cwd"] == "/"
    assert len(told["open"]) == 4  # Its three streams, and the directory that it lists.
    (line,) = until(
        lambda: hooked.lines("fired", event="on_receive", email_id=letter.fields["id"]),
        "the line in the log",
    )
    assert (
        line.items()
        >= {
            "hook_name": "tell",
            "mailbox": "info@example.com",
            "owner": owner.pw_name,
            "email_id": letter.fields["id"],
            "exit_code": 0,
            "timed_out": False,
            "stderr_tail": "",
        }.items()
    )
    assert line["duration_ms"] >= 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users, and root to be them")
def test_each_mailbox_fires_as_its_own_owner(hooked, until):
    owners = {"alice@example.com": "bin", "bob@example.com": "daemon"}
    tables = [
        f'[mailboxes."{mailbox}"]\nowner = "{owner}"\n{hooked.hook(mailbox, owner)}'
        for mailbox, owner in owners.items()
    ]
    hooked.instance.declare(rest="\n".join(tables))
    hooked.instance.serve()

    assert hooked.instance.deliver(message(), *owners) == 250

    until(lambda: len(hooked.told) == 2, "both hooks to have run")
    found = {told["environment"]["AIMX_HOOK_NAME"]: told for told in hooked.told}
    for name in owners.values():
        user = pwd.getpwnam(name)
        assert found[name]["uid"] == user.pw_uid
        assert found[name]["gids"] == sorted({*os.getgrouplist(name, user.pw_gid)})
        assert found[name]["stdin"]


def test_a_message_with_attachments_is_told_by_its_markdown(served, until):
    more = 'Content-Type: multipart/mixed; boundary="cut"'
    parts = "--cut\r\n\r\nHi.\r\n--cut\r\nContent-Type: text/x\r\n\r\nx\r\n--cut--"

    served.instance.deliver(message("bundle", more, text=parts), "info@example.com")

    (told,) = until(lambda: served.of(AIMX_SUBJECT="bundle"), "the hook to have run")
    letter = served.instance.letter("info@example.com", "bundle")
    assert told["environment"]["AIMX_FILEPATH"] == str(letter.path)
    assert letter.path.parent.name == letter.fields["id"]
    assert told["stdin"] == letter.path.read_text()


def test_a_duplicate_never_fires(served, until):
    for _ in range(3):
        assert served.instance.deliver(message("again"), "info@example.com") == 250

    until(lambda: served.of(AIMX_SUBJECT="again"), "the hook to have run")
    reason = "the message was placed before"
    until(lambda: len(served.lines("quiet", reason=reason)) >= 2, "the log to say so")
    letter = served.instance.letter("info@example.com", "again")
    until(lambda: served.lines("fired", email_id=letter.fields["id"]), "the line in the log")
    assert len(served.of(AIMX_SUBJECT="again")) == 1


def test_command_injection_by_a_subject(served, until):
    subject = "$(touch /tmp/x); `id` ${PATH} --flag 'q' \"q\""

    assert served.instance.deliver(message(subject), "info@example.com") == 250

    (told,) = until(lambda: served.of(AIMX_SUBJECT=subject), "the hook to have run")
    assert told["arguments"] == ["$AIMX_SUBJECT; id"]


def test_header_injection_into_variables(served, until):
    encoded = "=?utf-8?q?one=0D=0AAIMX=5FTRUSTED=3D1=00two?="

    assert served.instance.deliver(message(encoded), "info@example.com") == 250

    told = until(
        lambda: [x for x in served.told if x["environment"]["AIMX_SUBJECT"].startswith("one")],
        "the hook to have run",
    )
    assert "AIMX_TRUSTED" not in told[0]["environment"]
    assert not set("\r\n\0") & set(told[0]["environment"]["AIMX_SUBJECT"])


def test_trust_gate_without_alignment(served, until):
    """A From that nobody signed fires no hook that asks for trust."""
    assert served.instance.deliver(message("forged"), "careful@example.com") == 250

    (line,) = until(lambda: served.lines("quiet", hook_name="careful"), "the line in the log")
    assert line["reason"] == "the message is not trusted: the mailbox trusts nobody"
    assert line["event"] == "on_receive"
    assert served.of(AIMX_HOOK_NAME="careful") == []


def test_only_mail_that_its_author_signed_fires_a_hook_that_asks_for_trust(hooked, until):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signers = {name: Signer(pem, "s", name) for name in ("example.org", "elsewhere.test")}
    zone = Zone({f"s._domainkey.{name}": {"TXT": [signers[name].record]} for name in signers})
    hook = hooked.hook("careful@example.com", "careful", fire_on_untrusted=False)
    top = 'trust = "verified"\ntrusted_senders = ["*@example.org"]'
    with serve_in_thread(zone) as resolver:
        hooked.instance.resolver = resolver
        hooked.instance.declare("careful@example.com", rest=hook, top=top)
        hooked.instance.serve()

        for subject, name in (("forged", "elsewhere.test"), ("genuine", "example.org")):
            fresh = message(subject).replace(b"Date: Fri, 02 Jan 2026", b"X-Date: Fri, 02 Jan 2026")
            content = signers[name].sign(fresh, datetime.now(UTC))
            assert hooked.instance.deliver(content, "careful@example.com") == 250
        (told,) = until(lambda: hooked.told, "the hook to have run")

    assert told["environment"]["AIMX_SUBJECT"] == "genuine"
    (line,) = until(lambda: hooked.lines("quiet", hook_name="careful"), "the line in the log")
    assert "which is not the organization of example.org" in line["reason"]


def test_automated_mail_is_kept_from_a_hook_that_excludes_it(served, until):
    automatic = message("automatic", "Auto-Submitted: auto-replied")
    assert served.instance.deliver(automatic, "people@example.com") == 250
    assert served.instance.deliver(message("bounced"), "people@example.com", sender="") == 250
    assert served.instance.deliver(message("by a person"), "people@example.com") == 250

    (told,) = until(lambda: served.of(AIMX_HOOK_NAME="people"), "the hook to have run")
    until(lambda: len(served.lines("quiet", hook_name="people")) == 2, "the lines in the log")
    quiet = served.lines("quiet", hook_name="people")
    assert told["environment"]["AIMX_SUBJECT"] == "by a person"
    assert [line["reason"] for line in quiet] == [
        "the message is automated: it says of itself that it was submitted automatically",
        "the message is automated: it is a bounce: its sender is null",
    ]


def test_reply_loops(served, until):
    """One peer fires a hook in one thread so often and no more."""
    for number in range(4):
        answer = message(f"round {number}", "References: <root@example.org>")
        assert served.instance.deliver(answer, "looping@example.com") == 250
    assert served.instance.deliver(message("another thread"), "looping@example.com") == 250

    until(lambda: served.of(AIMX_SUBJECT="another thread"), "the hook to have run")
    until(lambda: len(served.lines("fired", hook_name="loop")) == 3, "the hooks to have ended")
    assert len(served.of(AIMX_HOOK_NAME="loop")) == 3
    until(lambda: len(served.lines("quiet", hook_name="loop")) == 2, "the lines in the log")
    quiet = served.lines("quiet", hook_name="loop")
    assert "replies_per_thread_per_hour" in quiet[0]["reason"]


def test_log_injection_by_what_a_hook_writes(served, until):
    assert served.instance.deliver(message("x"), "broken@example.com") == 250

    (line,) = until(lambda: served.lines("fired", hook_name="loud"), "the line in the log")
    assert line["exit_code"] == 1
    assert line["stderr_tail"] == "first\\nsecond\\n"


def send(hooked, subject):
    content = SIGNED_OFF.format(subject).encode()
    uid = pwd.getpwnam(owner_of_mail()).pw_uid
    caller = {"uid": uid} if os.geteuid() == 0 else {}
    length = {"Content-Length": str(len(content))}
    return hooked.instance.ask("SEND", length, content, **caller)


def test_a_message_that_was_sent_fires_after_send(served, until):
    send(served, "sent well")

    (told,) = until(lambda: served.of(AIMX_SUBJECT="sent well"), "the hook to have run")
    letter = served.instance.letter("ops@example.com", "sent well", "sent")
    assert (
        told["environment"].items()
        >= {
            "AIMX_EVENT": "after_send",
            "AIMX_MAILBOX": "ops@example.com",
            "AIMX_SEND_STATUS": "delivered",
            "AIMX_FILEPATH": str(letter.path),
            "AIMX_ID": letter.fields["id"],
        }.items()
    )
    assert told["stdin"] == letter.path.read_text()


def test_an_attempt_that_leaves_no_copy_fires_after_send_without_a_file(hooked, until):
    hook = hooked.hook("ops@example.com", "sent", event="after_send")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        hooked.instance.resolver = f"127.0.0.1:{silent.getsockname()[1]}"
        hooked.instance.declare("ops@example.com", rest=hook)
        hooked.instance.serve()

        send(hooked, "not yet")

        (told,) = until(lambda: hooked.told, "the hook to have run")
    assert told["environment"]["AIMX_SUBJECT"] == "not yet"
    assert told["environment"]["AIMX_SEND_STATUS"] == "deferred"
    assert (told["environment"]["AIMX_FILEPATH"], told["environment"]["AIMX_ID"]) == ("", "")
    assert told["stdin"] == ""


WAITS = """
import os, select, sys
open(os.path.join(DIRECTORY, "began." + os.environ["AIMX_SUBJECT"] + "." + str(os.getpid())), "x")
while not os.path.exists(os.path.join(DIRECTORY, "go")):
    select.select([], [], [], 0.02)
"""
COUNT = 6  # More than run at a time for one owner.


@pytest.fixture
def waiting(hooked, until):
    """Messages were answered 250 whose hooks wait to be let go; some of them have begun."""
    hooked.instance.declare("info@example.com", rest=hooked.hook("info@example.com", "wait", WAITS))
    hooked.instance.serve()
    for number in range(COUNT):
        assert hooked.instance.deliver(message(f"m{number}"), "info@example.com") == 250
    until(lambda: len(began(hooked)) == 4, "four hooks to have begun")
    yield hooked
    (hooked.directory / "go").touch()
    for pid in pids(hooked):
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), "the hooks to have ended")


def began(hooked):
    """The subjects of the messages whose hooks have begun, once for each time."""
    return sorted(path.name.split(".")[1] for path in hooked.directory.glob("began.*"))


def pids(hooked):
    return [int(path.name.split(".")[2]) for path in hooked.directory.glob("began.*")]


def test_what_waits_survives_a_crash_and_what_had_begun_is_said_and_not_run_again(waiting, until):
    waiting.instance.stop(signal.SIGKILL)
    waiting.instance.reserve()
    waiting.instance.declare(
        "info@example.com", rest=waiting.hook("info@example.com", "wait", WAITS)
    )
    waiting.instance.serve()

    until(lambda: len(began(waiting)) == COUNT, "the others to have begun")
    until(lambda: len(waiting.lines("interrupted")) == 4, "the lines in the log")
    (waiting.directory / "go").touch()
    until(lambda: len(waiting.lines("fired")) == COUNT - 4, "the others to have ended")

    assert began(waiting) == [f"m{number}" for number in range(COUNT)]
    assert len({line["email_id"] for line in waiting.lines("interrupted")}) == 4


def test_a_placer_that_dies_interrupts_no_hook_and_repeats_none(waiting, until):
    (placer,) = waiting.instance.pids("placer")
    os.kill(placer, signal.SIGKILL)
    until(lambda: waiting.instance.pids("placer") not in ([], [placer]), "another placer")

    (waiting.directory / "go").touch()

    until(lambda: len(waiting.lines("fired")) == COUNT, "all hooks to have ended")
    assert began(waiting) == [f"m{number}" for number in range(COUNT)]
    assert waiting.lines("interrupted") == []


def test_hooks_that_wait_delay_no_mail(waiting):
    with waiting.instance.session() as session:
        for number in range(50):
            assert (
                session.sendmail("a@example.org", ["info@example.com"], message(f"n{number}")) == {}
            )

    assert not (waiting.directory / "go").exists()


def test_another_command_is_taken_up_while_the_engine_runs(hooked, until):
    hooked.instance.declare("info@example.com", rest=hooked.hook("info@example.com", "first"))
    hooked.instance.serve()
    hooked.instance.deliver(message("one"), "info@example.com")
    until(lambda: hooked.of(AIMX_HOOK_NAME="first"), "the first hook to have run")

    hooked.instance.declare("info@example.com", rest=hooked.hook("info@example.com", "second"))
    until(lambda: hooked.instance.is_at_rest, "the next generation")
    hooked.instance.deliver(message("two"), "info@example.com")

    (told,) = until(lambda: hooked.of(AIMX_SUBJECT="two"), "the second hook to have run")
    assert told["environment"]["AIMX_HOOK_NAME"] == "second"
