"""An apply, or a placer, that is struck at a system call, from outside: a few points of the many.

`./dev/crash` and `./dev/crash-placing` strike all of them, which takes minutes.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CRASH = Path(__file__).parents[2] / "dev" / "crash.py"
PLACING = CRASH.with_name("crash_placing.py")
SECONDS = "40"


@pytest.fixture(scope="module", autouse=True)
def traceable() -> None:
    """Not every machine has strace, and not every container lets it work."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not there")
    done = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("nothing may be traced here")


@pytest.mark.timeout(1200)  # Beside other programs it takes long to lay out what is struck.
def test_what_a_struck_apply_leaves_is_finished_by_the_next() -> None:
    chosen = ["--seed", seed] if (seed := os.environ.get("AIMX_SEED")) else []
    done = subprocess.run(
        [sys.executable, CRASH, "--sample", SECONDS, "--jobs", "1", *chosen],
        capture_output=True,
        text=True,
        check=False,
    )

    if "nothing may be traced here" in done.stdout:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" points tried, 0 failed\n")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(("--fault", "cut"), id="power-cut-anywhere"),
        pytest.param(("--fault", "cut-later", "--sample", "20"), id="power-cut-after-a-kill"),
        pytest.param(
            ("--fault", "kill", "--fault", "enospc", "--fault", "eio", "--sample", "10"),
            id="killed-or-refused",
        ),
    ],
)
def test_what_a_struck_placer_promised_is_kept(chosen: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, PLACING, *chosen], capture_output=True, text=True, check=False
    )

    if "nothing may be traced here" in done.stdout:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" points tried, 0 failed\n")
