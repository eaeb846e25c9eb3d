"""What was applied, when and by whom: in a line each, or one in full."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from desired.frozen import asdict
from desired.problem import printable
from reconcilers.change import BLOCKED_SYMBOL, SYMBOLS, Action
from reconcilers.generations import About, Generation, Rollback
from reconcilers.history import Damaged, Entry, Recorded, changes, counted
from reconcilers.receipt import Outcome
from reconcilers.records import rfc3339
from reconcilers.report.printable import shortened, wrapped

FORMAT_VERSION = "1.0"
_NARROWEST = 8  # Of a column that is cut.
_NONE = "No generation is on record: nothing has been applied here yet."


def history_text(recorded: Sequence[Recorded], *, columns: int = 80) -> str:
    """A line a generation, the newest last, where the prompt is."""
    if not recorded:
        return f"{_NONE}\n"
    rows = [_HEAD, *(_row(each) for each in recorded if isinstance(each, Entry))]
    widths = _widths(rows, columns)
    told = {each.number: line for each, line in _lines(recorded, rows[1:], widths, columns)}
    return "\n".join([_line(_HEAD, widths), *told.values()]) + "\n"


def history_document(recorded: Sequence[Recorded]) -> dict[str, Any]:
    return {
        "format": "aimx.history",
        "format_version": FORMAT_VERSION,
        "generations": [_document(each) for each in recorded],
    }


def generation_text(generation: Generation, plan: Mapping[str, Any], *, columns: int = 80) -> str:
    """One generation: where it comes from, what its plan did, and what became of the steps."""
    lines = [*wrapped(_opening(generation), columns, "")]
    if generation.rollback is not None:
        lines += wrapped(_back(generation.rollback), columns, "")
    if generation.resumed:
        lines += wrapped("Its apply was killed, and another one finished it.", columns, "")
    for source in generation.sources:
        lines.append(f"Manifest: {printable(source.name)} ({len(source.raw):,} octets)")
    lines.append("")
    for change in changes(plan):
        lines += _change(change, columns)
    lines += wrapped(f"Plan: {_counts(counted(plan)) or 'not counted'}.", columns, "")
    lines += wrapped(f"Steps: {_outcomes(generation)}.", columns, "")
    for receipt in generation.receipts:
        if receipt.outcome is not Outcome.DONE:
            told = f"{receipt.outcome} {receipt.address}: {receipt.reason}"
            lines += wrapped(told, columns, " " * 4, "  ")
    return "\n".join(lines) + "\n"


def generation_document(generation: Generation, plan: Mapping[str, Any]) -> dict[str, Any]:
    about = About(
        generation.at,
        generation.who,
        generation.resumed,
        tuple(source.name for source in generation.sources),
        generation.rollback,
    )
    return {
        "format": "aimx.generation",
        "format_version": FORMAT_VERSION,
        **_document(Entry(generation.number, about, counted(plan))),
        "plan": plan,
        "receipts": [asdict(receipt) for receipt in generation.receipts],
    }


def written(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def moment(at: datetime) -> str:
    """A time as a report tells it, the same wherever that is read."""
    return rfc3339(at, "seconds")


def _opening(generation: Generation) -> str:
    who = generation.who
    named = f"{who.account} (uid {who.uid})" if who.account else f"uid {who.uid}"
    return (
        f"Generation {generation.number}, applied {moment(generation.at)} by {named}"
        f" through {who.origin}."
    )


def _back(rollback: Rollback) -> str:
    reason = f": {rollback.reason}" if rollback.reason else "."
    return (
        f"Rolled back from generation {rollback.former} to the manifest of generation"
        f" {rollback.to}, pinned until {moment(rollback.until)}{reason}"
    )


_HEAD = ("GENERATION", "WHEN", "WHO", "FROM", "PLAN")


def _row(entry: Entry) -> tuple[str, ...]:
    who = entry.about.who
    back = entry.about.rollback
    whence = f", back from {back.former} to {back.to}" if back is not None else ""
    resumed = ", resumed" if entry.about.resumed else ""
    return (
        str(entry.number),
        moment(entry.about.at),
        printable(who.account or f"uid {who.uid}"),
        printable(who.origin),
        (_counts(entry.counts) or "nothing") + whence + resumed,
    )


def _widths(rows: Sequence[tuple[str, ...]], columns: int) -> list[int]:
    """As wide as each column is, less where a row would break: first of where it came from."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for column in (_HEAD.index("FROM"), _HEAD.index("WHO"), _HEAD.index("PLAN")):
        surplus = sum(widths) + len("  ") * (len(widths) - 1) - columns
        least = min(widths[column], _NARROWEST)
        widths[column] = max(widths[column] - max(surplus, 0), least)
    return widths


def _lines(
    recorded: Sequence[Recorded],
    rows: Sequence[tuple[str, ...]],
    widths: Sequence[int],
    columns: int,
) -> Iterator[tuple[Recorded, str]]:
    left = iter(rows)
    for each in recorded:
        if isinstance(each, Damaged):
            number = f"{each.number:>{widths[0]}}  "
            lines = wrapped(f"damaged: {each.reason}", columns, " " * len(number), number)
            yield each, "\n".join(lines)
        else:
            yield each, _line(next(left), widths)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first = f"{row[0]:>{widths[0]}}"
    fitted = zip(row[1:], widths[1:], strict=True)
    rest = (f"{shortened(part, width):<{width}}" for part, width in fitted)
    return "  ".join([first, *rest]).rstrip()


def _counts(counts: Mapping[str, int]) -> str:
    """What the plan did, in symbols; nothing where it did nothing."""
    return " ".join(
        f"{sign}{counts[word]}" for word, sign in _signs().items() if counts.get(word, 0)
    )


def _signs() -> Mapping[str, str]:
    words = {str(action): SYMBOLS[action] for action in Action}
    return {**words, "blocked": BLOCKED_SYMBOL}


def _change(change: Mapping[str, Any], columns: int) -> Iterator[str]:
    yield f"  {change.get('symbol', '?')} {printable(str(change.get('address', '')))}"
    blocked = change.get("blocked")
    why = str(change.get("why", ""))
    if isinstance(blocked, dict):
        why = f"blocked ({blocked.get('code')}): {blocked.get('reason')}"
    yield from wrapped(why, columns, " " * 6)


def _outcomes(generation: Generation) -> str:
    counts = dict.fromkeys(Outcome, 0)
    for receipt in generation.receipts:
        counts[receipt.outcome] += 1
    told = (f"{number} {outcome}" for outcome, number in counts.items())
    return ", ".join(told).replace("-", " ")


def _document(each: Recorded) -> dict[str, Any]:
    if isinstance(each, Damaged):
        return {"generation": each.number, "damaged": each.reason}
    return {
        "generation": each.number,
        "at": moment(each.about.at),
        "who": asdict(each.about.who),
        "resumed": each.about.resumed,
        "sources": list(each.about.sources),
        "rollback": _rollback(each.about.rollback),
        "summary": dict(each.counts),
    }


def _rollback(rollback: Rollback | None) -> dict[str, Any] | None:
    if rollback is None:
        return None
    return {**asdict(rollback), "until": moment(rollback.until)}
