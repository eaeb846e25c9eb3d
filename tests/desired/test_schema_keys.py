"""Every key of the schema, given what no key takes: loader and linters find the same fault.

The two linters are other people's, and know the schema alone.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import tomlkit

from desired.json_schema import json_schema
from desired.manifest import read
from desired.problem import ManifestError, Problem, Source

SCHEMA = json_schema()
DIRECTIVE = "#:schema ./aimx.schema.json\n"
LINTERS = {
    "taplo": ["check", "--colors", "never"],
    "tombi": ["lint", "--offline", "--no-cache"],
}
# No key takes a fraction, and no table a key of this name.
WRONG, STRANGE = 1.5, "zzz"
NAMES = {"mailboxes": "x@a.com", "domain": "a.com"}


@dataclass(frozen=True)
class Flaw:
    """A manifest with one thing wrong, and where that is."""

    path: tuple[str | int, ...]
    text: str

    @property
    def name(self) -> str:
        return "-".join(re.sub(r"[^a-z0-9_]", "_", str(part)) for part in self.path)


def resolved(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """All that the schema allows in this place, references followed."""
    if "$ref" in schema:
        return resolved(SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]])
    for choices in ("oneOf", "anyOf"):
        if choices in schema:
            return [each for choice in schema[choices] for each in resolved(choice)]
    return [schema]


def tables(
    schema: dict[str, Any], path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Every table that a manifest may have, by a path that leads there."""
    for each in resolved(schema):
        if each.get("type") == "object" and isinstance(each.get("additionalProperties"), dict):
            name = NAMES.get(str(path[-1]), "x")
            yield from tables(each["additionalProperties"], (*path, name))
        elif each.get("type") == "object" or "properties" in each:
            yield path, each
            for key, part in each["properties"].items():
                yield from tables(part, (*path, key))
        elif each.get("type") == "array":
            yield from tables(each["items"], (*path, 0))


def flawed(path: tuple[str | int, ...], key: str, value: Any) -> Flaw:
    manifest: dict[str, Any] = {} if (*path, key) == ("domains",) else {"domains": ["a.com"]}
    holder: Any = manifest
    for part, following in pairwise((*path, key)):
        if isinstance(part, int):
            holder.append({})
            holder = holder[0]
        else:
            holder = holder.setdefault(part, [] if isinstance(following, int) else {})
    holder[key] = value
    return Flaw((*path, key), tomlkit.dumps(manifest))


FLAWS = {
    flaw.name: flaw
    for path, table in tables(SCHEMA, ())
    for flaw in (
        *(flawed(path, key, WRONG) for key in table["properties"]),
        flawed(path, STRANGE, "x"),
    )
}


def line(flaw: Flaw) -> int:
    """The line with the flaw: the only one with this key and this value."""
    found = [
        number
        for number, text in enumerate(flaw.text.splitlines(), 1)
        if re.search(rf'"?{re.escape(str(flaw.path[-1]))}"? = (1\.5|"x")', text)
    ]
    assert len(found) == 1, flaw.text
    return found[0]


def problems(text: str) -> tuple[Problem, ...]:
    try:
        return read([Source("manifest.toml", text.encode())]).warnings
    except ManifestError as error:
        return error.problems


@pytest.fixture(scope="module", params=LINTERS)
def faults(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """The lines that a linter finds fault with, by file."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    program = shutil.which(request.param, path=path)
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp("flaws")
    (folder / "aimx.schema.json").write_text(json.dumps(SCHEMA))
    for flaw in FLAWS.values():
        (folder / f"{flaw.name}.toml").write_text(DIRECTIVE + flaw.text)
    ended = subprocess.run(
        [program, *LINTERS[request.param], *(f"{name}.toml" for name in FLAWS)],
        cwd=folder,
        env={"NO_COLOR": "1", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = ended.stdout + ended.stderr
    found: dict[str, set[int]] = {name: set() for name in FLAWS}
    for name, number in re.findall(r"^ *(?:at|┌─) (?:.*/)?([\w-]+)\.toml:(\d+):\d+$", said, re.M):
        found[name].add(int(number) - DIRECTIVE.count("\n"))
    return found


def test_all_tables_of_the_schema_are_reached() -> None:
    reached = {id(table) for _, table in tables(SCHEMA, ())}

    assert [name for name, each in SCHEMA["definitions"].items() if id(each) not in reached] == []
    assert len(FLAWS) > 90


@pytest.mark.parametrize("name", FLAWS)
def test_the_loader_finds_the_flaw(name: str) -> None:
    flaw = FLAWS[name]
    codes = {each.code for each in problems(flaw.text) if each.where.line == line(flaw)}

    assert codes & {"type", "unknown-key", "value", "trust", "removed-key", "hook-type"}


@pytest.mark.parametrize("name", FLAWS)
def test_a_linter_finds_the_flaw(name: str, faults: dict[str, set[int]]) -> None:
    assert line(FLAWS[name]) in faults[name], FLAWS[name].text
