"""What no file of this repository says."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Made by tools and by `dev/demo`.
LEFT_OUT = {".git", ".hypothesis", ".venv", "__pycache__", "demo", "dist"}

# Written so that this file does not say it either.
REGISTRIES = ("pypi" + r"\.org", "python" + "hosted", "npm" + "js", "crates" + r"\.io")
PLACES = ("/" + "work", "/tmp/" + "brief", "shared/" + "design")


def files() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(
            name for name in folders if name not in LEFT_OUT and not name.endswith("_cache")
        )
        yield from (Path(folder) / name for name in sorted(names) if name not in LEFT_OUT)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param("|".join(REGISTRIES), id="a-package-registry"),
        pytest.param(rf"(?<![\w.-])(?:{'|'.join(PLACES)})(?![\w-])", id="the-place-it-was-built"),
    ],
)
def test_no_file_names(said: str) -> None:
    pattern = re.compile(said.encode())

    assert [str(path) for path in files() if pattern.search(path.read_bytes())] == []


def test_every_package_says_that_it_is_typed() -> None:
    packages = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"]

    assert packages
    assert [str(path) for path in packages if not (path / "py.typed").is_file()] == []
