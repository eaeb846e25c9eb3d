"""Back to layout 1, shown or carried out by a command alone: no daemon of ours runs on that."""

from __future__ import annotations

from functools import partial

from aimx.controller.alone import Alone
from aimx.controller.instance import Instance
from aimx.controller.watched import Watched
from aimx.doors.exits import Exit
from aimx.doors.tombstones import finished
from aimx.doors.wish import Answer, Wish
from reconcilers.downgrade import downgrade
from reconcilers.fingerprint import plan_id
from reconcilers.generations import Who
from reconcilers.journal import unfinished
from reconcilers.plan import Plan
from reconcilers.report.document import written
from reconcilers.report.text import plan_text


def shown(instance: Instance, wish: Wish) -> Answer:
    """What it takes, nothing changed yet."""
    plan = _plan(instance)
    told = plan_text(plan, columns=wish.columns, colour=wish.color, advised=False)
    return Answer(
        exit=Exit.REFUSED if plan.refused else Exit.DONE,
        output=written(plan).decode() if wish.view == "json" else told,
        plan_id=plan_id(plan),
        pending=0 if plan.refused else len(plan.pending),
        blocked=len(plan.blocked),
        interrupted=unfinished(instance.host, instance.roots),
    )


def carried_out(
    instance: Instance, wish: Wish, expected: str, who: Who, watched: Watched
) -> Answer:
    """Do it, if the plan is still the one of this id; a daemon can neither run nor start."""
    alone = Alone(instance.host, instance.roots)
    with instance.unserved(who):
        done = instance.run(partial(_plan, instance), expected, alone, who, watched)
    return finished(done, wish)


def _plan(instance: Instance) -> Plan:
    desired = instance.in_force().desired
    with instance.looking() as host:
        return downgrade(desired, host, instance.roots)
