"""A plan told to a person: what would happen, why, and what to type next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from desired.problem import printable
from reconcilers.change import Change, Field
from reconcilers.fingerprint import told_alike
from reconcilers.plan import Plan
from reconcilers.report.colour import painted
from reconcilers.report.printable import fitted, noted, wrapped
from reconcilers.report.view import (
    UNSEEN_SYMBOL,
    Advice,
    advice,
    legend,
    remarks,
    summary,
    symbol,
)

_INDENT = " " * 6
_DEEPER = " " * 8
_IN_FULL = 3  # Of those that are blocked for one reason.
_MORE_OF_EACH = (
    f"Of what is blocked alike the first {_IN_FULL} are told in full; `aimx explain ADDRESS`"
    " tells each."
)


def plan_text(
    plan: Plan, *, columns: int = 80, colour: bool = False, saved: str = "", advised: bool = True
) -> str:
    """The whole report; `saved` is the file that the plan was written to, if any.

    Not `advised` is a reader who is about to be asked whether to apply it.
    """
    lines: list[str] = []
    blocked: Counter[str] = Counter()
    for change, told in told_alike(plan, lambda each: tuple(_told(each, plan, columns))):
        lines.append(_head(symbol(change), _named(change), colour=colour))
        code = _own(change, plan)
        blocked[code] += bool(code)
        is_brief = blocked[code] > _IN_FULL
        lines += _briefly(change, columns) if is_brief else told
    if any(number > _IN_FULL for number in blocked.values()):
        lines += wrapped(_MORE_OF_EACH, columns, " " * 2)
    for unsettled in plan.unsettled:
        lines.append(_head(UNSEEN_SYMBOL, unsettled.address, colour=colour))
        lines += wrapped(f"could not be looked at: {unsettled.reason}", columns, _INDENT)
    for note in remarks(plan):
        lines += wrapped(note, columns, " " * 2)
    if plan.changes or plan.unsettled:
        signs = ", ".join(f"{sign} {meaning}" for sign, meaning in legend(plan).items())
        lines += ["", *wrapped(signs, columns, " " * 2), ""]
    elif lines:
        lines.append("")
    lines.append(summary(plan))  # Never broken: scripts look for it.
    for each in advice(plan, saved) if advised or plan.refused else ():
        lines += ["", *_advice(each, columns)]
    return "\n".join(lines) + "\n"


def _named(change: Change) -> str:
    """The resource, and the line of the manifest that asks for it."""
    where = change.where
    return f"{change.address} ({where.file}:{where.line})" if where else change.address


def _own(change: Change, plan: Plan) -> str:
    """The code of what blocks it, unless that stops the whole plan."""
    blocked = change.blocked
    return blocked.code if blocked and blocked != plan.refused else ""


def _briefly(change: Change, columns: int) -> Iterator[str]:
    """That it is blocked, on one line, since others are for the same reason."""
    if blocked := change.blocked:
        told = printable(f"blocked ({blocked.code}): {blocked.reason}")
        yield f"{_INDENT}{fitted(told, columns - len(_INDENT))}"


def _told(change: Change, plan: Plan, columns: int) -> Iterator[str]:
    """Why, and what of it: of a blocked change rather what is in the way."""
    blocked = change.blocked
    wish = f"would {change.action}: " if blocked else ""
    yield from wrapped(f"{wish}{change.why}", columns, _INDENT)
    for field in () if blocked else change.fields:
        yield from wrapped(_field(field), columns, _DEEPER, _INDENT)
    for note in change.notes:
        yield from noted(note, columns, _INDENT)
    if blocked:
        # What stops the whole plan is told once, at its end.
        told = "" if blocked == plan.refused else f": {blocked.reason}"
        yield from wrapped(f"blocked ({blocked.code}){told}", columns, _DEEPER, _INDENT)
        if told:
            yield from wrapped(f"to do: {blocked.remedy}", columns, _DEEPER, _INDENT)


def _head(sign: str, name: str, *, colour: bool) -> str:
    line = f"  {sign} {printable(name)}"
    return painted(sign, line, colour=colour)


def _field(field: Field) -> str:
    if not field.before:
        return f"{field.name}: {field.after}"
    return f"{field.name}: {field.before} -> {field.after or 'nothing'}"


def _advice(advised: Advice, columns: int) -> Iterator[str]:
    yield from wrapped(advised.text, columns, "")
    if advised.command:
        # Never wrapped: it is there to be copied.
        yield f"    {printable(advised.command)}"
