"""The daemon is killed while it applies an edit, at one moment and another, and started again."""

import os
import signal
import time
from functools import partial

import pytest

from dev.crashing.found import engine_problems

# After the edit is saved, in seconds. Whenever it is, the outcome is the same.
MOMENTS = (0.0, 0.1, 0.2, 0.3, 0.5)
MESSAGE = b"From: a@example.org\r\nSubject: kept\r\n\r\nHello.\r\n"


def edits(instance, number: int) -> str:
    """One more domain each time, and a mailbox that moves to it with its mail."""
    homes = ["example.com", *(f"d{each}.example" for each in range(number + 1))]
    boxes = [f"info@{homes[-1]}", *(f"agent@{home}" for home in homes)]
    moved = f'[[moved]]\nfrom = "mailbox/info@{homes[-2]}"\nto = "mailbox/{boxes[0]}"\n'
    return instance.text(*boxes, domains=tuple(homes), rest=moved)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return True
    return False


def kill(instance, until) -> None:
    children = instance.processes()
    instance.stop(signal.SIGKILL)
    until(lambda: all(map(is_gone, children)), "all processes to leave")


def is_applied(instance, text: str) -> bool:
    kept = instance.state / "generations"
    newest = max((path for path in kept.iterdir() if path.name.isdecimal()), key=_number)
    applied = (newest / "sources").iterdir()
    return any(path.read_text() == text for path in applied) and instance.has("Converged", "True")


def _number(path) -> int:
    return int(path.name)


@pytest.mark.timeout(900)  # A dozen starts, beside other programs.
def test_what_a_killed_daemon_had_begun_is_finished_by_the_next(instance, until):
    instance.declare("info@example.com", "agent@example.com")
    instance.serve()
    instance.deliver(MESSAGE, "info@example.com")
    kept = instance.letter("info@example.com", "kept").path.stat().st_ino

    for number, moment in enumerate(MOMENTS):
        text = edits(instance, number)
        instance.write(text)
        time.sleep(moment)
        kill(instance, until)

        assert list(engine_problems(instance.base, moving=moving(number))) == []
        instance.serve()
        until(partial(is_applied, instance, text), "the edit to be applied")

    letter = instance.letter(f"info@d{len(MOMENTS) - 1}.example", "kept")
    assert letter.path.stat().st_ino == kept
    assert instance.accepts(f"agent@d{len(MOMENTS) - 1}.example")
    instance.stop()
    assert "No changes." in instance.aimx("plan").stdout
    journals = [path.read_text().splitlines() for path in (instance.state / "journal").iterdir()]
    assert all('"event": "end", "synced": true' in lines[-1] for lines in journals)


def moving(number: int) -> str:
    """The mailbox that may be on its way, by what the engine still knows."""
    return "info@example.com" if number == 0 else f"info@d{number - 1}.example"
