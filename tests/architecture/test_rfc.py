import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
CITATION = re.compile(r"RFC (\d{3,5})")

Rows = Callable[[str], list[list[str]]]


def listed(rows: Rows) -> dict[str, tuple[str, list[str]]]:
    """By number, the state of each RFC and the places that carry it out."""
    found = {}
    for numbers, _, state, _, where in rows("docs/rfc.md"):
        for number in CITATION.findall(numbers):
            assert number not in found
            found[number] = state, re.findall(r"`([^`]+)`", where)
    return found


def cited(path: Path) -> set[str]:
    files = [path] if path.is_file() else [*path.rglob("*.py"), *path.rglob("*.txt")]
    return {number for file in files for number in CITATION.findall(file.read_text())}


def test_every_citation_names_a_listed_rfc(sources: dict[str, str], rows: Rows) -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    texts = {**sources, **{path.name: path.read_text() for path in documents}}

    numbers = {number for text in texts.values() for number in CITATION.findall(text)}

    assert numbers - listed(rows).keys() == set()


def test_every_state_is_one_of_four(rows: Rows) -> None:
    assert {state for state, _ in listed(rows).values()} <= {"done", "partly", "not", "never"}


def test_what_is_carried_out_is_cited_where_the_table_says(rows: Rows) -> None:
    for number, (state, places) in listed(rows).items():
        assert bool(places) == (state in {"done", "partly"}), number
        for place in places:
            assert number in cited(ROOT / place), (number, place)


def test_only_what_is_carried_out_at_all_is_cited(sources: dict[str, str], rows: Rows) -> None:
    numbers = {number for text in sources.values() for number in CITATION.findall(text)}

    assert {listed(rows)[number][0] for number in numbers} <= {"done", "partly"}
