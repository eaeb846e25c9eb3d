"""What drifted, told with what it was and what it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from desired.frozen import frozen
from desired.problem import printable
from reconcilers.change import Action, Change, Field
from reconcilers.counted import counted
from reconcilers.plan import Unsettled
from reconcilers.report.colour import painted
from reconcilers.report.printable import wrapped
from reconcilers.report.view import UNSEEN_SYMBOL

_GONE, _CHANGED = "-", "~"
_INDENT = " " * 6


@frozen
class Drift:
    """What is not as a generation left it."""

    generation: int  # 0: nothing was applied that anything could have drifted from.
    changes: tuple[Change, ...] = ()  # What would make it so again.
    unsettled: tuple[Unsettled, ...] = ()
    caveat: str = ""  # What the reader should know of the comparison.

    @property
    def is_none(self) -> bool:
        return not self.changes and not self.unsettled


def drift_text(found: Drift, *, columns: int = 80, colour: bool = False) -> str:
    """What drifted since the generation, and a line that counts it."""
    if not found.generation:
        return "Nothing has been applied here yet, so nothing can have drifted.\n"
    lines: list[str] = []
    for change in found.changes:
        sign = _sign(change)
        lines.append(painted(sign, f"  {sign} {printable(change.address)}", colour=colour))
        for told in _told(change):
            lines += wrapped(told, columns, f"{_INDENT}  ", _INDENT)
    for each in found.unsettled:
        head = f"  {UNSEEN_SYMBOL} {printable(each.address)}"
        lines.append(painted(UNSEEN_SYMBOL, head, colour=colour))
        lines += wrapped(f"could not be looked at: {each.reason}", columns, _INDENT)
    if found.caveat:
        lines += wrapped(found.caveat, columns, "")
    lines += ["", *_summary(found, columns)]
    return "\n".join(lines).lstrip("\n") + "\n"


def drift_document(found: Drift) -> dict[str, Any]:
    return {
        "format": "aimx.drift",
        "format_version": "1.0",
        "generation": found.generation,
        "caveat": found.caveat,
        "drift": [
            {
                "address": change.address,
                "kind": change.kind,
                "is": "gone" if _sign(change) == _GONE else "changed",
                "why": _why(change),
                "fields": [
                    {"name": field.name, "left": field.after, "now": field.before}
                    for field in _fields(change)
                ],
            }
            for change in found.changes
        ],
        "unsettled": [{"address": each.address, "reason": each.reason} for each in found.unsettled],
    }


def _sign(change: Change) -> str:
    return _GONE if change.action is Action.CREATE else _CHANGED


def _told(change: Change) -> Iterator[str]:
    fields = _fields(change)
    if change.blocked or not fields:
        yield _why(change)
    for field in fields:
        yield f"{field.name}: was left as {field.after or 'nothing'}, is {field.before or 'gone'}"


def _why(change: Change) -> str:
    if change.blocked:
        return change.blocked.reason
    return "it is gone" if _sign(change) == _GONE else change.why


def _fields(change: Change) -> tuple[Field, ...]:
    """What differs in a resource that is there; what would be counted up is none of it."""
    if _sign(change) == _GONE:
        return ()
    return tuple(field for field in change.fields if field.name != "generation")


def _summary(found: Drift, columns: int) -> Iterator[str]:
    if found.is_none:
        yield f"No drift. The machine is as generation {found.generation} left it."
        return
    drifted, unseen = len(found.changes), len(found.unsettled)
    resources = counted(drifted, "resource")
    blind = f", {unseen} could not be looked at" if unseen else ""
    yield from wrapped(
        f"Drift: {resources} since generation {found.generation}{blind}.", columns, ""
    )
    yield from wrapped("To see what an apply would do about it, run:", columns, "")
    yield "    aimx plan"
