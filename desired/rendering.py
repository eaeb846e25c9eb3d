"""What is new in a manifest, as text: a value in one line, a pair, a table with its header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomlkit

from desired.problem import KeyPath
from desired.statements import key, string


def is_tables(value: Any) -> bool:
    """Whether it is an array of tables, which is written with a header for each."""
    if not isinstance(value, list):
        return False
    return bool(value) and all(isinstance(item, dict) for item in value)


def block(path: KeyPath, table: Mapping[str, Any], *, element: bool = False) -> str:
    """A table with its header; arrays of tables below it have headers of their own."""
    opening, closing = ("[[", "]]") if element else ("[", "]")
    pairs = [line((name,), value) for name, value in table.items() if not is_tables(value)]
    blocks = [
        "\n" + block((*path, name), item, element=True)
        for name, value in table.items()
        if is_tables(value)
        for item in value
    ]
    return f"{opening}{key(path)}{closing}\n" + "".join(pairs + blocks)


def line(path: KeyPath, value: Any) -> str:
    return f"{key(path)} = {rendered(value)}\n"


def rendered(value: Any) -> str:
    """A value as it is written in one line."""
    match value:
        case str():
            return string(value)
        case list() | tuple():
            return f"[{', '.join(map(rendered, value))}]"
        case dict():
            pairs = ", ".join(f"{key((name,))} = {rendered(item)}" for name, item in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case _:
            return str(tomlkit.item(value).as_string())
