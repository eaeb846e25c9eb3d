"""A wish carried out in this process, where no daemon runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from aimx.controller.alone import Alone
from aimx.controller.instance import Applied, Consent, Instance, Watched
from aimx.doors.answers import against, answering, applied, invalid, planned, valid
from aimx.doors.reports import reported, standing, told
from aimx.doors.tombstones import finished, plan_of, shown
from aimx.doors.wish import Answer, Errand, Question, Wish
from desired.problem import ManifestError
from reconcilers.generations import Who
from reconcilers.journal import unfinished
from reconcilers.report.saved import SavedPlan
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
            return invalid(cause, view)
        return valid(reading, view)

    def plan(self, wish: Wish) -> Answer:
        with answering(wish) as answers:
            reading = self.instance.read(self.instance.sources())
            review = self.instance.review(reading, Consent(wish.allow_removals))
            self.instance.foresee(review)
            interrupted = unfinished(self.instance.host, self.instance.roots)
            position = self.instance.position()
            answers.append(
                planned(review, wish, self.instance.roots, position, interrupted=interrupted)
            )
        return answers[0]

    def apply(self, wish: Wish, plan_id: str | None, watched: Watched) -> Answer:
        with answering(wish) as answers:
            consent = Consent(wish.allow_removals)
            answers.append(applied(self._applied(plan_id, consent, watched), wish))
        return answers[0]

    def apply_saved(self, wish: Wish, content: bytes, watched: Watched) -> Answer:
        with answering(wish) as answers:
            saved = self.instance.load(content)
            with against(saved):
                consent = Consent(saved.allow_removals)
                done = self._applied(saved.plan_id, consent, watched, saved)
            answers.append(applied(done, wish))
        return answers[0]

    def _applied(
        self,
        plan_id: str | None,
        consent: Consent,
        watched: Watched,
        saved: SavedPlan | None = None,
    ) -> Applied:
        alone = Alone(self.instance.host, self.instance.roots)
        user = self.instance.host.user()
        who = Who(user.uid, user.name, "aimx apply")
        return self.instance.apply(plan_id, alone, who, consent, watched, saved)

    def report(self, wish: Wish, question: Question) -> Answer:
        return reported(self.instance, wish, question)

    def tombstones(
        self, wish: Wish, errand: Errand, plan_id: str | None, watched: Watched
    ) -> Answer:
        with answering(wish) as answers:
            if plan_id is None:
                answers.append(shown(self.instance, wish, errand))
            else:
                planned = partial(plan_of, self.instance, errand)
                alone = Alone(self.instance.host, self.instance.roots)
                user = self.instance.host.user()
                who = Who(user.uid, user.name, f"aimx tombstones {errand.does}")
                answers.append(
                    finished(self.instance.run(planned, plan_id, alone, who, watched), wish)
                )
        return answers[0]

    def status(self, wish: Wish) -> Answer:
        with answering(wish) as answers:
            answers.append(told(self._status(wish), wish))
        return answers[0]

    def _status(self, wish: Wish) -> dict[str, Any]:
        from aimx.controller.state import State  # Its log is the daemon's.

        state = State(self.instance)
        try:
            reading = self.instance.read(self.instance.sources())
        except ManifestError as cause:
            state.invalid(cause)
            return {**state.document(daemon=False), "resources": [], "unchanged": 0}
        review = self.instance.review(reading, Consent())
        state.valid(reading)
        state.pending(review)
        return {**state.document(daemon=False), **standing(self.instance, review, wish)}
