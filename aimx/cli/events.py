"""What happens in an apply as lines of JSON: one event each, the last one always a summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aimx.cli import terminal
from aimx.doors.exits import Exit
from aimx.doors.wish import Answer

if TYPE_CHECKING:
    from reconcilers.receipt import Receipt
    from reconcilers.step import Step

FORMAT, FORMAT_VERSION = "aimx.event", "1.0"


@dataclass(slots=True)
class Events:
    """The stream of one apply."""

    _told: int = 0  # Steps whose end was told.

    def planned(self, document: Mapping[str, Any]) -> None:
        """What is about to be applied: of a plan as data, or a saved one."""
        self._emit("planned", plan_id=document["plan_id"], changes=document["summary"])

    def started(self, step: Step) -> None:
        self._emit(
            "step-started",
            step=step.id,
            address=step.address,
            phase=step.phase.name.lower(),
            does=str(step.operation),
        )

    def finished(self, receipt: Receipt, number: int, steps: int) -> None:
        self._finished(
            {
                "step": receipt.step,
                "address": receipt.address,
                "outcome": str(receipt.outcome),
                "reason": receipt.reason,
            },
            number,
            steps,
        )

    def ended(self, answer: Answer) -> None:
        """The summary, whatever came of it; the steps before it where nobody told of them yet."""
        outcome = _outcome(answer)
        if outcome is None:
            message = answer.output if answer.exit != Exit.DONE else ""
            self._emit("summary", exit=int(answer.exit), message=message)
            return
        receipts = outcome["receipts"]
        if not self._told:
            for number, receipt in enumerate(receipts, start=1):
                self._finished(receipt, number, len(receipts))
        counted = {
            name: outcome[name]
            for name in ("done", "failed", "skipped", "not_started", "seconds", "generation")
        }
        self._emit("summary", exit=int(answer.exit), message="", **counted)

    def _finished(self, receipt: Mapping[str, Any], number: int, steps: int) -> None:
        self._told += 1
        self._emit("step-finished", **receipt, number=number, steps=steps)

    def _emit(self, kind: str, **members: Any) -> None:
        event = {"format": FORMAT, "format_version": FORMAT_VERSION, "type": kind, **members}
        terminal.say(json.dumps(event, ensure_ascii=False))


def _outcome(answer: Answer) -> Mapping[str, Any] | None:
    """The document of an apply, or None where none was begun."""
    try:
        found = json.loads(answer.output)
    except ValueError:
        return None
    is_apply = isinstance(found, dict) and found.get("format") == "aimx.apply"
    return found if is_apply else None
