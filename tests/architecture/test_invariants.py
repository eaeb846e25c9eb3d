import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "invariants.md").read_text()
HAZARDS = (ROOT / "docs" / "hazards.md").read_text()


def known() -> set[str]:
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE + HAZARDS))))
def test_what_holds_an_invariant_or_a_hazard_exists(name: str) -> None:
    assert name in known()


def test_every_invariant_is_held_by_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]

    assert [row.split("|")[1].strip() for row in rows] == [str(n) for n in range(1, 14)]
    assert all("`test_" in row for row in rows)


def test_every_hazard_is_held_by_a_test() -> None:
    rows = [
        line for line in HAZARDS.splitlines() if line.startswith("| ") and "held by" not in line
    ]

    assert len(rows) > 20
    assert [row for row in rows if "`test_" not in row] == []
