"""What a newcomer runs first: it goes through, and is read on a terminal of 80 columns."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = 80


def test_the_demo_shows_all_that_it_announces(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    script = shutil.copy(ROOT / "dev" / "demo.py", tmp_path / "dev")  # ./demo is beside its folder.

    done = subprocess.run(
        [sys.executable, script, "--mail", ROOT / "examples" / "messages"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "What this showed" in done.stdout
    short = done.stdout.replace(str(tmp_path), "")
    wide = [line for line in short.splitlines() if len(line) > COLUMNS]
    assert [line for line in wide if not line.startswith("Plan: ")] == []
