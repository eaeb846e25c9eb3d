"""A process dies, or is told to end: the service goes on.

What becomes of mail whoever is killed under load is shown by `test_killed_mail.py`.
"""

import os
import signal
import smtplib
from collections.abc import Iterable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from aimx.doors.socket.client import Err, Ok, ReplyError, UnreachableError


@pytest.fixture(scope="module")
def shared(make_for_all):
    instance = make_for_all()
    instance.rehearse()
    instance.declare("info@example.com")
    return instance


@pytest.fixture
def served(shared):
    if shared.daemon is None:
        shared.serve()
    return shared


def message(subject: str) -> bytes:
    head = f"From: a@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.org>\r\n"
    return f"{head}\r\nA line of text.\r\n".encode()


def submitted(instance, subject: str) -> Ok | Err | None:
    content = f"From: info\nTo: a@example.org\nSubject: {subject}\n\nHello.\n".encode()
    length = {"Content-Length": str(len(content))}
    try:
        return instance.ask("SEND", length, content)
    except (UnreachableError, ReplyError):
        return None


def test_mail_can_be_sent_again_after_the_sender_was_killed(served, until):
    until(lambda: isinstance(submitted(served, "before"), Ok), "mail to be sent")

    os.kill(served.pids("outbound")[0], signal.SIGKILL)

    until(lambda: isinstance(submitted(served, "after"), Ok), "mail to be sent again")


def test_a_placer_that_cannot_be_started_is_tried_until_it_can(instance, until):
    instance.declare("info@example.com")
    instance.serve()
    (placer,) = instance.pids("placer")
    aside = instance.data.rename(instance.data.with_name("aside"))
    instance.data.touch()

    with suppress(ProcessLookupError):  # It is ended as well where it is seen to be elsewhere.
        os.kill(placer, signal.SIGKILL)

    until(lambda: "placer could not be started" in instance.log, "a try that fails")
    assert instance.daemon is not None
    instance.daemon.send_signal(signal.SIGHUP)
    until(lambda: answered(instance, "too-early") == 450, "the engine to learn what is gone")
    instance.data.unlink()
    aside.rename(instance.data)
    until(lambda: answered(instance, "again") == 250, "mail to be kept")
    assert instance.letter("info@example.com", "again")


def answered(instance, subject: str) -> int:
    """The reply to a message; 0 where the connection broke, since its process began anew."""
    try:
        return instance.deliver(message(subject), "info@example.com")
    except (OSError, smtplib.SMTPException):
        return 0


def are_gone(pids: Iterable[int]) -> bool:
    return not any(map(is_alive, pids))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def test_a_second_daemon_refuses_and_does_not_disturb_the_first(served):
    generation = served.status()["generation"]

    second = served.aimx("serve")

    assert second.returncode == 6
    assert str(served.daemon.pid) in second.stderr
    assert served.accepts("info@example.com")
    assert served.status()["generation"] == generation


def test_a_daemon_that_is_told_to_stop_lets_a_message_finish(instance, until):
    instance.declare("info@example.com")
    instance.serve()
    children = instance.processes()
    with closing(instance.session()) as idle, closing(instance.session()) as session:
        session.mail("a@example.org")
        session.rcpt("info@example.com")
        assert session.docmd("DATA")[0] == 354
        session.send(message("the-last-one"))

        instance.daemon.send_signal(signal.SIGTERM)
        until(partial(is_closed, instance), "nobody to be let in any more")

        assert idle.getreply()[0] == 421
        session.send(b".\r\n")
        assert session.getreply()[0] == 250
    assert instance.daemon.wait(60) == 0
    assert instance.letter("info@example.com", "the-last-one")
    assert are_gone(children)
    assert '"level": "error"' not in instance.log


def test_a_daemon_whose_log_nobody_reads_goes_on(instance):
    read, write = os.pipe()
    instance.declare("info@example.com")
    instance.serve(os.fdopen(write, "wb"))
    children = instance.processes()

    os.close(read)

    for number in range(10):
        assert instance.deliver(message(f"unread-{number}"), "info@example.com") == 250
    assert instance.rcpt("nobody@example.com") == 550
    assert instance.has("Ready", "True")
    assert instance.processes() == children
    assert instance.stop() == 0


def test_a_daemon_without_standard_streams_writes_its_log_nowhere(instance):
    instance.declare("info@example.com")

    instance.serve(through=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"])

    assert instance.deliver(message("unheard"), "info@example.com") == 250
    assert instance.has("Ready", "True")
    streams = Path(f"/proc/{instance.daemon.pid}/fd")
    assert {os.readlink(streams / str(number)) for number in range(3)} == {os.devnull}
    assert instance.stop() == 0


def is_closed(instance) -> bool:
    try:
        with instance.session():
            return False
    except ConnectionError:
        return True
    except smtplib.SMTPException:
        return False
