"""Processes of the engine that are killed under load: what was promised is kept, once each.

`./dev/kill-mail` does fifty rounds of it.
"""

import os
import subprocess
import sys
from pathlib import Path

KILL = Path(__file__).parents[2] / "dev" / "kill_mail.py"
ROUNDS = "4"  # In so many everybody is killed at least once.


def test_what_was_promised_is_kept_whoever_is_killed() -> None:
    chosen = ["--seed", seed] if (seed := os.environ.get("AIMX_SEED")) else []
    done = subprocess.run(
        [sys.executable, KILL, "--rounds", ROUNDS, *chosen],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"{ROUNDS} rounds, 0 problems\n")
