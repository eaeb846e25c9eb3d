"""The generations on record, as far as they can be read: one that is damaged hides no other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from desired.frozen import frozen
from reconcilers.generations import About, about, damaged, numbers, planned
from reconcilers.host.host import Reading, UnseenError
from reconcilers.records import parsed
from reconcilers.roots import Roots

# The summary stands at the beginning of a plan's document.
_SUMMARY, _HEAD = '"summary":', 4096


def off_record(number: int) -> str:
    """What is said to whom names a generation that there is no record of."""
    return f"generation {number} is not on record; `aimx history` lists those that are"


@frozen
class Entry:
    """What a list of generations tells of one."""

    number: int
    about: About
    counts: Mapping[str, int]  # Of its plan, as the plan's summary has them.


@frozen
class Damaged:
    """A generation whose record cannot be read, and why."""

    number: int
    reason: str


Recorded: TypeAlias = Entry | Damaged


def history(host: Reading, roots: Roots) -> tuple[Recorded, ...]:
    """All that is on record, oldest first; raises `UnseenError` where nobody can look."""
    return tuple(_recorded(host, roots, number) for number in numbers(host, roots))


def _recorded(host: Reading, roots: Roots, number: int) -> Recorded:
    try:
        known = about(host, roots, number)
        plan = planned(host, roots, number, known)
        return Entry(number, known, _counted(plan, roots, number))
    except UnseenError as cause:
        return Damaged(number, str(cause))


def _counted(plan: bytes, roots: Roots, number: int) -> dict[str, int]:
    """What the document counts, without a reading of all ten thousand that it may have counted."""
    head = plan[:_HEAD].decode("utf-8", "replace")
    try:
        found, _ = json.JSONDecoder().raw_decode(head.partition(_SUMMARY)[2].lstrip())
    except (ValueError, RecursionError):
        return counted(document(plan, roots, number))
    return counted({"summary": found})


def plan_of(host: Reading, roots: Roots, number: int) -> dict[str, Any]:
    """The document of a generation's plan; raises `UnseenError` where that is none."""
    known = about(host, roots, number)
    return document(planned(host, roots, number, known), roots, number)


def document(plan: bytes, roots: Roots, number: int) -> dict[str, Any]:
    """What the bytes say; raises `UnseenError` where they are no document."""
    kept = roots.generations / str(number)
    try:
        found = parsed(plan)
    except ValueError as cause:
        raise damaged(kept) from cause
    if not isinstance(found, dict):
        raise damaged(kept)
    return found


def counted(plan: Mapping[str, Any]) -> dict[str, int]:
    """What the document of a plan counts; less where it is of another release."""
    summary = plan.get("summary")
    if not isinstance(summary, dict):
        return {}
    return {str(word): number for word, number in summary.items() if isinstance(number, int)}


def changes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What the document of a plan would change."""
    found = plan.get("changes")
    yield from (each for each in found or () if isinstance(each, dict))


@frozen
class Touched:
    """The last generation that did something to a resource."""

    number: int
    about: About
    action: str


@frozen
class Untouched:
    """No generation on record did anything to it."""

    oldest: int  # That could be asked; 0 where there is none.


def last_touch(host: Reading, roots: Roots, address: str) -> Touched | Untouched:
    """Who did something to the resource last; raises `UnseenError` where nobody can look.

    A record that is damaged cannot say, and is passed over.
    """
    oldest = 0
    for number in reversed(numbers(host, roots)):
        try:
            known = about(host, roots, number)
            plan = planned(host, roots, number, known)
            # Most do not name it, and one of thousands takes a while to be understood.
            named = json.dumps(address, ensure_ascii=False).encode() in plan
            action = _done(document(plan, roots, number), address) if named else ""
            oldest = number
            if action:
                return Touched(number, known, action)
        except UnseenError:
            continue
    return Untouched(oldest)


def _done(plan: Mapping[str, Any], address: str) -> str:
    """What the plan did to the resource; empty where nothing, or where that was blocked."""
    for change in changes(plan):
        if change.get("address") == address and not change.get("blocked"):
            return str(change.get("action", ""))
    return ""
