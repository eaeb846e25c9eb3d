"""A wish carried out in this process, where no daemon runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from aimx.controller import amendments
from aimx.controller.alone import Alone
from aimx.controller.amendments import Amendment
from aimx.controller.instance import Instance
from aimx.controller.pinned import PinError
from aimx.controller.sources import digest
from aimx.controller.terms import EVERY, Applied, Consent, StaleError, Watched, is_meant
from aimx.doors import intents
from aimx.doors.answers import against, answering, applied, consent, invalid, planned, valid
from aimx.doors.unread import Count, counted, uncounted
from aimx.doors.wish import Answer, Errand, Intent, Question, Wish
from desired.problem import ManifestError
from reconcilers.generations import Who
from reconcilers.journal import unfinished
from reconcilers.receipt import Outcome
from reconcilers.report.saved import SavedPlan
from reconcilers.roots import Roots
from reconcilers.state import require_ours
from reconcilers.step import Phase

_UNSERVED = "No daemon runs here to take it up; `aimx serve` begins with it.\n"


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
    count: Count = uncounted

    @classmethod
    def of(cls, roots: Mapping[str, str], *, may_move: bool, count: Count = uncounted) -> Direct:
        """`may_move`: the manifest may say where the mail is, since nobody else did."""
        instance = Instance.of(named(roots))
        if may_move:
            # What is wrong with a manifest is told by whatever is asked next.
            with suppress(ManifestError):
                instance = instance.moved(instance.read(instance.sources()).desired)
        return cls(instance, count)

    def validate(self, view: str) -> Answer:
        try:
            reading = self.instance.read(self.instance.sources())
        except ManifestError as cause:
            return invalid(cause, view)
        return valid(reading, view)

    def plan(self, wish: Wish) -> Answer:
        with answering(wish) as answers:
            with self.instance.looking() as host:
                require_ours(host, self.instance.roots)
            if wish.amendment:
                _, review = self.instance.proposing(wish.amendment, consent(wish))
            else:
                review = self.instance.review(self.instance.in_force(), consent(wish))
                # Of an amendment what may not go is left to do.
                self.instance.foresee(review)
            review = counted(review, self.instance, self.count)
            interrupted = unfinished(self.instance.host, self.instance.roots)
            position = self.instance.position()
            shown = planned(review, wish, self.instance.roots, position, interrupted=interrupted)
            answers.append(intents.noticed(shown, self.instance.intents(), wish))
        return answers[0]

    def apply(self, wish: Wish, plan_id: str | None, watched: Watched) -> Answer:
        with answering(wish) as answers:
            done = self._applied(plan_id, consent(wish), watched, amendment=wish.amendment)
            answers.append(_ended(done, wish))
        return answers[0]

    def apply_saved(self, wish: Wish, content: bytes, watched: Watched) -> Answer:
        with answering(wish) as answers:
            saved = self.instance.load(content)
            with against(saved):
                agreed = Consent(saved.allow_removals, saved.purge)
                done = self._applied(saved.plan_id, agreed, watched, saved)
            answers.append(_ended(done, wish))
        return answers[0]

    def _applied(
        self,
        plan_id: str | None,
        consent: Consent,
        watched: Watched,
        saved: SavedPlan | None = None,
        amendment: Amendment | None = None,
    ) -> Applied:
        alone = Alone(self.instance.host, self.instance.roots)
        user = self.instance.host.user()
        who = Who(user.uid, user.name, _origin(amendment))
        return self.instance.apply(
            plan_id, alone, who, consent, watched, saved, amendment=amendment
        )

    def intend(self, wish: Wish, intent: Intent, watched: Watched) -> Answer:
        user = self.instance.host.user()
        who = Who(user.uid, user.name, f"aimx {intent.verb.lower()}")
        with answering(wish) as answers:
            match intent.verb:
                case "ROLLBACK":
                    answers.append(self._gone_back(wish, intent, who, watched))
                case "SUSPEND":
                    now = self.instance.host.now()
                    suspension = intents.suspension(intent, who.uid, now)
                    self.instance.suspend(suspension)
                    answers.append(intents.suspended(suspension))
                case "RESUME":
                    answers.append(intents.resumed(self.instance.resume(who)))
                case "APPROVE":
                    answers.append(self._approved(wish, intent, who, watched))
        return answers[0]

    def _gone_back(self, wish: Wish, intent: Intent, who: Who, watched: Watched) -> Answer:
        instance, consent = self.instance, Consent(wish.allow_removals)
        pin = instance.back(intents.back(intent, who.uid))
        if not intent.plan:
            review = instance.review(instance.in_force(pin), consent)
            review = counted(review, instance, self.count)
            return intents.way_back(review, pin, wish, instance)
        alone = Alone(instance.host, instance.roots)
        done = instance.apply(intent.plan, alone, who, consent, watched, pin=pin)
        return intents.gone_back(_ended(done, wish), pin, wish, holds=instance.holds(pin))

    def _approved(self, wish: Wish, intent: Intent, who: Who, watched: Watched) -> Answer:
        instance, consent = self.instance, Consent(EVERY)
        alone = Alone(instance.host, instance.roots)
        review = instance.review(instance.in_force(), consent)
        if not is_meant(intent.plan, review.id):
            return intents.outdated(review.plan, wish)
        try:
            return _ended(instance.apply(review.id, alone, who, consent, watched), wish)
        except StaleError as cause:
            return intents.outdated(cause.plan, wish)

    # What a plan does not take is imported by who asks for it: a plan shall start at once.

    def report(self, wish: Wish, question: Question) -> Answer:
        from aimx.doors.reports import reported

        return reported(self.instance, wish, question)

    def tombstones(
        self, wish: Wish, errand: Errand, plan_id: str | None, watched: Watched
    ) -> Answer:
        from aimx.doors.tombstones import finished, plan_of, shown

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

    def downgrade(self, wish: Wish, plan_id: str | None, watched: Watched) -> Answer:
        from aimx.doors import downgrade

        user = self.instance.host.user()
        who = Who(user.uid, user.name, "aimx rollback --layout 1")
        with answering(wish) as answers:
            if plan_id is None:
                answers.append(downgrade.shown(self.instance, wish))
            else:
                answers.append(downgrade.carried_out(self.instance, wish, plan_id, who, watched))
        return answers[0]

    def status(self, wish: Wish) -> Answer:
        from aimx.doors.reports import told

        with answering(wish) as answers:
            answers.append(told(self._status(wish), wish))
        return answers[0]

    def _status(self, wish: Wish) -> dict[str, Any]:
        from aimx.controller.state import State  # Its log is the daemon's.
        from aimx.doors.reports import standing

        state = State.after(self.instance)
        state.intended(self.instance.intents())
        try:
            sources = self.instance.sources()
            state.known(digest(sources))
            state.valid(self.instance.read(sources))
        except ManifestError as cause:
            state.invalid(cause)
        try:
            reading = self.instance.in_force()
        except (ManifestError, PinError):
            return {**state.document(daemon=False), "resources": [], "unchanged": 0}
        review = self.instance.review(reading, Consent())
        state.attempted(reading)
        state.pending(review)
        return {**state.document(daemon=False), **standing(self.instance, review, wish)}


def _origin(amendment: Amendment | None) -> str:
    return f"aimx {amendments.command(amendment)}" if amendment else "aimx apply"


def _ended(done: Applied, wish: Wish) -> Answer:
    """How an apply ended, and that nobody is there to run on what it wrote."""
    answer = applied(done, wish)
    swaps = {step.id for step in done.review.plan.steps if step.phase is Phase.COMMIT}
    swapped = any(each.step in swaps and each.outcome is Outcome.DONE for each in done.receipts)
    if wish.view == "json" or not swapped:
        return answer
    return replace(answer, output=f"{answer.output}{_UNSERVED}")
