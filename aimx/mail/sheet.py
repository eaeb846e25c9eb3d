"""The rules of a message's style sheets, and what they say of one of its elements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

import tinycss2  # type: ignore[import-untyped]

from aimx.mail import media, style
from aimx.mail.error import MailError
from aimx.mail.selector import Node, Selector, selectors
from aimx.mail.style import Style

_OUTER = "&"  # What the rule around a rule selects.
_DEEPEST = 4  # Blocks within blocks.
_KEPT = 64  # Sheets of other messages that are remembered: most are of templates.
# Blocks whose rules may count. What a browser must support, we take to be so.
_BLOCKS = frozenset(("media", "supports", "layer", "container", "scope"))
_MOST_LOOKS = 100_000  # Elements that are compared with a compound, for one message.


class ObscureError(MailError):
    """What is seen of it cannot be told within bounds."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    selector: Selector
    plain: Style
    important: Style


class Rules:
    """Of all sheets of a message."""

    def __init__(self) -> None:
        self._by_key: defaultdict[str, list[tuple[int, int, Rule]]] = defaultdict(list)
        self._candidates: dict[object, list[tuple[int, int, Rule]]] = {}
        self._number = 0
        self._looks = _MOST_LOOKS

    def add(self, sheet: str, medium: str = "") -> None:
        """All that counts in it; raises `RecursionError` for one that is nested too deeply."""
        if not media.counts(tinycss2.parse_component_value_list(medium)):
            return
        for rule in _read(sheet):
            self._number += 1
            ranked = (rule.selector.weight, self._number, rule)
            self._by_key[rule.selector.key].append(ranked)

    def matching(self, node: Node) -> tuple[Rule, ...]:
        """Those that select the element, in their order; may raise `ObscureError`."""
        if not self._number:
            return ()
        key = node.name, node.classes, node.attributes.get("id", "")
        ranked = self._candidates.get(key)
        if ranked is None:
            ranked = self._candidates[key] = sorted(self._worth_a_look(node), key=itemgetter(0, 1))
        return tuple(rule for _, _, rule in ranked if self._selects(rule.selector.steps, 0, node))

    def _worth_a_look(self, node: Node) -> Iterator[tuple[int, int, Rule]]:
        keys = ["", node.name, *(f".{each}" for each in node.classes)]
        if ident := node.attributes.get("id"):
            keys.append(f"#{ident.lower()}")
        for key in keys:
            yield from self._by_key.get(key, ())

    def _selects(self, steps: Sequence[tuple[str, Any]], at: int, node: Node | None) -> bool:
        """Whether from this step outwards all is as it must be, seen from this element."""
        if node is None:
            return False
        self._looks -= 1
        if self._looks < 0:
            raise ObscureError("its style sheets ask for too much")
        if not steps[at][1].selects(node):
            return False
        if at + 1 == len(steps):
            return True
        match steps[at + 1][0]:
            case " ":
                return any(self._selects(steps, at + 1, each) for each in _outwards(node))
            case ">":
                return self._selects(steps, at + 1, node.parent)
            case "+":
                return self._selects(steps, at + 1, node.before)
            case _:
                return any(self._selects(steps, at + 1, each) for each in _backwards(node))


def in_the_end(rules: Sequence[Rule], inline: str) -> Style:
    """What counts of these and of what stands at the element itself."""
    plain, important = style.written(inline) if inline else ({}, {})
    if not rules:
        return {**plain, **important} if important else plain
    merged: dict[str, str] = {}
    for rule in rules:
        merged.update(rule.plain)
    merged.update(plain)
    for rule in rules:
        merged.update(rule.important)
    merged.update(important)
    return merged


def _outwards(node: Node) -> Iterator[Node]:
    while (node := node.parent) is not None:
        yield node


def _backwards(node: Node) -> Iterator[Node]:
    while (node := node.before) is not None:
        yield node


@lru_cache(_KEPT)
def _read(sheet: str) -> tuple[Rule, ...]:
    nodes = tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
    return tuple(_rules(nodes, 0))


def _rules(nodes: Sequence[Any], depth: int) -> Iterator[Rule]:
    if depth > _DEEPEST:
        raise ObscureError("its style sheets are nested too deeply")
    for node in nodes:
        if node.type == "qualified-rule":
            yield from _of_block(list(selectors(node.prelude)), node.content, depth)
        elif node.type == "at-rule" and node.content is not None and _counts(node):
            inner = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
            yield from _rules(inner, depth + 1)


def _of_block(chosen: Sequence[Selector], content: Sequence[Any], depth: int) -> Iterator[Rule]:
    """What stands in the block of a rule: declarations, and rules for what is within."""
    nodes = tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True)
    plain, important = style.declared(nodes)
    if plain or important:
        for selector in chosen:
            yield Rule(selector, plain, important)
    if depth > _DEEPEST:
        raise ObscureError("its style sheets are nested too deeply")
    for node in nodes:
        if node.type == "qualified-rule":
            prelude = [token for token in node.prelude if token != _OUTER]
            inner = list(selectors(prelude))
            within = [_within(each, outer) for each in inner for outer in chosen] or chosen
            yield from _of_block(within, node.content, depth + 1)
        elif node.type == "at-rule" and node.content is not None and _counts(node):
            yield from _of_block(chosen, node.content, depth + 1)


def _within(inner: Selector, outer: Selector) -> Selector:
    return Selector((*inner.steps, (" ", outer.steps[0][1]), *outer.steps[1:]))


def _counts(node: Any) -> bool:
    name = node.lower_at_keyword
    return name in _BLOCKS and (name != "media" or media.counts(node.prelude))
