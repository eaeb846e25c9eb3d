"""How an instance stands, told from its status document: for a terminal, the newest news last.

What matters most stands at the end, since that is what is left on a screen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from desired.problem import printable
from reconcilers.change import BLOCKED_SYMBOL
from reconcilers.counted import counted
from reconcilers.report.colour import painted
from reconcilers.report.printable import fitted, wrapped
from reconcilers.report.view import MEANINGS, UNSEEN_SYMBOL

# More would push the rest off any screen, and `aimx status --all` has them.
_ROWS = 40
# A line of a manifest that is shown, or what points into it.
_QUOTED = re.compile(r" *[0-9]* \|")
_STUCK = (BLOCKED_SYMBOL, UNSEEN_SYMBOL)
_NARROWEST_WHY = 12
_WIDEST_ADDRESS = 44


def status_text(
    document: Mapping[str, Any], *, columns: int = 80, every: bool = False, colour: bool = False
) -> str:
    """The resources in two columns, the conditions, and the line that says it all."""
    if "mailboxes" in document:
        resources = _mailboxes(document)
    else:
        resources = _table(document, columns, None if every else _ROWS, colour=colour)
    conditions = _conditions(document["conditions"], columns)
    parts = [list(each) for each in (resources, conditions, _summary(document, columns))]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _mailboxes(document: Mapping[str, Any]) -> Iterator[str]:
    yield "Your mailboxes:"
    yield from (f"  {printable(each)}" for each in document["mailboxes"] or ["none"])


def _table(
    document: Mapping[str, Any], columns: int, most: int | None, *, colour: bool
) -> Iterator[str]:
    # What waits for somebody must not be among those that are left out.
    rows = sorted(document["resources"], key=lambda row: row["apply"] not in _STUCK)
    if not rows:
        return
    shown = rows[:most]
    width = min(max(len(printable(row["address"])) for row in shown), _WIDEST_ADDRESS)
    results = document.get("results", {})
    for row in shown:
        head, told = _row(row, results.get(row["address"], {}), width, columns)
        yield f"{painted(row['apply'], head, colour=colour)}{told}".rstrip()
    if len(shown) < len(rows):
        more = f"and {len(rows) - len(shown):,} more, which `aimx status --all` lists"
        yield from wrapped(more, columns, " " * 4)
    if legend := _legend(shown):
        yield ""
        yield from wrapped(legend, columns, "  ")


def _row(
    row: Mapping[str, Any], last: Mapping[str, Any], width: int, columns: int
) -> tuple[str, str]:
    """A line for each resource, which never breaks: its address whole, the rest as it fits."""
    head = f"  {row['drift'] or ' '}{row['apply'] or ' '} {printable(row['address']):<{width}}"
    told = ": ".join(filter(None, (_last(last, settled=not row["apply"]), row["why"])))
    left = columns - len(head) - 2
    return head, f"  {fitted(printable(told), left)}" if left >= _NARROWEST_WHY else ""


def _last(last: Mapping[str, Any], *, settled: bool) -> str:
    """What became of a resource last, and when it is tried again, where that is known."""
    outcome = last.get("outcome", "")
    if outcome == "done":
        return f"done {last['at']}" if settled else ""
    retry = f", again at {last['next_retry']}" if last.get("next_retry") else ""
    return f"{outcome}{retry}"


def _legend(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the two columns mean, as far as they are used."""
    drift = ["# drifted since the last apply"] if any(row["drift"] for row in rows) else []
    used = {row["apply"] for row in rows}
    signs = [f"{sign} {meaning}" for sign, meaning in MEANINGS.items() if sign in used]
    return ", ".join([*drift, *signs])


def _conditions(conditions: Sequence[Mapping[str, str]], columns: int) -> Iterator[str]:
    for condition in conditions:
        since = f"since {condition['since']}" if condition["since"] else ""
        parts = (f"{condition['type']:<16}", f"{condition['status']:<8}", f"{since:<26}")
        yield f"  {''.join(parts)}  {printable(condition['reason'])}".rstrip()
        yield from _message(condition, columns)


def _message(condition: Mapping[str, str], columns: int) -> Iterator[str]:
    lines = condition["message"].split("\n") if condition["message"] else []
    if condition["type"] == "Drifted":
        return  # The table has it.
    if condition["type"] == "ManifestValid":
        for line in lines:
            if _QUOTED.match(line):
                # Wrapped, a caret would point at nothing.
                yield f"      {printable(line)}".rstrip()
            else:
                yield from wrapped(line, columns, " " * 8, " " * 6)
        return
    for line in lines:
        yield from wrapped(line, columns, " " * 8, " " * 6)


def _summary(document: Mapping[str, Any], columns: int) -> Iterator[str]:
    watched = any(condition["reason"] == "NoEngine" for condition in document["conditions"])
    serving = "running" if document["daemon"] else "not running"
    alone = " without the mail engine (`aimx watch`)" if watched else ""
    yield f"Generation {document['generation']}, daemon {serving}{alone}."
    behind = document["engine_generation"] != document["generation"]
    if document["daemon"] and not watched and behind:
        yield f"The engine is at generation {document['engine_generation']}."
    if "mailboxes" not in document:
        yield from _pinned(document.get("pin"), columns)
        yield from wrapped(_counted(document), columns, "")


def _pinned(pin: Mapping[str, Any] | None, columns: int) -> Iterator[str]:
    """Which manifest is in force, where it is not the one on disk."""
    if not pin:
        return
    reason = f": {pin['reason']}" if pin["reason"] else "."
    told = f"Pinned to the manifest of generation {pin['generation']} until {pin['until']}{reason}"
    yield from wrapped(told, columns, "")
    if pin["manifest_changed"]:
        edited = "The manifest was edited since; `aimx resume` puts it in force."
        yield from wrapped(edited, columns, "")


def _counted(document: Mapping[str, Any]) -> str:
    if "plan_id" not in document:
        return "What an apply would do cannot be told while the manifest is invalid."
    settled = document["unchanged"]
    pending = sum(bool(row["apply"]) for row in document["resources"])
    total = counted(settled + pending, "resource")
    if not pending:
        return f"{total}, all as the manifest says."
    verb = "is" if pending == 1 else "are"
    return f"{pending:,} of {total} {verb} not as the manifest says; `aimx plan` tells why."
