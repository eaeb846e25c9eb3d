"""What is missing until the running engine is what was applied, told as text and as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aimx.cli import terminal
from desired.frozen import asdict, frozen

Status = Mapping[str, Any]


@frozen
class Missing:
    """A condition that does not hold, and what to do about it."""

    type: str
    status: str
    reason: str
    message: str
    remedy: str


@frozen
class Waited:
    """How the waiting ended."""

    generation: int  # That was waited for.
    seconds: float
    missing: tuple[Missing, ...]
    engine: bool = True  # One runs that had to take it up.

    @property
    def converged(self) -> bool:
        return not self.missing

    def document(self) -> dict[str, Any]:
        return {
            "converged": self.converged,
            "seconds": round(self.seconds, 3),
            "missing": [asdict(each) for each in self.missing],
        }

    def told(self, columns: int) -> str:
        """In text: that it holds, or each condition that does not and what to do."""
        if self.converged:
            runs = f"the engine runs generation {self.generation}"
            return f"Converged after {self.seconds:.1f}s: {runs if self.engine else _NO_ENGINE}."
        first = "applied, and nobody is there to take it up:"
        if not any(each.reason == "NoDaemon" for each in self.missing):
            first = f"applied, and not converged after {self.seconds:.0f}s:"
        lines = [f"aimx apply: {first}"]
        for each in self.missing:
            reason = f" ({each.reason})" if each.reason else ""
            head, *more = (each.message or "no more is known").split("\n")
            lines += _wrapped(f"{each.type} is {each.status}{reason}: {head}", columns, 2)
            lines += [line for text in more for line in _wrapped(text, columns, 6)]
            lines += _wrapped(each.remedy, columns, 6)
        return "\n".join(lines)


def lacking(status: Status | None, generation: int) -> Iterator[Missing]:
    """What of a status is not as it is once this generation is taken up."""
    if status is None:
        remedy = "Start it with `aimx serve`. If it ran before, its log says why it ended."
        yield Missing("EngineActive", "Unknown", "NoDaemon", "no daemon runs", remedy)
        return
    if not status.get("settled", True):
        told = "the daemon has not looked at everything yet"
        yield Missing("Converged", "Unknown", "Looking", told, "Wait longer: `--wait SECONDS`.")
    else:
        yield from _unlike(status, "Converged")
    if not has_engine(status):
        return
    running = status["engine_generation"]
    if condition := next(_unlike(status, "EngineActive"), None):
        yield condition
    elif running < generation:
        told = f"the engine runs generation {running}, and {generation} was applied"
        yield Missing("EngineActive", "False", "Behind", told, _REMEDIES["Refused"])


_NO_ENGINE = "no engine runs beside `aimx watch`"

_REMEDIES = {
    "ManifestInvalid": "`aimx validate` tells what is wrong with it.",
    "ChangesPending": "`aimx plan` shows what is left, and `aimx apply` does it.",
    "AwaitsApproval": "`aimx status` names the command that approves it.",
    "Blocked": "`aimx plan` tells what lifts it.",
    "DriftReported": "`aimx apply` repairs it.",
    "ApplyFailed": "Correct it; the daemon tries again by itself, and `aimx apply` at once.",
    "LockHeld": "The daemon goes on when that one has ended.",
    "DataGone": "The daemon goes on by itself once it is there.",
    "CannotApply": "Correct it; the daemon tries again by itself, and `aimx apply` at once.",
    "Refused": "The engine goes on as before. Correct it, then run `aimx apply` again.",
}
_ANY_REMEDY = "`aimx status` tells how it stands."


def _unlike(status: Status, kind: str) -> Iterator[Missing]:
    found = {each["type"]: each for each in status["conditions"]}
    told = found.get(kind, {"status": "Unknown", "reason": "", "message": ""})
    if told["status"] == "True":
        return
    remedy = _REMEDIES.get(told["reason"], _ANY_REMEDY)
    if told["reason"] == "ChangesPending" and found.get("Suspended", {}).get("status") == "True":
        remedy += " The daemon is suspended: `aimx resume` lets it go on."
    yield Missing(kind, told["status"], told["reason"], told["message"], remedy)


def has_engine(status: Status) -> bool:
    """Whether one is there to take anything up."""
    return not any(each["reason"] == "NoEngine" for each in status["conditions"])


def _wrapped(text: str, columns: int, indent: int) -> list[str]:
    first, rest = " " * indent, " " * (indent + 4)
    from textwrap import wrap  # Most are told without.

    return wrap(
        terminal.plain(text),
        columns,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
