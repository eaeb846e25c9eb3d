from __future__ import annotations

import os
import subprocess
import sys

# Something that is told when Python takes a process apart.
_TOLD = (
    "import atexit, gc; gc.disable(); import aimx.cli.main as cli; atexit.register(print, 'apart')"
)


def _ended(program: str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{_TOLD}; {program}", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.returncode, done.stdout


def test_a_command_ends_with_its_answer_and_is_not_taken_apart() -> None:
    told = "cli.main = lambda: print('all of it') or 5"

    assert _ended(f"{told}; cli.process()") == (5, "all of it\n")


def test_who_serves_leaves_in_the_usual_way() -> None:
    served = "cli.main = lambda: gc.enable() or print('served') or 5"

    assert _ended(f"{served}; cli.process()") == (5, "served\napart\n")


def test_who_could_not_say_all_of_it_does_not_end_as_if_it_had() -> None:
    program = "import gc; import aimx.cli.main as cli; gc.disable(); cli.main = lambda: 0"
    buffered = {name: said for name, said in os.environ.items() if name != "PYTHONUNBUFFERED"}

    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", f"{program}; print('lost'); cli.process()"],
            env=buffered,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert done.returncode == 120
    assert b"No space left on device" in done.stderr
