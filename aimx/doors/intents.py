"""What is said of pins, suspensions and approvals: the same by the daemon and without one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from aimx.controller.instance import Instance
from aimx.controller.review import Review, short
from aimx.doors.answers import planned
from aimx.doors.exits import Exit
from aimx.doors.refusal import refused
from aimx.doors.wish import Answer, Intent, Wish
from desired.frozen import replace
from desired.problem import printable
from desired.quantities import parse_duration
from reconcilers.change import Blocked
from reconcilers.fingerprint import plan_id
from reconcilers.generations import Who
from reconcilers.intents import Damaged, Intents, Pin, Suspension, author
from reconcilers.plan import Plan
from reconcilers.report.text import plan_text

if TYPE_CHECKING:
    from aimx.controller.pinned import Back


def back(intent: Intent, who: Who) -> Back:
    from aimx.controller.pinned import USUALLY, Back  # Hardly any wish is to go back.

    lasting = parse_duration(intent.lasting) if intent.lasting else USUALLY
    return Back(who.uid, intent.generation, intent.reason, lasting, who.account)


def suspension(intent: Intent, who: Who, now: datetime) -> Suspension:
    until = now + parse_duration(intent.lasting)
    return Suspension(until, intent.reason, who.uid, now, who.account)


def noticed(answer: Answer, intents: Intents, wish: Wish) -> Answer:
    """The plan, below what somebody said about applying."""
    told = "" if wish.view == "json" else notice(intents)
    return replace(answer, output=f"{told}\n\n{answer.output}") if told else answer


def notice(intents: Intents) -> str:
    """What somebody said about applying that still holds; empty where nobody did."""
    told = []
    if isinstance(intents.pin, Pin):
        told.append(
            f"Pinned {_said(intents.pin)}\nThe manifest of generation"
            f" {intents.pin.generation} is in force. The one on disk is not; `aimx resume` puts it"
            " in force again."
        )
    if isinstance(intents.suspension, Suspension):
        told.append(
            f"Suspended {_said(intents.suspension)}\nThe daemon applies nothing by itself;"
            " `aimx apply` does, since somebody asks for it."
        )
    told += [f"{it}." for it in (intents.pin, intents.suspension) if isinstance(it, Damaged)]
    return "\n".join(told)


def shown(review: Review, pin: Pin, wish: Wish, instance: Instance) -> Answer:
    """The plan towards the manifest of an earlier generation, nothing changed yet."""
    named = replace(review, plan=_named(review.plan, pin.generation))
    answer = planned(named, wish, instance.roots, "")
    if wish.view == "json":
        return answer
    first = f"Back from generation {pin.former} to the manifest of generation {pin.generation}."
    return replace(answer, output=f"{first}\n\n{answer.output}")


def _named(plan: Plan, generation: int) -> Plan:
    """The plan, with the command that lets more go where a guard names that of an apply."""

    def told(blocked: Blocked | None) -> Blocked | None:
        if blocked is None:
            return None
        here = f"`aimx rollback {generation} --allow-removals"
        return replace(blocked, remedy=blocked.remedy.replace("`aimx apply --allow-removals", here))

    changes = tuple(replace(each, blocked=told(each.blocked)) for each in plan.changes)
    return replace(plan, changes=changes, refused=told(plan.refused))


def gone_back(answer: Answer, pin: Pin, wish: Wish, *, holds: bool) -> Answer:
    """How a rollback ended."""
    if wish.view == "json":
        return answer
    if not holds:
        told = "Nothing is pinned, since the engine goes on as before."
    else:
        told = (
            f"The manifest of generation {pin.generation} is pinned {_said(pin)}\nEdits of the"
            " manifest wait until then; `aimx resume` lifts the pin."
        )
    return replace(answer, output=f"{answer.output.rstrip()}\n{told}\n")


def suspended(said: Suspension) -> Answer:
    return Answer(
        Exit.DONE,
        f"Suspended {_said(said)}\nMail flows on, and `aimx apply` works; `aimx resume` ends it.",
    )


def resumed(before: Intents) -> Answer:
    """What held until now."""
    told = []
    if isinstance(before.pin, Pin):
        told.append(
            f"The pin of generation {before.pin.generation} is lifted: the manifest on disk is in"
            " force again."
        )
    if isinstance(before.suspension, Suspension):
        told.append("The suspension has ended.")
    both = (before.pin, before.suspension)
    told += [f"{it.path} is removed." for it in both if isinstance(it, Damaged)]
    return Answer(Exit.DONE, "\n".join(told or ["Nothing was pinned or suspended."]))


def outdated(now: Plan, wish: Wish) -> Answer:
    """The plan that somebody approves is not the one that waits."""
    if now.is_empty:
        told = "nothing was applied: no plan waits for approval"
        return refused(Exit.STALE, told, wish.view)
    told = plan_text(now, columns=wish.columns, colour=wish.color, advised=False)
    text = (
        "nothing was applied: that is not the plan that waits. It is now:\n\n"
        f"{told.rstrip()}\n\nTo do this, run:\n    aimx approve {short(plan_id(now))}"
    )
    return replace(refused(Exit.STALE, text, wish.view), plan_id=plan_id(now))


def _said(said: Pin | Suspension) -> str:
    from aimx.mail.dates import rfc3339  # Seldom is anything held.

    reason = f": {printable(said.reason)}" if said.reason else "."
    return f"until {rfc3339(said.until)}, by {printable(author(said))}{reason}"
