"""What is only told: looked up the same way by the daemon and by a command of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aimx.controller.instance import Instance
from aimx.controller.refusal import MachineError
from aimx.controller.review import Review
from aimx.doors.answers import answering, resources
from aimx.doors.exits import Exit
from aimx.doors.intents import noticed
from aimx.doors.wish import Answer, Question, Wish
from desired.frozen import replace
from desired.problem import printable
from reconcilers.consent import Consent
from reconcilers.drift import drift, stated
from reconcilers.generations import Generation, load
from reconcilers.history import history, off_record, plan_of
from reconcilers.inspection import Unknown, addresses, explained
from reconcilers.intents import Intents, Pin
from reconcilers.overdue import overdue
from reconcilers.report.comparison import compared, comparison_document, comparison_text
from reconcilers.report.drift import drift_document, drift_text
from reconcilers.report.explanation import explanation_document, explanation_text
from reconcilers.report.graph import LANGUAGES
from reconcilers.report.past import (
    generation_document,
    generation_text,
    history_document,
    history_text,
    written,
)
from reconcilers.report.standing import status_text


def reported(instance: Instance, wish: Wish, question: Question) -> Answer:
    """What is asked, told; what keeps it from being told is an answer, too."""
    with answering(wish) as answers:
        answers.append(_REPORTS[question.verb](instance, wish, question))
    return answers[0]


def standing(instance: Instance, review: Review, wish: Wish) -> dict[str, Any]:
    """How the resources stand, as a status tells it."""
    desired, every = review.reading.desired, tuple[str, ...]()
    if wish.every:
        with instance.looking() as host:
            every = addresses(desired, host, instance.roots)
    return resources(review.plan, every, overdue(desired, instance.host, instance.roots))


def told(document: Mapping[str, Any], wish: Wish) -> Answer:
    """A status as it was asked for."""
    if wish.view == "json":
        output = written(document)
    else:
        output = status_text(document, columns=wish.columns, every=wish.every, colour=wish.color)
    pending = sum(bool(row["apply"]) for row in document["resources"])
    return Answer(Exit.DONE, output, pending=pending)


def _explain(instance: Instance, wish: Wish, question: Question) -> Answer:
    intents = instance.intents()
    reading = instance.in_force(intents=intents)
    plan = instance.review(reading, Consent(wish.allow_removals)).plan
    aged = overdue(reading.desired, instance.host, instance.roots)
    with instance.looking() as host:
        found = explained(question.address, plan, reading.desired, host, instance.roots, aged)
    if isinstance(found, Unknown):
        raise MachineError(printable(str(found)))
    failed = None
    if found.change is not None:
        from aimx.controller.results import failure  # What is as it should be has none.

        failed = failure(instance.host, instance.roots, question.address)
    found = replace(found, pinned=_pinned(intents), failure=failed)
    if wish.view == "json":
        return Answer(Exit.DONE, written(explanation_document(found)))
    return noticed(Answer(Exit.DONE, explanation_text(found, columns=wish.columns)), intents, wish)


def _graph(instance: Instance, wish: Wish, question: Question) -> Answer:
    intents = instance.intents()
    plan = instance.review(instance.in_force(intents=intents), Consent(wish.allow_removals)).plan
    return Answer(Exit.DONE, LANGUAGES[wish.view](plan, _pinned(intents)))


def _pinned(intents: Intents) -> int:
    """The generation whose manifest is in force; 0 where that is the one on disk."""
    return intents.pin.generation if isinstance(intents.pin, Pin) else 0


def _diff(instance: Instance, wish: Wish, question: Question) -> Answer:
    if question.generations:
        return _comparison(instance, wish, *question.generations)
    with instance.looking() as host:
        found = drift(host, instance.roots)
    if wish.view == "json":
        output = written(drift_document(found))
    else:
        output = drift_text(found, columns=wish.columns, colour=wish.color)
    return Answer(Exit.DONE, output, pending=len(found.changes), blocked=len(found.unsettled))


def _comparison(instance: Instance, wish: Wish, first: int, second: int) -> Answer:
    before, after = _loaded(instance, first), _loaded(instance, second)
    with instance.looking():
        found = compared(before, stated(before.config, first), after, stated(after.config, second))
    if wish.view == "json":
        output = written(comparison_document(found))
    else:
        output = comparison_text(found, columns=wish.columns, colour=wish.color)
    return Answer(Exit.DONE, output, pending=int(not found.is_none))


def _loaded(instance: Instance, number: int) -> Generation:
    with instance.looking() as host:
        generation = load(host, instance.roots, number)
    if generation is None:
        raise MachineError(off_record(number))
    return generation


def _history(instance: Instance, wish: Wish, question: Question) -> Answer:
    if question.generations:
        return _generation(instance, wish, question.generations[0])
    with instance.looking() as host:
        recorded = history(host, instance.roots)
    if wish.view == "json":
        return Answer(Exit.DONE, written(history_document(recorded)))
    return Answer(Exit.DONE, history_text(recorded, columns=wish.columns))


def _generation(instance: Instance, wish: Wish, number: int) -> Answer:
    generation = _loaded(instance, number)
    with instance.looking() as host:
        plan = plan_of(host, instance.roots, number)
    if wish.view == "json":
        return Answer(Exit.DONE, written(generation_document(generation, plan)))
    return Answer(Exit.DONE, generation_text(generation, plan, columns=wish.columns))


_REPORTS: Mapping[str, Callable[[Instance, Wish, Question], Answer]] = {
    "DIFF": _diff,
    "EXPLAIN": _explain,
    "GRAPH": _graph,
    "HISTORY": _history,
}
