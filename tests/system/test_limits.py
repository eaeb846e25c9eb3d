"""What a mailbox may send in a day, through the daemon."""

import re

import pytest

from aimx.doors.socket.client import Err, Ok

LIMITS = "[limits]\nsends_per_day = 2\nnew_recipients_per_day = 3\n"
UNTIL = r"it may be sent from \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ on"


@pytest.fixture
def served(instance):
    instance.rehearse()
    instance.declare("info@example.com", "ops@example.com", rest=LIMITS)
    instance.serve()
    return instance


def sent(instance, *recipients: str, author: str = "info") -> Ok | Err:
    content = f"From: {author}\nTo: {', '.join(recipients)}\nSubject: hello\n\nHello.\n".encode()
    return instance.ask("SEND", {"Content-Length": str(len(content))}, content)


def test_a_limit_holds_over_a_restart_and_ends_where_the_manifest_says_so(served, until):
    assert isinstance(sent(served, "a@example.org"), Ok)
    assert isinstance(sent(served, "a@example.org"), Ok)
    refused = sent(served, "a@example.org")
    served.stop()
    served.serve()
    again = sent(served, "a@example.org")

    assert (refused.code, again) == ("TEMP", refused)
    told = "limits.sends_per_day = 2: info@example.com has sent 2 within 24 hours; "
    assert re.fullmatch(re.escape(told) + UNTIL, refused.reason)
    assert len(list(served.base.with_suffix(".drop").iterdir())) == 2
    assert isinstance(sent(served, "a@example.org", author="ops"), Ok)

    served.declare("info@example.com", "ops@example.com", rest=LIMITS.replace("= 2", "= 5"))
    until(lambda: isinstance(sent(served, "a@example.org"), Ok), "the limit to be raised")


def test_a_mailbox_writes_to_so_many_strangers_and_on_to_whom_it_knows(served):
    assert isinstance(sent(served, "a@example.org", "b@example.org"), Ok)
    strangers = sent(served, "c@example.org", "d@example.org")

    assert strangers.code == "TEMP"
    assert strangers.reason.startswith("limits.new_recipients_per_day = 3: info@example.com has ")
    assert isinstance(sent(served, "A@example.org", "c@example.org"), Ok)
