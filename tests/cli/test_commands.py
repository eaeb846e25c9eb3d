import ast
import re
from pathlib import Path

import pytest

from aimx.cli.main import COMMANDS
from reconcilers.kinds.readme import TEXT

ROOT = Path(__file__).parents[2]
OURS = ("desired", "reconcilers", "aimx/controller", "aimx/doors", "aimx/cli")
# Wordings that scripts match, from before the command is there.
PROMISED = {"uninstall"}


def told(path: Path) -> set[str]:
    """The commands that the texts of a module tell people to run."""
    texts = [
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return set(re.findall(r"`aimx ([a-z]+(?:-[a-z]+)*)", "\n".join(texts)))


@pytest.mark.parametrize("package", OURS)
def test_every_command_that_is_recommended_exists(package):
    named = {
        name: path.name for path in (ROOT / package).rglob("*.py") for name in sorted(told(path))
    }

    assert {name: named[name] for name in named.keys() - COMMANDS.keys() - PROMISED} == {}


def test_every_command_that_an_agent_reads_about_exists():
    named = set(re.findall(r"^    aimx ([a-z]+)", TEXT, re.MULTILINE))

    assert named
    assert named <= COMMANDS.keys()
