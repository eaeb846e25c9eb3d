from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconcilers.receipt import Outcome
from reconcilers.rsa import public_half

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("kill_driver.py")

# How far through all changes of the disk: a handful, since each takes a process of its own.
FAR = (0.03, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97)


def drive(top: Path, strike: int) -> subprocess.CompletedProcess[str]:
    (top / "etc").mkdir(parents=True)
    return subprocess.run(
        [sys.executable, str(DRIVER), str(top)],
        env=os.environ
        | {
            "AIMX_TEST_KILL_AT": str(strike),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        },
        check=False,
        capture_output=True,
        text=True,
    )


def tree(top: Path) -> dict[str, tuple[int, int, int]]:
    """Mode and owner of all that is there, but for what tells how it came about."""
    kept = top / "data/.aimx/journal", top / "data/.aimx/generations"
    return {
        str(path.relative_to(top)): (found.st_mode, found.st_uid, found.st_gid)
        for path in sorted(top.rglob("*"))
        if not path.is_relative_to(kept[0]) and not path.is_relative_to(kept[1])
        if (found := path.lstat())
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """What an apply that nobody disturbed leaves, and how many changes that took."""
    top = tmp_path_factory.mktemp("whole")
    done = drive(top / "instance", 0)
    assert done.returncode == 0, done.stderr
    return top / "instance", int(done.stdout)


@pytest.mark.parametrize("far", FAR)
def test_an_apply_that_was_killed_is_finished_by_the_next(
    tmp_path: Path, whole: tuple[Path, int], far: float
) -> None:
    undisturbed, changes = whole
    top = tmp_path / "instance"

    killed = drive(top, round(changes * far))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    if (top / "etc/config.toml").exists():
        public_half((top / "etc/dkim/a.example/private.key").read_bytes())
    if (top / "data/.layout-version").exists():
        assert tree(top).keys() >= tree(undisturbed).keys()
    receipts = runpy.run_path(str(DRIVER))["converge"](str(top))

    assert {receipt.outcome for receipt in receipts} <= {Outcome.DONE}
    assert tree(top) == tree(undisturbed)
    assert (top / "data/.aimx/generations/1/config.toml").exists()
    assert runpy.run_path(str(DRIVER))["converge"](str(top)) == []
