"""A wish -> read, plan, perhaps apply -> an answer: by the daemon, or in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from aimx.controller.activation import Alone
from aimx.controller.instance import Applied, Consent, Instance, Review, StaleError, Watched
from aimx.controller.loop import Controller
from aimx.controller.state import State
from aimx.doors.exits import Exit
from aimx.doors.socket.frames import Code, FrameError
from aimx.doors.wish import Answer, Wish
from desired.manifest import Reading
from desired.problem import ManifestError, Problem, render_problem
from reconcilers.fingerprint import plan_id
from reconcilers.generations import Who
from reconcilers.locks import LockHeldError
from reconcilers.plan import Plan
from reconcilers.report.document import written
from reconcilers.report.progress import apply_text
from reconcilers.report.status import status_rows
from reconcilers.report.text import plan_text
from reconcilers.roots import Roots


def named(roots: Mapping[str, str]) -> Roots:
    """The roots by the names that commands and frames give them."""
    return Roots(
        config=PurePosixPath(roots["config-dir"]),
        data=PurePosixPath(roots["data-dir"]),
        runtime=PurePosixPath(roots["runtime-dir"]),
        manifest=PurePosixPath(roots["manifest"]),
    )


@dataclass(frozen=True, slots=True)
class Direct:
    """Without a daemon: the same, by whoever runs the command."""

    instance: Instance

    @classmethod
    def of(cls, roots: Mapping[str, str], *, may_move: bool) -> Direct:
        """`may_move`: the manifest may say where the mail is, since nobody else did."""
        instance = Instance.of(named(roots))
        if may_move:
            # What is wrong with a manifest is told by whatever is asked next.
            with suppress(ManifestError):
                instance = instance.moved(instance.read(instance.sources()).desired)
        return cls(instance)

    def validate(self, view: str) -> Answer:
        try:
            reading = self.instance.read(self.instance.sources())
        except ManifestError as cause:
            return _invalid(cause, view)
        return _valid(reading, view)

    def plan(self, wish: Wish) -> Answer:
        with _answering(wish) as answers:
            reading = self.instance.read(self.instance.sources())
            review = self.instance.review(reading, Consent(wish.allow_removals))
            answers.append(planned(review, wish))
        return answers[0]

    def apply(self, wish: Wish, plan_id: str | None) -> Answer:
        alone = Alone(self.instance.host, self.instance.roots)
        user = self.instance.host.user()
        who = Who(user.uid, user.name, "aimx apply")
        consent = Consent(wish.allow_removals)
        with _answering(wish) as answers:
            done = self.instance.apply(plan_id, alone, who, consent, Watched())
            answers.append(applied(done, wish))
        return answers[0]

    def status(self, wish: Wish) -> dict[str, Any]:
        state = State(self.instance)
        try:
            reading = self.instance.read(self.instance.sources())
        except ManifestError as cause:
            state.invalid(cause)
            return {**state.document(daemon=False), "resources": [], "unchanged": 0}
        review = self.instance.review(reading, Consent())
        state.valid(reading)
        state.pending(review)
        return {**state.document(daemon=False), **_resources(review.plan)}


@dataclass(frozen=True, slots=True)
class Daemon:
    """With a daemon: its controller is the only one that changes anything."""

    controller: Controller

    async def plan(self, wish: Wish) -> Answer:
        self._check(wish)
        with _answering(wish) as answers:
            review = await self.controller.review(Consent(wish.allow_removals))
            answers.append(planned(review, wish))
        return answers[0]

    async def apply(self, wish: Wish, plan_id: str | None, uid: int) -> Answer:
        self._check(wish)
        who = Who(uid, "", "aimx apply")
        with _answering(wish) as answers:
            done = await self.controller.apply(plan_id, who, Consent(wish.allow_removals))
            answers.append(applied(done, wish))
        return answers[0]

    async def status(self, wish: Wish, uid: int | None) -> dict[str, Any]:
        self._check(wish)
        document = self.controller.state.document(daemon=True)
        if uid is not None:
            return {**_public(document), **self._own(uid)}
        try:
            review = await self.controller.review(Consent())
        except ManifestError:
            return {**document, "resources": [], "unchanged": 0}
        return {**document, **_resources(review.plan)}

    def _own(self, uid: int) -> dict[str, Any]:
        """The caller's mailboxes; nobody learns of another's."""
        routes = self.controller.snapshot().routes.values()
        mine = sorted({route.mailbox for route in routes if route.uid == uid})
        return {"mailboxes": mine, "resources": [], "unchanged": len(mine)}

    def _check(self, wish: Wish) -> None:
        """Refuse a wish that is meant for another instance."""
        roots = self.controller.instance.roots
        ours = {
            "config-dir": roots.config,
            "data-dir": roots.data,
            "runtime-dir": roots.runtime,
            "manifest": roots.manifest,
        }
        for name, path in wish.roots.items():
            if PurePosixPath(path) != ours[name]:
                raise FrameError(Code.ECONFLICT, f"this daemon's {name} is {ours[name]}")


def planned(review: Review, wish: Wish) -> Answer:
    """A plan as it was asked for."""
    plan = review.plan
    if wish.view == "json":
        output = written(plan).decode()
    else:
        warnings = [render_problem(problem) for problem in review.reading.warnings]
        told = plan_text(plan, columns=wish.columns, colour=wish.color)
        output = "\n\n".join([*warnings, told])
    blocked = len(plan.blocked) + len(plan.unsettled)
    return Answer(
        exit=Exit.REFUSED if plan.refused else Exit.DONE,
        output=output,
        plan_id=review.id,
        pending=len(plan.pending) if plan.steps else 0,
        blocked=blocked,
    )


def applied(done: Applied, wish: Wish) -> Answer:
    """How an apply ended, as it was asked for."""
    complete = done.summary.is_complete
    if wish.view == "json":
        output = json.dumps(
            {
                "format": "aimx.apply",
                "format_version": "1.0",
                "plan_id": done.review.id,
                "receipts": [asdict(receipt) for receipt in done.receipts],
                **asdict(done.summary),
            },
            indent=2,
        )
    else:
        output = apply_text(done.receipts, done.summary, columns=wish.columns)
        output += f"{done.trouble}\n" if done.trouble else ""
    return Answer(exit=Exit.DONE if complete else Exit.PARTIAL, output=output)


@contextmanager
def _answering(wish: Wish) -> Iterator[list[Answer]]:
    """What keeps a wish from being carried out is an answer, too."""
    answers: list[Answer] = []
    try:
        yield answers
    except ManifestError as cause:
        answers.append(_invalid(cause, wish.view))
    except LockHeldError as cause:
        answers.append(Answer(Exit.LOCKED, str(cause)))
    except StaleError as cause:
        answers.append(Answer(Exit.STALE, _stale(cause)))


def _stale(cause: StaleError) -> str:
    return f"Nothing was applied: {cause}. Run `aimx plan` to see what it is now."


def _invalid(cause: ManifestError, view: str) -> Answer:
    if view == "json":
        return Answer(Exit.INVALID, _problems(cause.problems))
    shown = [render_problem(problem) for problem in cause.problems]
    errors = sum(problem.severity == "error" for problem in cause.problems)
    count = "1 error" if errors == 1 else f"{errors} errors"
    return Answer(Exit.INVALID, "\n\n".join([*shown, f"{count}; nothing was changed."]))


def _valid(reading: Reading, view: str) -> Answer:
    if view == "json":
        return Answer(Exit.DONE, _problems(reading.warnings))
    desired = reading.desired
    shown = [render_problem(problem) for problem in reading.warnings]
    counted = f"domains: {len(desired.domains)}, mailboxes: {len(desired.mailboxes)}"
    return Answer(Exit.DONE, "\n\n".join([*shown, f"The manifest is valid ({counted})."]))


def _problems(problems: tuple[Problem, ...]) -> str:
    return json.dumps([asdict(problem) for problem in problems], indent=2)


def _resources(plan: Plan) -> dict[str, Any]:
    rows = [
        {
            "drift": "#" if row.drifted else "",
            "apply": row.symbol,
            "address": row.address,
            "why": row.why,
        }
        for row in status_rows(plan)
    ]
    return {"resources": rows, "unchanged": plan.unchanged, "plan_id": plan_id(plan)}


def _public(document: dict[str, Any]) -> dict[str, Any]:
    """What anybody may know: that it runs, and how well; not why."""
    conditions = [{**each, "message": ""} for each in document["conditions"]]
    return {**document, "conditions": conditions}
