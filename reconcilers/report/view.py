"""What there is to tell of a plan: every form of report tells the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from desired.frozen import frozen
from reconcilers.change import BLOCKED_SYMBOL, SYMBOLS, Action, Change
from reconcilers.plan import Plan

UNSEEN_SYMBOL = "?"

MEANINGS = {
    "+": "create",
    "~": "update or repair",
    ">": "move, mail untouched",
    "&": "adopt what is there",
    "q": "quarantine: the mail becomes a tombstone",
    ".": "forget: the data stays",
    "-": "delete",
    "!": "blocked",
    "?": "could not be looked at",
}

# In the order of the summary line, which scripts read.
_COUNTED: Mapping[str, tuple[Action, ...]] = {
    "create": (Action.CREATE,),
    "update": (Action.UPDATE, Action.REPAIR),
    "move": (Action.MOVE,),
    "adopt": (Action.ADOPT,),
    "quarantine": (Action.QUARANTINE,),
    "delete": (Action.DELETE,),
    "unchanged": (),
    "forget": (Action.FORGET,),
    "blocked": (),
}
_BARE = ("unchanged", "blocked")  # Not things to do.


def symbol(change: Change) -> str:
    return BLOCKED_SYMBOL if change.blocked else SYMBOLS[change.action]


def counts(plan: Plan) -> dict[str, int]:
    """How many resources of each, zeros included."""
    done = Counter(change.action for change in plan.pending)
    numbers = {word: sum(done[each] for each in actions) for word, actions in _COUNTED.items()}
    return numbers | {"unchanged": plan.unchanged, "blocked": len(plan.blocked)}


def summary(plan: Plan) -> str:
    """The one line that says it all, in a form that does not change."""
    if plan.is_empty:
        return f"No changes. The machine matches the manifest (generation {plan.generation})."
    told = (
        f"{n} {word}" if word in _BARE else f"{n} to {word}" for word, n in counts(plan).items()
    )
    return f"Plan: {', '.join(told)}."


def remarks(plan: Plan) -> tuple[str, ...]:
    """What a reader should know beside the changes, a sentence each.

    What is lacking is told where what it concerns changes; the status has it as long as it is so.
    """
    changing = {change.kind for change in plan.changes} if plan.lacking else set()
    lacking = (str(each) for each in plan.lacking if each.concerns in changing)
    return (*lacking, *plan.notes)


def legend(plan: Plan) -> dict[str, str]:
    """The symbols that this plan uses, and what they mean."""
    used = {symbol(change) for change in plan.changes}
    if plan.unsettled:
        used.add(UNSEEN_SYMBOL)
    return {sign: meaning for sign, meaning in MEANINGS.items() if sign in used}


@frozen
class Advice:
    """What to do next."""

    text: str
    command: str = ""  # To be typed as it stands; empty where something else comes first.


def advice(plan: Plan, saved: str = "") -> Iterator[Advice]:
    """What the reader does next; `saved` is the file that the plan was written to, if any."""
    if plan.is_empty:
        return
    if plan.refused:
        yield Advice(
            f"Nothing of it is applied: {plan.refused.reason}. {_sentence(plan.refused.remedy)}"
        )
    elif plan.pending:
        command = f"aimx apply {saved}" if saved else f"aimx apply{' --purge' * plan.purges}"
        yield Advice("To do this, run:", command)
    elif plan.blocked:
        yield Advice("There is nothing to apply but what is blocked.")
    if plan.unsettled:
        yield Advice("Nothing is planned for what could not be looked at.")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
