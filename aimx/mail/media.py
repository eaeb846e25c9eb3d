"""Whether what a style sheet says for some media counts where a person reads mail on a screen.

What is not understood counts: text that a person may not see is not shown either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from aimx.mail.style import length

_COMMA = ","

# The screen: pixels.
_WIDTH, _HEIGHT = 1000.0, 800.0
_MEASURES = {
    "width": _WIDTH,
    "device-width": _WIDTH,
    "height": _HEIGHT,
    "device-height": _HEIGHT,
}
_FACTS = {
    "orientation": "landscape",
    "prefers-color-scheme": "light",
    "hover": "hover",
    "pointer": "fine",
    "any-hover": "hover",
    "any-pointer": "fine",
    "scripting": "none",
    "prefers-reduced-motion": "no-preference",
    "prefers-contrast": "no-preference",
    "forced-colors": "none",
    "inverted-colors": "none",
    "display-mode": "browser",
}
_COMPARED = re.compile(r"(.*?)(<=?|>=?|=)(.*?)(?:(<=?|>=?)(.*))?$")


def counts(tokens: Sequence[Any]) -> bool:
    """Whether one of the queries does; none at all is every screen."""
    queries: list[list[Any]] = [[]]
    for token in tokens:
        if token == _COMMA:
            queries.append([])
        elif token.type not in ("whitespace", "comment"):
            queries[-1].append(token)
    return any(_query(query) for query in queries)


def _query(tokens: Sequence[Any]) -> bool:
    words = [token.lower_value if token.type == "ident" else "" for token in tokens]
    negated = words[:1] == ["not"]
    either = "or" in words
    parts = [
        _part(token, word)
        for token, word in zip(tokens, words, strict=True)
        if word not in ("not", "only", "and", "or")
    ]
    holds = any(parts) if either else all(parts)
    return holds != negated


def _part(token: Any, word: str) -> bool:
    if word:
        return word in ("all", "screen")
    if token.type != "() block":
        return True
    inner = [each for each in token.content if each.type not in ("whitespace", "comment")]
    if any(each.type in ("() block", "function") for each in inner):
        return _query(inner) if any(each.type == "() block" for each in inner) else True
    return _feature("".join(each.serialize() for each in inner).lower())


def _feature(text: str) -> bool:
    name, colon, value = text.partition(":")
    if not colon:
        compared = _COMPARED.match(text)
        return _holds(compared.groups()) if compared else True
    if name in _FACTS:
        return value == _FACTS[name]
    for prefix, sign in (("min-", ">="), ("max-", "<=")):
        if name.startswith(prefix):
            return _holds((name[len(prefix) :], sign, value, None, None))
    return _holds((name, "=", value, None, None))


def _holds(compared: Sequence[str | None]) -> bool:
    left, sign, right, second, last = compared
    first = _compare(left, sign, right)
    return first and (second is None or _compare(right, second, last))


def _compare(left: str | None, sign: str | None, right: str | None) -> bool:
    values = [_MEASURES.get(side or "", length(side)) for side in (left, right)]
    if values[0] is None or values[1] is None:
        return True
    return {
        "<": values[0] < values[1],
        "<=": values[0] <= values[1],
        ">": values[0] > values[1],
        ">=": values[0] >= values[1],
        "=": values[0] == values[1],
    }[sign or "="]
