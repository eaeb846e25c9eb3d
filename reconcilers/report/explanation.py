"""One resource explained: what is desired, what was applied, what is there, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from desired.frozen import asdict, frozen
from desired.problem import Where, printable
from reconcilers.change import Blocked, Change, Field
from reconcilers.history import Touched, Untouched
from reconcilers.report.past import moment
from reconcilers.report.printable import noted, wrapped
from reconcilers.report.view import symbol

Facts = tuple[tuple[str, str], ...]

_COMMAND = re.compile(r"`([^`]+)`")


@frozen
class Failure:
    """How its last try ended, as the daemon told it."""

    at: str  # RFC 3339.
    reason: str
    next_retry: str = ""  # Empty: it is not tried again by itself.

    def __str__(self) -> str:
        again = f"; it is tried again at {self.next_retry}" if self.next_retry else ""
        return f"{self.reason.removesuffix('.')} ({self.at}){again}"


@frozen
class Explanation:
    """All that there is to tell of a resource."""

    address: str
    where: Where | None  # The line of the manifest that asks for it.
    settings: tuple[Field, ...]  # What the manifest comes to for it.
    desired: Facts | None  # How it should stand; None: nothing asks for it.
    observed: Facts | None  # How it stands; None: there is none, or it could not be looked at.
    unseen: str  # Why it could not be looked at; empty where it could.
    last: Touched | Untouched | str  # Or why nobody can tell.
    change: Change | None  # What an apply would do.
    idle: str  # Why it would do nothing; empty where it would do something.
    pinned: int = 0  # The generation whose manifest is in force; 0: it is the one on disk.
    culprit: str = ""  # The address that it waits for, where it waits for one.
    failure: Failure | None = None  # None: its last try did not fail, or nothing is to be done.
    overdue: str = ""  # That a key is older than it may become, and what is to be done.

    @property
    def commands(self) -> tuple[str, ...]:
        """What to type, in this order, so that it becomes as it should be."""
        if self.change is None:
            return tuple(_COMMAND.findall(self.overdue))
        blocked = self.change.blocked
        if self.culprit:
            return (f"aimx explain {self.culprit}",)
        if blocked is None:
            return ("aimx apply",)
        found = tuple(_COMMAND.findall(blocked.remedy))
        return (
            found
            if any(each.startswith("aimx apply") for each in found)
            else (
                *found,
                "aimx apply",
            )
        )


def explanation_text(told: Explanation, *, columns: int = 80) -> str:
    lines = [printable(told.address), ""]
    lines += _desired(told, columns)
    lines += wrapped(f"Last applied: {_last(told.last)}", columns, "  ", "")
    lines += _observed(told, columns)
    if told.failure is not None:
        lines += wrapped(f"Last try failed: {told.failure}", columns, "  ", "")
    lines += _change(told, columns)
    if told.commands:
        lines += ["", "To do, run:" if not _is_by_hand(told) else "When that is done, run:"]
        # Never wrapped: they are there to be copied.
        lines += [f"    {printable(command)}" for command in told.commands]
    return "\n".join(lines) + "\n"


def explanation_document(told: Explanation) -> dict[str, Any]:
    change = told.change
    return {
        "format": "aimx.explanation",
        "format_version": "1.0",
        "address": told.address,
        "kind": told.address.partition("/")[0],
        "pinned": told.pinned or None,
        "desired": None
        if told.desired is None
        else {
            "where": None if told.where is None else asdict(told.where),
            "settings": {field.name: field.after for field in told.settings},
            "standing": dict(told.desired),
        },
        "last_applied": _last_document(told.last),
        "observed": None if told.observed is None else dict(told.observed),
        "unseen": told.unseen,
        "action": None if change is None else str(change.action),
        "why": told.idle if change is None else change.why,
        "fields": [] if change is None else [asdict(field) for field in change.fields],
        "notes": [] if change is None else list(change.notes),
        "needs": [] if change is None else list(change.needs),
        "drifted": change is not None and change.drifted,
        "blocked": asdict(change.blocked) if change and change.blocked else None,
        "failure": None if told.failure is None else asdict(told.failure),
        "overdue": told.overdue,
        "commands": list(told.commands),
    }


def _desired(told: Explanation, columns: int) -> Iterator[str]:
    if told.desired is None:
        yield "Desired: no, nothing asks for it"
        return
    pinned = f" in generation {told.pinned}" if told.pinned else ""
    where = f" ({told.where.file}:{told.where.line}{pinned})" if told.where else ""
    yield f"Desired{printable(where)}:"
    for field in told.settings:
        yield from wrapped(f"{field.name}: {field.after or 'none'}", columns, " " * 6, "  ")
    yield from _facts(told.desired, columns)


def _observed(told: Explanation, columns: int) -> Iterator[str]:
    if told.unseen:
        yield from wrapped(f"Observed: could not be looked at: {told.unseen}", columns, "  ", "")
    elif told.observed is None:
        yield "Observed: it is not there"
    else:
        yield "Observed:"
        yield from _facts(told.observed, columns)


def _facts(facts: Facts, columns: int) -> Iterator[str]:
    for name, text in facts:
        yield from wrapped(f"{name}: {text}", columns, " " * 6, "  ")


def _last(last: Touched | Untouched | str) -> str:
    match last:
        case Touched(number, about, action):
            who = about.who.account or f"uid {about.who.uid}"
            return (
                f"{action} in generation {number}, {moment(about.at)}, by {who}"
                f" through {about.who.origin}"
            )
        case Untouched(0):
            return "no generation is on record"
        case Untouched(oldest):
            return f"by no generation on record; the oldest is {oldest}"
        case reason:
            return f"nobody can tell: {reason}"


def _last_document(last: Touched | Untouched | str) -> dict[str, Any]:
    match last:
        case Touched(number, about, action):
            return {
                "generation": number,
                "at": moment(about.at),
                "who": asdict(about.who),
                "action": action,
            }
        case Untouched(oldest):
            return {"generation": None, "oldest": oldest}
        case reason:
            return {"generation": None, "unseen": reason}


def _change(told: Explanation, columns: int) -> Iterator[str]:
    change = told.change
    if change is None:
        yield from wrapped(f"Action: none, {told.idle}", columns, "  ", "")
        if told.overdue:
            yield from wrapped(f"Overdue: {told.overdue}", columns, "  ", "")
        return
    wish = "would " if change.blocked else ""
    drift = "; drifted since the last apply" if change.drifted else ""
    action = f"Action: {symbol(change)} {wish}{change.action}, {change.why}{drift}"
    yield from wrapped(action, columns, "  ", "")
    for field in change.fields:
        told_as = f"{field.name}: {field.before or 'nothing'} -> {field.after or 'nothing'}"
        yield from wrapped(told_as, columns, " " * 6, "  ")
    for note in change.notes:
        yield from noted(note, columns, "  ")
    if change.blocked:
        yield from _blocked(change.blocked, columns)


def _blocked(blocked: Blocked, columns: int) -> Iterator[str]:
    yield from wrapped(f"Blocked ({blocked.code}): {blocked.reason}", columns, "  ", "")
    yield from wrapped(f"To do: {blocked.remedy}", columns, "  ", "")


def _is_by_hand(told: Explanation) -> bool:
    """Whether something comes first that is no command."""
    blocked = told.change.blocked if told.change else None
    return blocked is not None and not told.culprit and not _COMMAND.search(blocked.remedy)
