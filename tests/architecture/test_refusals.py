"""How refusals read: behind the name of a command, and all alike."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What raises or tells why something is not done.
TELLING = {
    "refuse",
    "refused",
    "EditError",
    "FileError",
    "HinderedError",
    "MachineError",
    "NoTombstoneError",
    "PinError",
    "ReconcileError",
    "StepError",
    "UnseenError",
}
# Words that begin in upper case wherever they stand.
NAMES = ("DKIM",)


def beginnings() -> Iterator[tuple[str, str]]:
    """Each text, as far as it is written in one piece, with its place."""
    for package in ("aimx", "reconcilers", "desired"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for call in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(call, ast.Call) and _name(call.func) in TELLING:
                    for argument in call.args:
                        # A word alone is a code.
                        if " " in (text := _beginning(argument)):
                            yield f"{path.relative_to(ROOT)}:{argument.lineno}", text


def _name(called: ast.expr) -> str:
    match called:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _beginning(argument: ast.expr) -> str:
    match argument:
        case ast.Constant(value=str(text)) | ast.JoinedStr(values=[ast.Constant(value=text), *_]):
            return str(text)
        case _:
            return ""


FOUND = dict(beginnings())


def test_there_are_texts_to_look_at() -> None:
    assert len(FOUND) > 30


@pytest.mark.parametrize("place", FOUND)
def test_a_refusal_begins_in_lower_case_since_it_stands_behind_its_command(place: str) -> None:
    text = FOUND[place]

    assert not text[:1].isupper() or text.startswith(NAMES)
