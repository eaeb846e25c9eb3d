import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("desired", "reconcilers", "aimx")


@pytest.fixture
def sources() -> dict[str, str]:
    """Every module of ours, by its path in the repository."""
    return {
        str(path.relative_to(ROOT)): path.read_text()
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    }


@pytest.fixture
def rows() -> Callable[[str], list[list[str]]]:
    """The cells of all tables of a document, without the lines that are headings."""

    def read(name: str) -> list[list[str]]:
        lines = (ROOT / name).read_text().splitlines()
        ruled = [number for number, line in enumerate(lines) if re.fullmatch(r"[|\- ]+", line)]
        headings = {number - 1 for number in ruled}
        return [
            [cell.strip() for cell in line.strip("|").split("|")]
            for number, line in enumerate(lines)
            if line.startswith("|") and number not in headings and number not in ruled
        ]

    return read
