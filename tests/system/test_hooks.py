"""Mail fires hooks: real processes of the mailbox's owner, once for each message."""

import json
import pwd
from pathlib import Path

import pytest

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


@pytest.fixture
def begin(hooked, until):
    """Serves with these hooks."""

    def begun(*tables, mailboxes=("info@example.com",), **parts):
        hooked.instance.declare(*mailboxes, rest="\n".join(tables), **parts)
        hooked.instance.serve()
        return hooked

    return begun


def test_a_message_fires_its_hook_as_the_owner_with_a_clean_environment(hooked, begin, until):
    begin(hooked.hook("info@example.com", "tell", WRITES, "$AIMX_SUBJECT; id", timeout_secs=50))

    assert hooked.instance.deliver(message(), "info@example.com") == 250

    (told,) = until(lambda: hooked.told, "the hook to have run")
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
    (line,) = until(lambda: hooked.lines("fired", event="on_receive"), "the line in the log")
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
