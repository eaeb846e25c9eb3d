"""What happens in an apply as lines of JSON: one event each, the last one always a summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aimx.cli import terminal
from aimx.cli.lacking import Waited
from aimx.doors.events import Event, event
from aimx.doors.wish import Answer
from desired.frozen import field, mutable

_COUNTED = ("done", "failed", "skipped", "not_started", "seconds", "generation")


@mutable
class Events:
    """The stream of one apply."""

    # What was told of each step that has ended.
    _ends: dict[str, tuple[str, str]] = field(default_factory=dict)
    _counted: dict[str, Any] = field(default_factory=dict)

    def planned(self, document: Mapping[str, Any]) -> None:
        """What is about to be applied: of a plan as data, or a saved one."""
        _say(event("planned", plan_id=document["plan_id"], changes=document["summary"]))

    def hear(self, happened: Event) -> None:
        """A step has begun or ended."""
        if happened["type"] == "step-finished":
            self._ends[happened["step"]] = happened["outcome"], happened["reason"]
        _say(happened)

    def completed(self, answer: Answer) -> None:
        """The ends of steps that nobody told of."""
        outcome = _outcome(answer)
        if outcome is None:
            return
        receipts = outcome["receipts"]
        for receipt in receipts:
            end = receipt["outcome"], receipt["reason"]
            if self._ends.get(receipt["step"]) != end:
                self._ends[receipt["step"]] = end
                number = len(self._ends)
                _say(event("step-finished", **receipt, number=number, steps=len(receipts)))
        self._counted = {name: outcome[name] for name in _COUNTED}

    def waited(self, waited: Waited) -> None:
        """It was waited until all has taken it up, or the time was over."""
        _say(event("waited", **waited.document()))

    def ended(self, code: int, message: str) -> None:
        """The summary, whatever came of it."""
        _say(event("summary", exit=code, message=message, **self._counted))


def _say(happened: Event) -> None:
    terminal.say(json.dumps(happened, ensure_ascii=False))


def _outcome(answer: Answer) -> Mapping[str, Any] | None:
    """The document of an apply, or None where none was begun."""
    try:
        found = json.loads(answer.output)
    except ValueError:
        return None
    is_apply = isinstance(found, dict) and found.get("format") == "aimx.apply"
    return found if is_apply else None
