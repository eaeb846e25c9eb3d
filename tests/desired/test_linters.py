"""The schema, as editors understand it: two linters of other people's, against the loader."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from desired.json_schema import json_schema
from desired.problem import Problem, Source
from desired.tables import load

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted(
    path
    for folder in ("tests/desired/bad", "examples/manifests")
    for path in (ROOT / folder).glob("*.toml")
    if not isinstance(load(Source(path.name, path.read_bytes())), Problem)
)
# What the schema can tell. What a name must look like it tells in part, by its pattern.
OF_SHAPE = {"unknown-key", "removed-key", "missing-key", "type", "value", "trust", "hook-type"}
DIRECTIVE = "#:schema ./aimx.schema.json\n"
LINTERS = {
    "taplo": ["check", "--colors", "never"],
    "tombi": ["lint", "--offline", "--no-cache"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every manifest beside the schema, as `aimx init` leaves them."""
    made = tmp_path_factory.mktemp("manifests")
    (made / "aimx.schema.json").write_text(json.dumps(json_schema()))
    for path in MANIFESTS:
        (made / path.name).write_text(DIRECTIVE + path.read_text())
    return made


@pytest.fixture(scope="module", params=LINTERS)
def linter(request: pytest.FixtureRequest, folder: Path) -> tuple[str, dict[str, set[int]]]:
    """A linter, and the lines that it finds fault with, by file."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    program = shutil.which(request.param, path=path)
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    command = [program, *LINTERS[request.param], *(path.name for path in MANIFESTS)]
    ended = subprocess.run(
        command,
        cwd=folder,
        env={"NO_COLOR": "1", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    faults: dict[str, set[int]] = {path.name: set() for path in MANIFESTS}
    for name, line in re.findall(r"^ *(?:at|┌─) (?:.*/)?([\w-]+\.toml):(\d+):\d+$", said, re.M):
        faults[name].add(int(line) - DIRECTIVE.count("\n"))
    return request.param, faults


def lines(problems: tuple[Problem, ...]) -> set[int]:
    return {problem.where.line for problem in problems}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_linter_sees_what_has_the_wrong_shape(
    path: Path, linter: tuple[str, dict[str, set[int]]], wrong: Callable[..., tuple[Problem, ...]]
) -> None:
    name, faults = linter
    problems = wrong(path.read_bytes())

    shapes = lines(tuple(problem for problem in problems if problem.code in OF_SHAPE))
    beyond = faults[path.name] - lines(problems)

    assert shapes <= faults[path.name]
    # taplo blames a table that lacks something, or has too much, for each of its lines.
    # For both a key that is misspelt is missing as well.
    assert not beyond or (name == "taplo" and shapes) or path.stem == "misspelt-keys"
