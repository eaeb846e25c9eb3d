import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("desired", "reconcilers", "aimx")

# One term a concept: these are other words for one that we have. `docs/glossary.md` names it.
NEVER = {
    "base",
    "cfg",
    "common",
    "conf",
    "conn",
    "ctx",
    "handler",
    "helper",
    "helpers",
    "manager",
    "mgr",
    "msg",
    "orphan",
    "processor",
    "rcpt",
    "rcpts",
    "sig",
    "sync",
    "util",
    "utils",
}
# Where a library or a protocol chose the word, or it means something else than ours.
EXCEPTIONS = {
    ("aimx/smtp", "rcpt"),
    ("aimx/smtp", "handler"),
    ("reconcilers", "sync"),
    ("aimx/placing", "sync"),
    ("aimx/outbound", "sync"),
    ("aimx/mail", "base"),
    ("aimx/placing", "base"),
    ("aimx/channel", "base"),
    ("aimx/smtp", "base"),
    ("aimx/outbound", "base"),
}


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def names(tree: ast.AST) -> set[str]:
    """What the module itself gives a name to."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name) | ast.arg(arg=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
    return found


def words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_name_uses_another_word_for_a_term_of_ours(path: Path) -> None:
    relative = path.relative_to(ROOT)
    folder = "/".join(relative.parts[:2]) if len(relative.parts) > 2 else relative.parts[0]
    allowed = {word for place, word in EXCEPTIONS if folder.startswith(place)}
    stem = path.stem if path.stem != "__init__" else path.parent.name

    used = {
        (name, word)
        for name in {*names(ast.parse(path.read_text())), stem}
        for word in words(name) & (NEVER - allowed)
    }

    assert not used


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_opens_with_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))

    assert docstring is not None
    first = docstring.splitlines()[0]
    assert first.endswith((".", ":"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_outgrows_a_reader(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
