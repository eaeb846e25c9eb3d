"""Marks what a browser would not show of HTML, however its sender hides it.

Whoever reads the Markdown sees no style, and would take for the message what no person ever saw.
Only what is written at an element or in a plain rule counts; no style sheet is carried out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from functools import cache, partial

# Alternatives that begin with different characters, so that nothing is read twice.
_TAG = re.compile(r"""<([a-z][a-z0-9]*)((?:[^<>"']|"[^"]*"|'[^']*')*)>""", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""[\s"'/](style|class|id)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE
)
_SHEET = re.compile(r"<style\b[^<>]*>([^<]*)", re.IGNORECASE)
_COMMENT = re.compile(r"/\*[^*]*\*+(?:[^/*][^*]*\*+)*/")
_BRACE = re.compile(r"[{}]")
_NAME = re.compile(r"(?:[a-z][a-z0-9]*)?([.#][\w-]+)", re.IGNORECASE)
_CODE = re.compile(r"\\([0-9a-fA-F]{1,6})\s?")
_LENGTH = re.compile(r"(-?[0-9]*\.?[0-9]+)\s*(px|pt|em|rem|ex|ch|vw|vh|%)?$")

_TINY = 1.0  # Pixels or points of a letter that nobody can read.
_FAR = -900.0  # Pixels to the left of what is shown.
_OTHERS = ("inherit", "initial", "unset", "revert", "currentcolor")  # Colors of who knows what.
_UNSEEN = ("<title", "<dialog")  # Elements that no browser shows within a text by themselves.
_ZERO_SIDES = ("height", "max-height", "width", "max-width")


def marked(source: str) -> str:
    """The same HTML, with `hidden` at each element that hides itself."""
    lowered = source.lower()
    if not any(word in lowered for word in ("style", *_UNSEEN)):
        return source
    hiding = frozenset(_hiding_names(lowered))

    # For this message alone: a style stands at many of its elements.
    known = cache(_hides_as_written)

    def mark(tag: re.Match[str]) -> str:
        # What stands alone in an element has no style but that.
        below = source.find("<", tag.end())
        alone = below < 0 or source.startswith("/", below + 1)
        unseen = _is_unseen(tag) or _is_hidden(tag[2], hiding, partial(known, alone))
        return f"<{tag[1]} hidden{tag[2]}>" if unseen else tag[0]

    return _TAG.sub(mark, source)


def _is_unseen(tag: re.Match[str]) -> bool:
    return f"<{tag[1].lower()}" in _UNSEEN and "open" not in tag[2].lower().split()


def _is_hidden(attributes: str, hiding: frozenset[str], style_hides: Callable[[str], bool]) -> bool:
    for found in _ATTRIBUTE.finditer(attributes):
        name = found[1].lower()
        if name == "style":
            if style_hides(found[2]):
                return True
        elif hiding:
            mark = "." if name == "class" else "#"
            if not hiding.isdisjoint(mark + word for word in _plain(found[2]).split()):
                return True
    return False


def _hides_as_written(alone: bool, value: str) -> bool:  # noqa: FBT001 - the one that is bound
    return hides(_plain(value), alone=alone)


def _plain(value: str) -> str:
    """An attribute's value, in lower case."""
    return html.unescape(value.strip("\"'")).lower()


def _hiding_names(lowered: str) -> Iterator[str]:
    """Classes and ids that a rule hides. What is in a block, such as `@media`, may not apply."""
    for sheet in _SHEET.findall(lowered):
        for selectors, declarations in _rules(_COMMENT.sub("", sheet)):
            if hides(declarations):
                names = map(_NAME.fullmatch, map(str.strip, selectors.split(",")))
                yield from (name[1] for name in names if name)


def _rules(sheet: str) -> Iterator[tuple[str, str]]:
    depth = start = opened = 0
    for brace in _BRACE.finditer(sheet):
        if brace[0] == "{":
            depth += 1
            opened = brace.end() if depth == 1 else opened
            continue
        if depth == 1:
            yield sheet[start : opened - 1], sheet[opened : brace.start()]
        depth = max(depth - 1, 0)
        start = start if depth else brace.end()


def hides(declarations: str, *, alone: bool = False) -> bool:
    """Whether an element with this style, in lower case, is not seen.

    `alone`: there are no elements in it, which might be seen all the same.
    """
    plain = _CODE.sub(_character, _COMMENT.sub("", declarations))
    style = {}
    for declaration in plain.split(";"):
        name, colon, value = declaration.partition(":")
        if colon:
            style[name.strip()] = value.partition("!")[0].strip()
    return any(rule(style) for rule in ((*_OF_ALL, *_OF_TEXT) if alone else _OF_ALL))


def _character(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return chr(code).lower() if code < 128 else "\ufffd"


def _length(value: str) -> float | None:
    found = _LENGTH.match(value)
    return float(found[1]) if found else None


def _at_most(style: dict[str, str], names: tuple[str, ...], most: float) -> bool:
    lengths = (_length(style[name]) for name in names if name in style)
    return any(length is not None and length <= most for length in lengths)


def _is_tiny(style: dict[str, str]) -> bool:
    size = style.get("font-size", "")
    length = _length(size)
    return length is not None and (length <= 0 or (length <= _TINY and size.endswith(("px", "pt"))))


def _is_aside(style: dict[str, str]) -> bool:
    placed = style.get("position") in ("absolute", "fixed")
    clipped = style.get("clip", "").replace(" ", "").startswith(("rect(0", "rect(1px,1px"))
    return placed and (clipped or _at_most(style, ("left", "top", "right", "bottom"), _FAR))


def _is_own_ground(style: dict[str, str]) -> bool:
    color = style.get("color", "")
    ground = style.get("background-color", style.get("background", ""))
    return color == "transparent" or (bool(color) and color == ground and color not in _OTHERS)


_OF_TEXT = (_is_tiny, _is_own_ground)
_OF_ALL: tuple[Callable[[dict[str, str]], bool], ...] = (
    lambda style: style.get("display") == "none",
    lambda style: style.get("visibility") in ("hidden", "collapse"),
    lambda style: _at_most(style, ("opacity",), 0),
    lambda style: style.get("overflow") in ("hidden", "clip") and _at_most(style, _ZERO_SIDES, 0),
    lambda style: _at_most(style, ("text-indent",), _FAR),
    lambda style: style.get("transform", "").replace(" ", "").startswith("scale(0)"),
    _is_aside,
)
