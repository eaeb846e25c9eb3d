"""What no file of this repository says."""

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
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        caches = [part for part in parts if part.startswith(".") and part.endswith("cache")]
        if path.is_file() and not caches and not LEFT_OUT & set(parts):
            yield path


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
