"""A plan as a comment below a change that is proposed: nothing in it is markup but what we write.

Names, reasons and commands come from a manifest that anybody may have proposed. Each stands in
`<code>`, every sign of it as a character reference, so that it can neither end a cell or a block,
nor link, nor call somebody by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from desired.problem import printable
from reconcilers.change import Change
from reconcilers.fingerprint import plan_id
from reconcilers.plan import Plan
from reconcilers.report.view import UNSEEN_SYMBOL, advice, counts, remarks, summary, symbol

# By which whoever posts it finds the comment of last time, to write over it.
MARKER = "<!-- aimx plan -->"
# What forges take, with room for what stands around it.
_LARGEST = 60_000
_OPEN = 50  # Rows beyond which the table is folded, and blocks beyond which none is shown.
_PLAIN = frozenset(" abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_LONGEST = 400  # Characters of one cell.


def plan_markdown(plan: Plan, *, saved: str = "") -> str:
    """The whole comment, what is blocked first; `saved` is the file of the plan, if any."""
    rows = [*_blocked(plan), *_unseen(plan), *_pending(plan)]
    lines = [MARKER, "### aimx plan", "", _code(summary(plan)), ""]
    if plan.refused:
        lines += [f"**Refused:** {_code(plan.refused.reason)}", ""]
    lines += _table(rows)
    lines += [*_counted(plan), *(f"\n{_code(note)}" for note in remarks(plan))]
    lines += _copied(plan)
    for each in advice(plan, saved):
        lines += ["", _code(each.text)]
        if each.command:
            lines += ["", f"<pre><code>{_escaped(each.command)}</code></pre>"]
    lines += ["", f"Plan {_code(plan_id(plan))}"]
    return "\n".join(lines) + "\n"


def _blocked(plan: Plan) -> Iterator[str]:
    for change in plan.blocked:
        assert change.blocked is not None
        told = f"{change.why}. Blocked ({change.blocked.code}): {change.blocked.reason}"
        yield _row(symbol(change), change.address, told, _where(change))


def _unseen(plan: Plan) -> Iterator[str]:
    for each in plan.unsettled:
        yield _row(UNSEEN_SYMBOL, each.address, f"could not be looked at: {each.reason}", "")


def _pending(plan: Plan) -> Iterator[str]:
    for change in plan.pending:
        told = "; ".join(
            (change.why, *(f"{f.name}: {f.before} -> {f.after}" for f in change.fields))
        )
        yield _row(symbol(change), change.address, told, _where(change))


def _copied(plan: Plan) -> Iterator[str]:
    """What the notes have for the manifest."""
    notes = ((change, note) for change in plan.changes for note in change.notes if "\n" in note)
    for change, note in islice(notes, _OPEN):
        sentence, *copied = note.split("\n")
        yield from ("", f"{_code(change.address)}: {_code(sentence)}", "")
        yield f"<pre><code>{'&#10;'.join(map(_escaped, copied))}</code></pre>"


def _where(change: Change) -> str:
    return f"{change.where.file}:{change.where.line}" if change.where else ""


def _row(sign: str, address: str, told: str, where: str) -> str:
    return f"| {_code(sign)} | {_code(address)} | {_code(told)} | {_code(where)} |"


def _table(rows: Sequence[str]) -> Iterator[str]:
    if not rows:
        return
    kept, room = [], _LARGEST
    for row in rows:
        room -= len(row.encode()) + 1
        if room < 0:
            break
        kept.append(row)
    folded = len(kept) > _OPEN
    if folded:
        yield from ("<details>", f"<summary>{len(rows)} resources</summary>", "")
    yield from ("| | resource | why | asked for in |", "|---|---|---|---|", *kept)
    if folded:
        yield from ("", "</details>")
    if len(kept) < len(rows):
        yield from ("", f"{len(rows) - len(kept)} more are left out here.")
    yield ""


def _counted(plan: Plan) -> Iterator[str]:
    numbers = counts(plan)
    yield "| " + " | ".join(numbers) + " |"
    yield "|" + "---|" * len(numbers)
    yield "| " + " | ".join(map(str, numbers.values())) + " |"


def _code(text: str) -> str:
    if not text:
        return ""
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return f"<code>{_escaped(short)}</code>"


def _escaped(text: str) -> str:
    """CommonMark 6.2: a character reference stands for itself, and never for structure."""
    return "".join(c if c in _PLAIN else f"&#{ord(c)};" for c in printable(text))
