import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from aimx.cli import terminal

AIMX = [sys.executable, "-m", "aimx"]


def aimx(script: str) -> subprocess.CompletedProcess[str]:
    """A shell's way to start the command, whose name is `$AIMX` there."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = {**kept, "AIMX": " ".join(AIMX)}
    ended = subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in ended.stderr
    assert "AIMX_DEBUG" not in ended.stderr
    return ended


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def be_on_terminal(monkeypatch: pytest.MonkeyPatch, typed: str = "") -> None:
    """Everything is a terminal. Not in a fixture: pytest has its own streams for those."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, Terminal(typed))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize("stream", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_no_failure(stream):
    assert aimx(f"$AIMX --help {stream}").returncode == 0


def test_a_reader_that_has_seen_enough_is_no_failure():
    ended = aimx("{ $AIMX schema; echo $? >&2; } | head -1")

    assert ended.stdout == "{\n"
    assert ended.stderr == "0\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_cannot_be_written_is_an_error():
    ended = aimx("$AIMX --help > /dev/full")

    assert ended.returncode == 1
    assert ended.stderr == "aimx: cannot write to standard output: no space left on device.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_how_an_apply_ended_is_said_where_it_can_be(instance):
    ended = aimx(f"$AIMX apply --yes --json {shlex.join(instance.flags)} > /dev/full")

    assert ended.returncode == 1
    first, _, outcome = ended.stderr.partition("\n")
    assert first == "aimx: cannot write to standard output: no space left on device."
    assert json.loads(outcome)["generation"] == 1
    assert (instance.base / "config/config.toml").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_what_cannot_be_shown_is_not_applied(instance):
    ended = aimx(f"$AIMX apply --yes {shlex.join(instance.flags)} > /dev/full")

    assert ended.returncode == 1
    assert not (instance.base / "config/config.toml").exists()


def test_what_a_terminal_cannot_show_is_escaped(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))

    terminal.say("b\u00fccher \udce9\n")

    assert raw.getvalue() == b"b\\xfccher \\udce9\n"


def test_colours_are_for_terminals(monkeypatch):
    be_on_terminal(monkeypatch)
    assert terminal.color()

    monkeypatch.setattr(sys, "stdout", io.StringIO())

    assert not terminal.color()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_unwanted(monkeypatch, name, value):
    be_on_terminal(monkeypatch)
    monkeypatch.setenv(name, value)

    assert not terminal.color()


def test_an_empty_no_color_says_nothing(monkeypatch):
    be_on_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "")

    assert terminal.color()


@pytest.mark.parametrize(("columns", "told"), [("120", 120), ("40", 40), ("7", 40)])
def test_lines_fit_the_terminal_down_to_forty_columns(monkeypatch, columns, told):
    be_on_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", columns)

    assert terminal.columns() == told


LONG = "Plan: 0 to create, 1 to update, 0 to move, 0 to adopt, 1 to quarantine."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(
            LONG,
            "Plan: 0 to create, 1 to update, 0 to\n    move, 0 to adopt, 1 to quarantine.",
            id="a sentence",
        ),
        pytest.param(
            f"  \x1b[32m+ mailbox/info@example.com (/etc/aimx:7)\x1b[0m\n{'x' * 40}",
            f"  \x1b[32m+ mailbox/info@example.com\n      (/etc/aimx:7)\x1b[0m\n{'x' * 40}",
            id="colours",
        ),
        pytest.param(
            f"   = {LONG}",
            "   = Plan: 0 to create, 1 to update, 0\n       to move, 0 to adopt, 1 to\n"
            "       quarantine.",
            id="what to do",
        ),
        pytest.param(f"    aimx apply {'x y ' * 20}", None, id="a command"),
        pytest.param(f"10 | {'x = y ' * 20}", None, id="a line of a file"),
        pytest.param(f"+{'x = y ' * 20}", None, id="a line of a difference"),
    ],
)
def test_a_terminal_breaks_no_line_within_a_word(monkeypatch, text, shown):
    be_on_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "40")

    terminal.show(text)

    assert sys.stdout.getvalue() == f"{text if shown is None else shown}\n"


def test_a_terminal_that_does_not_know_its_size_has_eighty_columns(monkeypatch):
    be_on_terminal(monkeypatch)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))

    terminal.tell(LONG)

    assert sys.stderr.getvalue() == f"{LONG}\n"


def test_what_no_terminal_shows_has_its_lines_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    terminal.show(LONG)

    assert sys.stdout.getvalue() == f"{LONG}\n"


def test_lines_have_eighty_columns_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    assert terminal.columns() == 80


@pytest.mark.parametrize(
    ("typed", "confirmed"),
    [("yes\n", True), ("yes", True), ("y\n", False), ("YES\n", False), ("\n", False), ("", False)],
    ids=repr,
)
def test_only_yes_is_accepted(monkeypatch, typed, confirmed):
    be_on_terminal(monkeypatch, typed)

    assert terminal.confirmed("Apply this plan?") is confirmed


@pytest.mark.parametrize("ask", [terminal.confirmed, terminal.goes_on])
def test_who_interrupts_a_question_says_no_as_soon_as_it_is_there(monkeypatch, ask):
    class Interrupted(io.StringIO):
        times = 0

        def flush(self):
            self.times += 1
            if self.times == 1:
                raise KeyboardInterrupt

    be_on_terminal(monkeypatch, "yes\n")
    monkeypatch.setattr(sys, "stderr", Interrupted())

    try:
        said = ask("Apply this plan?")
    except KeyboardInterrupt:  # It would end the tests.
        said = None

    assert said is False


def test_nobody_can_be_asked_without_a_terminal(monkeypatch):
    be_on_terminal(monkeypatch)
    assert terminal.can_ask()

    monkeypatch.setattr(sys, "stdin", None)

    assert not terminal.can_ask()
