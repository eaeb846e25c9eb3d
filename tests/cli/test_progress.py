"""What a person at a terminal sees of an apply that takes long."""

import pytest

from aimx.cli.progress import Progress
from aimx.doors.events import event

KEY = {"step": "dkim/a.com/aimx#1", "address": "dkim/a.com/aimx"}


def started(does="generate key /etc/aimx/dkim/a.com/private.key"):
    return event("step-started", **KEY, phase="keys", does=does)


def finished(outcome="done"):
    return event("step-finished", **KEY, outcome=outcome, reason="", number=3, steps=9)


@pytest.mark.parametrize(
    ("happened", "line"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param(
            [started()], "generate key /etc/aimx/dkim/a.com/private.key", id="the-first-begins"
        ),
        pytest.param([started(), finished()], "[3/9] done dkim/a.com/aimx", id="it-ended"),
        pytest.param([finished("failed")], "[3/9] failed dkim/a.com/aimx", id="it-failed"),
        pytest.param([finished(), started("swap")], "[3/9] swap", id="the-next-begins"),
        pytest.param([started("x\x1b[2J\n")], "x?[2J?", id="hostile"),
    ],
)
def test_the_line_says_what_is_at_it_or_ended_last(happened, line):
    progress = Progress()
    for each in happened:
        progress.hear(each)

    assert progress.line(80) == line


def test_the_line_is_never_wider_than_the_terminal():
    progress = Progress()
    progress.hear(started("make directory /" + "x" * 200))

    assert len(progress.line(79)) == 79
    assert progress.line(79).endswith("...")
