"""Selectors of CSS, and whether an element is selected.

Where the tree is not known far enough to tell, it is: a rule that hides must not be got round by
what we do not understand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import tinycss2  # type: ignore[import-untyped]

from desired.frozen import frozen

_COMMA, _DOT, _COLON = ",", ".", ":"
_MOST_STEPS = 8  # Of one selector.
# True of nothing in a text that stands still, or of what is no element.
_NEVER = frozenset(
    (
        *("hover", "active", "focus", "focus-within", "focus-visible", "visited", "target"),
        *("checked", "before", "after", "first-line", "first-letter", "selection", "placeholder"),
        *("marker", "backdrop", "disabled", "invalid"),
    )
)
_NTH = re.compile(r"([-+]?\d*)n([-+]\d+)?$")


class Node(Protocol):
    """An element, among those that it stands in and after."""

    name: str
    attributes: Mapping[str, str]
    classes: frozenset[str]  # In lower case.
    place: int  # Among the elements of its parent, from 1.
    parent: Any
    before: Any  # The element before it in the same parent.


@dataclass(slots=True)
class Compound:
    """What is asked of one element. Case counts in no name: most mail is read in quirks mode."""

    name: str = ""
    ident: str = ""
    classes: set[str] = field(default_factory=set)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)  # Name, operator, value.
    nth: list[tuple[int, int]] = field(default_factory=list)  # `an+b`
    excluded: list[Compound] = field(default_factory=list)
    among: list[list[Compound]] = field(default_factory=list)  # One of each is selected too.
    is_never: bool = False
    is_blank: bool = True  # Nothing of it was read yet.
    weight: int = 0  # As CSS counts: ids, classes and names, each below 1,000.

    def selects(self, node: Node) -> bool:
        attributes = node.attributes
        return not (
            (self.name and self.name != node.name)
            or (self.ident and attributes.get("id", "").lower() != self.ident)
            or not self.classes <= node.classes
            or not all(_has(attributes, *each) for each in self.attributes)
            or not all(_is_nth(node.place, *each) for each in self.nth)
            or any(each.selects(node) for each in self.excluded)
            or not all(any(each.selects(node) for each in one) for one in self.among)
        )


@frozen
class Selector:
    """Compounds from the element itself outwards, each with what joins it to the one before."""

    steps: tuple[tuple[str, Compound], ...]

    @property
    def key(self) -> str:
        """What an element must have to be selected, to find the rules that are worth a look."""
        own = self.steps[0][1]
        if own.ident:
            return f"#{own.ident}"
        return next((f".{each}" for each in sorted(own.classes)), own.name)

    @property
    def weight(self) -> int:
        return sum(compound.weight for _, compound in self.steps)


def selectors(tokens: Sequence[Any]) -> Iterator[Selector]:
    """Of a rule, without those that select nothing."""
    group: list[Any] = []
    for token in [*tokens, None]:
        if token is None or token == _COMMA:
            if selector := _selector(group):
                yield selector
            group = []
        else:
            group.append(token)


def _selector(tokens: Sequence[Any]) -> Selector | None:
    inwards: list[tuple[str, Compound]] = []  # Each with what joins it to the next.
    joint, current = "", Compound()
    index = 0
    while index < len(tokens):
        token = tokens[index]
        size = 1
        if token.type in ("whitespace", "comment"):
            joint = joint or " "
        elif token.type == "literal" and token.value in (">", "+", "~"):
            joint = token.value
        else:
            if joint and index and not current.is_blank:
                inwards.append((joint, current))
                current = Compound()
            joint = ""
            current.is_blank = False
            size = _read(current, tokens, index)
        index += size
    if current.is_blank or len(inwards) >= _MOST_STEPS:
        return None
    if current.is_never or any(compound.is_never for _, compound in inwards):
        return None
    return Selector((("", current), *reversed(inwards)))


def _read(compound: Compound, tokens: Sequence[Any], index: int) -> int:
    """Add one simple selector; how many tokens it has."""
    token = tokens[index]
    follows = tokens[index + 1] if index + 1 < len(tokens) else None
    if token.type == "ident":
        compound.name, compound.weight = token.lower_value, compound.weight + 1
    elif token.type == "hash":
        compound.ident, compound.weight = token.value.lower(), compound.weight + 1_000_000
    elif token == _DOT and follows is not None and follows.type == "ident":
        compound.classes.add(follows.lower_value)
        compound.weight += 1000
        return 2
    elif token.type == "[] block":
        compound.attributes.append(_attribute(token.content))
        compound.weight += 1000
    elif token == _COLON:
        return _pseudo(compound, tokens, index)
    return 1


def _pseudo(compound: Compound, tokens: Sequence[Any], index: int) -> int:
    size = 1
    while index + size < len(tokens) and tokens[index + size] == _COLON:
        size += 1
    compound.weight += 1000
    if index + size == len(tokens) or size > 1:  # Two colons: no element, but a part of one.
        compound.is_never = True
        return size
    token = tokens[index + size]
    if token.type == "function":
        _function(compound, token.lower_name, token.arguments)
    elif token.type == "ident":
        compound.is_never = compound.is_never or token.lower_value in _NEVER
        if token.lower_value == "first-child":
            compound.nth.append((0, 1))
        elif token.lower_value == "root":
            compound.name = "html"
    return size + 1


def _function(compound: Compound, name: str, arguments: Sequence[Any]) -> None:
    if name == "nth-child" and (nth := _nth(tinycss2.serialize(arguments))):
        compound.nth.append(nth)
    elif name == "not":
        compound.excluded += _alone(arguments) or ()
    elif name in ("is", "where", "matches") and (among := _alone(arguments)):
        compound.among.append(among)


def _alone(tokens: Sequence[Any]) -> list[Compound] | None:
    """What stands in parentheses, where it can all be told of the element alone."""
    found = list(selectors(tokens))
    if any(len(selector.steps) > 1 for selector in found):
        return None
    return [selector.steps[0][1] for selector in found]


def _nth(text: str) -> tuple[int, int] | None:
    text = {"odd": "2n+1", "even": "2n"}.get(text.strip().lower(), text.replace(" ", "").lower())
    if text.lstrip("+-").isdecimal():
        return 0, int(text[:6])
    found = _NTH.match(text)
    if not found or len(text) > 12:
        return None
    step = found[1] + "1" if found[1] in ("", "+", "-") else found[1]
    return int(step), int(found[2] or 0)


def _is_nth(place: int, step: int, start: int) -> bool:
    if step == 0:
        return place == start
    return (place - start) % step == 0 and (place - start) // step >= 0


def _attribute(tokens: Sequence[Any]) -> tuple[str, str, str]:
    name, sign, value = "", "", ""
    for token in tokens:
        if token.type == "literal":
            sign += token.value
        elif token.type in ("ident", "string"):
            if not name:
                name = token.value.lower()
            elif not value:
                value = token.value
        elif token.type != "whitespace" and token.type != "comment":
            sign += "?"
    return name, sign, value


def _has(attributes: Mapping[str, str], name: str, sign: str, value: str) -> bool:
    found = attributes.get(name)
    if found is None:
        return False
    match sign:
        case "=":
            return found.lower() == value.lower()
        case "~=":
            return value in found.split()
        case "|=":
            return found == value or found.startswith(f"{value}-")
        case "^=":
            return bool(value) and found.startswith(value)
        case "$=":
            return bool(value) and found.endswith(value)
        case "*=":
            return bool(value) and value in found
        case _:
            return True
