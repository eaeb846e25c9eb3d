import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("desired", "reconcilers", "aimx")

# One term a concept: these are other words for one that we have. `docs/glossary.md` names it.
NEVER = {
    *("actual", "archive", "base", "cfg", "changeset", "common", "conf", "conn", "ctx", "delta"),
    *("dsn", "execute", "execution", "existing", "handler", "helper", "helpers", "manager"),
    *("metadata", "mgr", "msg", "ndr", "orphan", "processor", "rcpt", "rcpts", "sig", "sync"),
    *("trash", "util", "utils"),
    # Half words.
    *("args", "buf", "cnt", "dest", "dst", "fn", "func", "hdr", "idx", "impl", "kwargs", "num"),
    *("obj", "opts", "params", "pkg", "req", "resp", "src", "tmp", "txn", "val", "var"),
}
# Where a library or a protocol chose the word, or it means something else than ours.
EXCEPTIONS = {
    ("aimx/smtp", "rcpt"),
    ("reconcilers", "sync"),
    ("aimx/mail", "base"),
    ("aimx/placing", "base"),
    ("aimx/channel", "base"),
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


def test_the_glossary_has_every_word_that_is_never_used() -> None:
    glossary = (ROOT / "docs/glossary.md").read_text().lower()

    assert NEVER - set(re.findall(r"[a-z]+", glossary)) == set()


def test_every_exception_is_still_needed() -> None:
    used = {
        ("/".join(path.relative_to(ROOT).parts[:-1]), word)
        for path in modules()
        for name in {*names(ast.parse(path.read_text())), path.stem}
        for word in words(name) & NEVER
    }

    needed = {
        (place, word)
        for place, word in EXCEPTIONS
        for folder, found in used
        if found == word and folder.startswith(place)
    }

    assert needed == EXCEPTIONS
