import importlib
import re
from pathlib import Path

import pytest

from aimx.cli.main import COMMANDS
from desired.manifest import read
from desired.problem import Source

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")])
MANIFESTS = sorted(ROOT.glob("examples/manifests/*.toml"))
# Where a name begins that is a path of this repository.
ROOMS = r"(?:\.ci|aimx|bench|desired|dev|docs|examples|reconcilers|tests)"
# `aimx.sock` is a file and no module.
FILES = (".holder", ".json", ".lock", ".pid", ".sock")

named = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def quoted(document: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", document.read_text())


def fenced(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.M | re.S)


@named
def test_every_link_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text())

    local = [target for target in targets if not target.startswith("https://")]

    assert [target for target in local if not (document.parent / target).exists()] == []


@named
def test_every_path_that_is_named_exists(document: Path) -> None:
    paths = [text for text in quoted(document) if re.fullmatch(rf"(?:\./)?{ROOMS}/[\w./-]*", text)]

    assert [path for path in paths if not (ROOT / path).exists()] == []


@named
def test_every_module_and_name_that_is_quoted_exists(document: Path) -> None:
    for text in quoted(document):
        if not re.fullmatch(r"(?:aimx|desired|reconcilers)(?:\.\w+)+", text) or text.endswith(
            FILES
        ):
            continue
        *parents, last = text.split(".")
        try:
            importlib.import_module(text)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(".".join(parents)), last)


@named
def test_every_command_that_is_quoted_exists(document: Path) -> None:
    commands = {
        found[1]
        for text in quoted(document)
        if (found := re.match(r"(?:sudo )?aimx ([a-z][a-z-]*)", text))
    }

    assert commands <= COMMANDS.keys()


@named
def test_every_manifest_that_is_shown_is_valid(document: Path) -> None:
    for text in fenced(document, "toml"):
        if re.search(r"^domains? =", text, re.M) and "[verdict]" not in text:
            read([Source(document.name, text.encode())])


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_every_example_is_valid(path: Path) -> None:
    reading = read([Source(path.name, path.read_bytes())])

    assert {problem.code for problem in reading.warnings} <= {"not-yet"}


def test_every_decision_answers_the_four_questions() -> None:
    for page in sorted((ROOT / "docs/decisions").glob("*.md")):
        headings = re.findall(r"^\*\*(.+?)\.\*\*", page.read_text(), re.M)

        assert re.fullmatch(r"\d{4}-[a-z0-9-]+", page.stem)
        assert headings == ["Question", "Choice", "Given up", "Would change our mind"]
        assert page.read_text().startswith(f"# {page.stem[:4]}: ")
