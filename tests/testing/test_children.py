import os
import subprocess
import sys

import pytest

from aimx.testing.children import children


@pytest.mark.parametrize(
    ("word", "role"),
    [
        pytest.param("aimx.processes.placer", "placer", id="one-of-ours"),
        pytest.param("another.program", "", id="another-program"),
    ],
)
def test_a_child_is_known_by_its_module(word: str, role: str) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()", word], stdin=subprocess.PIPE) as child:
        found = children(os.getpid())

    assert found[child.pid] == role
    assert child.pid not in children(os.getpid())
