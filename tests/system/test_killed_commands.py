"""The daemon is killed while it carries out a command that edits the manifest, and starts again."""

import os
import signal
import subprocess
import sys
import time

import pytest

INFO, GONE = "info@example.com", "x@gone.example"
MESSAGE = b"From: a@example.org\r\nSubject: %d\r\n\r\nHello.\r\n"
# After the command is begun, in seconds. Whenever it is, there are two outcomes.
MOMENTS = (0.2, 0.4, 0.6, 0.8, 1.1)


def begun(instance, *words):
    command = [sys.executable, "-m", "aimx", *words]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env=instance.environment, stdout=quiet, stderr=quiet)


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return True
    return False


def kill(instance, until):
    children = instance.processes()
    instance.stop(signal.SIGKILL)
    until(lambda: all(map(is_gone, children)), "all processes to leave")


@pytest.mark.timeout(900)  # A dozen starts, beside other programs.
def test_a_removal_that_was_killed_has_not_begun_or_is_finished(instance, until):
    text = instance.text(INFO, GONE, domains=("example.com", "gone.example"))
    for number, moment in enumerate(MOMENTS):
        instance.write(text)
        instance.serve()
        until(lambda: instance.is_at_rest, "the domain to be there")
        instance.deliver(MESSAGE % number, GONE)
        stones = set((instance.state / "tombstones").glob("*"))

        command = begun(instance, "domains", "remove", "gone.example", "--force", "--yes")
        time.sleep(moment)
        kill(instance, until)
        command.wait(60)
        instance.serve()
        until(lambda: instance.is_at_rest, "convergence")

        if "gone.example" in instance.manifest.read_text():
            assert instance.accepts(GONE)
            assert instance.letters(GONE)
            done = instance.aimx("domains", "remove", "gone.example", "--force", "--yes")
            assert done.returncode == 0, done.stderr
        assert not instance.accepts(GONE)
        assert not (instance.data / "gone.example").exists()
        new = set((instance.state / "tombstones").glob("*")) - stones
        assert [len(list(stone.glob("inbox/*.md"))) for stone in new] == [1]
        assert instance.accepts(INFO)
        instance.stop()
