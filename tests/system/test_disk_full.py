"""A full disk refuses for now, loses nothing, and is forgotten once there is room."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from aimx.doors.socket.client import Ok
from aimx.testing.exchanger import Exchanger, in_thread
from aimx.testing.zone import Zone, serve_in_thread

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")

SIZE = "8m"


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path], None]]:
    """Puts a small disk below a directory; takes it away afterwards."""
    with ExitStack() as mounted:

        def mount(directory: Path) -> None:
            options = ["-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", str(directory)]
            done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"cannot mount here: {done.stderr.strip()}")
            mounted.callback(subprocess.run, ["umount", "--lazy", str(directory)], check=True)

        yield mount


def fill(directory: Path, *, but: int = 0) -> Path:
    """Leave only so much room; gives what is in the way."""
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            file.truncate(max(file.tell() - but, 0))
    return ballast


def message(subject: str, size: int, *, attached: bool) -> bytes:
    head = f"From: a@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.org>\r\n"
    text = "0123456789abcde\r\n" * (size // 17)
    if not attached:
        return f"{head}\r\n{text}The end.\r\n".encode()
    return (
        f'{head}Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nThe end.\r\n'
        f"--b\r\nContent-Disposition: attachment; filename=file.txt\r\n\r\n{text}\r\n--b--\r\n"
    ).encode()


@pytest.fixture
def cramped(instance, small_disk):
    """An instance that has a small disk to itself."""
    small_disk(instance.base)
    instance.lay_out()
    instance.declare("info@example.com")
    return instance


@pytest.fixture
def served(cramped):
    instance = cramped
    instance.serve()
    yield instance
    if instance.daemon is not None:
        instance.stop()


def test_mail_is_refused_for_now_while_the_disk_is_full(served):
    ballast = fill(served.data)

    codes = [
        served.deliver(message(f"{size}", size, attached=attached), "info@example.com")
        for size, attached in ((100, False), (2_000_000, False), (1000, True))
    ]

    assert set(codes) <= {451, 452}
    assert list(served.mailbox("info@example.com").iterdir()) == []
    assert served.leftovers() == []

    ballast.unlink()

    assert served.deliver(message("100", 100, attached=False), "info@example.com") == 250
    assert served.letter("info@example.com", "100")


def test_with_little_room_each_message_is_there_whole_or_refused(served):
    fill(served.data, but=600_000)

    codes = {}
    for number in range(40):
        content = message(f"n{number}", 3000 * number, attached=number % 2 == 0)
        codes[f"n{number}"] = served.deliver(content, "info@example.com")

    letters = served.letters("info@example.com")
    assert set(codes.values()) - {451, 452} == {250}
    assert len(set(codes.values())) > 1
    assert {each.fields["subject"] for each in letters} == {
        subject for subject, code in codes.items() if code == 250
    }
    for letter in letters:
        number = int(letter.fields["subject"][1:])
        assert "The end." in letter.body
        if number % 2 == 0:
            size = (letter.path.parent / "file.txt").stat().st_size
            assert size == 3000 * number // 17 * 17
    assert served.leftovers() == []


def test_a_daemon_on_a_full_disk_goes_on_and_catches_up_once_there_is_room(served, until):
    # Nobody takes from the test what it needs to save the manifest.
    beside = served.manifest.with_suffix(".new")
    beside.write_text(served.text("info@example.com", "late@example.com"))
    ballast = fill(served.data)
    beside.replace(served.manifest)
    until(lambda: served.has("Converged", "False"), "the apply to fail")

    assert served.rcpt("late@example.com") == 550
    assert served.accepts("info@example.com")

    ballast.unlink()

    until(lambda: served.is_at_rest, "the apply to be done")
    assert served.deliver(message("late", 100, attached=False), "late@example.com") == 250


def test_an_apply_on_a_full_disk_says_so_and_can_be_done_again(cramped):
    cramped.apply()
    cramped.declare("info@example.com", "a@two.example", domains=("example.com", "two.example"))
    ballast = fill(cramped.base)

    full = cramped.aimx("apply", "--yes")

    assert full.returncode in (1, 5)
    assert "Apply INCOMPLETE" in full.stderr
    assert "no space is left" in full.stderr
    assert "Traceback" not in full.stderr

    ballast.unlink()

    again = cramped.aimx("apply", "--yes")
    assert again.returncode == 0, again.stderr
    assert cramped.aimx("plan", "--detailed-exitcode").returncode == 0
    assert cramped.mailbox("a@two.example").is_dir()


def test_what_is_to_be_queued_is_refused_for_now_and_nothing_of_it_stays(cramped, until):
    table = {"c.example": {"A": "127.0.0.1"}}
    with serve_in_thread(Zone(table)) as resolver, in_thread(Exchanger()) as exchanger:
        cramped.resolver = resolver
        queue = f'[outbound]\nmode = "queue"\nport = {exchanger.port}\n'
        cramped.declare("info@example.com", rest=queue)
        cramped.serve()
        # Room for the books, and not for a message.
        ballast = fill(cramped.data, but=200_000)

        refused = [send(cramped, f"full-{number}") for number in range(3)]
        spool = list((cramped.state / "out" / "spool").iterdir())
        ballast.unlink()
        taken = send(cramped, "room")

        until(lambda: exchanger.received, "the message to arrive")
    assert {reply.code for reply in refused} == {"TEMP"}
    assert all(reply.reason.endswith("nothing was sent") for reply in refused)
    assert "the queue cannot be written; nothing was sent" in {reply.reason for reply in refused}
    assert spool == []
    assert isinstance(taken, Ok)
    (received,) = exchanger.received
    assert b"Subject: room" in received.content
    assert [each.fields["subject"] for each in cramped.letters("info@example.com", "sent")] == [
        "room"
    ]


def send(instance, key: str):
    content = f"From: info\nTo: bob@c.example\nSubject: {key}\n\n".encode() + b"Hello.\n" * 50_000
    headers = {"Content-Length": str(len(content)), "Idempotency-Key": key}
    return instance.ask("SEND", headers, content)
