"""Processes are killed under load: what was promised is kept, and the service goes on."""

import os
import signal
import smtplib
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from aimx.doors.socket.client import Err, Ok, ReplyError, UnreachableError

CLIENTS = 4
ROLES = ("placer", "inbound", "outbound", "supervisor")


@pytest.fixture(scope="module")
def shared(make_for_all):
    instance = make_for_all()
    instance.rehearse()
    instance.declare(*(f"{role}@example.com" for role in ROLES), "info@example.com")
    return instance


@pytest.fixture
def served(shared):
    if shared.daemon is None:
        shared.serve()
    return shared


def message(subject: str, *, attached: bool = False) -> bytes:
    head = f"From: a@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.org>\r\n"
    body = "A line of text.\r\n" * 40 + "The end.\r\n"
    if not attached:
        return f"{head}\r\n{body}".encode()
    return (
        f'{head}Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\n{body}'
        "--b\r\nContent-Disposition: attachment; filename=file.txt\r\n\r\n"
        f"{'0123456789' * 200}\r\n--b--\r\n"
    ).encode()


class Load:
    """Clients that send one message after another, each until it is taken, as servers do."""

    def __init__(self, instance, recipient: str) -> None:
        self._instance = instance
        self._recipient = recipient
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(CLIENTS)]
        self.taken: list[str] = []  # The subject of each message that got its 250.

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def takes(self, more: int) -> Callable[[], bool]:
        """Whether so many more have been taken than by now."""
        reached = len(self.taken) + more
        return lambda: len(self.taken) >= reached

    def _run(self, client: int) -> None:
        session: smtplib.SMTP | None = None
        for number in count():
            subject = f"{client}-{number}"
            content = message(subject, attached=number % 3 == 0)
            while not self._stop.is_set():
                session = session or self._connected()
                if session and self._is_taken(session, content):
                    self.taken.append(subject)
                    break
                session = _closed(session)
            if self._stop.is_set():
                break
        _closed(session)

    def _connected(self) -> smtplib.SMTP | None:
        try:
            return self._instance.session()
        except (OSError, smtplib.SMTPException):
            self._stop.wait(0.02)
            return None

    def _is_taken(self, session: smtplib.SMTP, content: bytes) -> bool:
        try:
            session.sendmail("a@example.org", [self._recipient], content)
        except (OSError, smtplib.SMTPException):
            return False
        return True


def _closed(session: smtplib.SMTP | None) -> None:
    if session is not None:
        session.close()


def check(instance, recipient: str, load: Load) -> None:
    """Whatever is there is whole, and nothing is missing or there twice."""
    letters = instance.letters(recipient)
    for letter in letters:
        assert letter.body.rstrip().endswith(("The end.", "file.txt)")), letter.path
        for attachment in letter.fields.get("attachments", []):
            assert (letter.path.parent / attachment["path"]).stat().st_size == 2000
    times = Counter(letter.fields["subject"] for letter in letters)
    assert {subject for subject, number in times.items() if number > 1} == set()
    assert set(load.taken) - times.keys() == set()


@pytest.mark.parametrize("role", ["placer", "inbound", "outbound"])
def test_what_was_promised_is_kept_whoever_is_killed(served, until, role):
    recipient = f"{role}@example.com"
    with Load(served, recipient) as load:
        for _ in range(4):
            until(load.takes(20), "some mail to be taken")
            victim, *others = served.pids(role)

            os.kill(victim, signal.SIGKILL)

            served.letters(recipient)
            until(partial(is_succeeded, served, role, victim, len(others)), "a successor")
        until(load.takes(20), "mail to be taken as before")

    check(served, recipient, load)
    until(lambda: served.leftovers() == [], "leftovers to be swept")


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


def test_what_was_promised_is_kept_when_everybody_is_killed(served, until):
    recipient = "supervisor@example.com"
    with Load(served, recipient) as load:
        for _ in range(2):
            until(load.takes(20), "some mail to be taken")
            children = served.processes()

            served.stop(signal.SIGKILL)

            until(partial(are_gone, children), "all processes to leave")
            served.letters(recipient)
            served.serve()
        until(load.takes(20), "mail to be taken as before")

    check(served, recipient, load)
    assert served.leftovers() == []


def is_succeeded(instance, role: str, victim: int, others: int) -> bool:
    found = instance.pids(role)
    return victim not in found and len(found) == others + 1


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
