"""A wish carried out about an instance: the same by a daemon and by a command alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from aimx.controller.account import Account, Applied
from aimx.controller.refusal import PinError, StaleError
from aimx.controller.review import Review, is_meant
from aimx.controller.workplace import Workplace
from aimx.doors import intents
from aimx.doors.answers import against, answering, applied, consent, planned
from aimx.doors.unread import counted
from aimx.doors.wish import Answer, Errand, Intent, Question, Wish
from desired.frozen import field, frozen, mutable, replace
from desired.problem import ManifestError, printable
from reconcilers.consent import EVERY, Consent
from reconcilers.generations import Who
from reconcilers.report.saved import SavedPlan

_LINES = 40  # Of a patch; whoever removes hundreds of mailboxes knows which.
_UNSERVED = "No daemon runs here to take it up; `aimx serve` begins with it.\n"


@frozen
class Look:
    """Show what an apply would do."""


@frozen
class Apply:
    """Carry out the plan of this id; None: whatever the plan is now."""

    plan: str | None


@frozen
class ApplySaved:
    """Carry out exactly the plan that was saved with this content."""

    content: str


@frozen
class Tombstones:
    """List them, show what would be done about one, or carry out the plan of this id."""

    errand: Errand
    plan_id: str | None = None


@frozen
class Standing:
    """Tell how the resources stand, as data."""

    every: bool  # Also those that are as they should be.


About: TypeAlias = Look | Apply | ApplySaved | Intent | Question | Tombstones | Standing


@frozen
class Answered:
    """The answer, and what it was an answer after."""

    answer: Answer
    account: Account | None = None  # Of the apply, where there was one.
    refused: str = ""  # Why the engine does not run on what it could run on.


@frozen
class Wished:
    """Somebody's wish, as a job."""

    wish: Wish
    about: About
    uid: int = 0  # Of whoever wishes.
    account: str = ""  # Their name, where it is known.

    def done(self, at: Workplace) -> Answered:
        """Also what keeps a wish from being carried out is an answer."""
        carried = _Carried(at, self.wish, self)
        with answering(self.wish) as answers:
            answers.append(carried.answer(self.about))
        done = carried.applied
        if done is None:
            return Answered(answers[0])
        from aimx.controller.results import account  # A plan has none.

        return Answered(answers[0], account(done), "" if done.swapped else at.engine.refresh())

    def outright(
        self, at: Workplace, show: Callable[[Answer], None]
    ) -> tuple[Answer, Answer | None]:
        """What an apply would do, and how it ended where there is anything to do.

        It is planned once, under the lock, shown, and carried out.
        """
        carried = _Carried(at, self.wish, self)
        with answering(self.wish) as answers:
            answers.append(carried.outright(show))
        if carried.shown is None:
            return answers[0], None
        return carried.shown, answers[0]

    @property
    def who(self) -> Who:
        return Who(self.uid, self.account, self._origin)

    @property
    def _origin(self) -> str:
        match self.about:
            case Intent(verb):
                return f"aimx {verb.lower()}"
            case Tombstones(errand):
                return f"aimx tombstones {errand.does}"
            case _:
                if self.wish.amendment is None:
                    return "aimx apply"
                from aimx.controller.amendments import command  # Most wishes amend nothing.

                return f"aimx {command(self.wish.amendment)}"


@mutable
class _Carried:
    """One wish under way, and the apply that it came to."""

    at: Workplace
    wish: Wish
    job: Wished
    applied: Applied | None = field(default=None)
    patch: str = field(default="")  # What is to be changed in the manifest first.
    shown: Answer | None = field(default=None)  # A plan that is carried out at once.

    def answer(self, about: About) -> Answer:
        match about:
            case Look():
                return self._plan()
            case Apply(plan_id):
                return self._ended(self._apply(plan_id, consent(self.wish)))
            case ApplySaved(content):
                return self._saved(content)
            case Intent():
                return self._intended(about)
            case Tombstones():
                return self._tombstones(about)
            case Question():
                return self._told(about)
            case Standing():
                return self._standing()

    def _told(self, question: Question) -> Answer:
        # A plan takes none of either.
        if question.verb == "LIST":
            from aimx.doors.listings import listed

            return listed(self.at.instance, self.wish, question, self.at.count)
        from aimx.doors.reports import reported

        return reported(self.at.instance, self.wish, question)

    def outright(self, show: Callable[[Answer], None]) -> Answer:
        at, who = self.at, self.job.who
        with at.instance.locked(who, anew=True):
            review = self._reviewed()
            planned = self._shown(review)
            if not planned.pending:
                return planned
            self.shown = planned
            show(planned)
            self.applied = at.instance.carry_out(review, at.engine, who, at.watched)
        return self._ended(self.applied)

    def _plan(self) -> Answer:
        return self._shown(self._reviewed())

    def _reviewed(self) -> Review:
        instance, wish = self.at.instance, self.wish
        instance.check_ours()
        if wish.amendment:
            instance.require_there()  # An edit makes nothing anew, and nobody is asked in vain.
            proposed, review = instance.proposing(wish.amendment, consent(wish))
            self.patch = proposed.patch
        else:
            review = instance.review(instance.in_force(), consent(wish))
            # Of an amendment what may not go is left to do.
            instance.foresee(review)
        return counted(review, instance, self.at.count)

    def _shown(self, review: Review) -> Answer:
        instance, wish = self.at.instance, self.wish
        # A daemon may be in the middle of one.
        interrupted = not self.at.is_served and instance.is_unfinished()
        position = instance.position()
        shown = planned(review, wish, instance.roots, position, interrupted=interrupted)
        if self.patch and wish.view == "text":
            shown = replace(shown, output=f"{_first_lines(self.patch)}\n{shown.output}")
        return intents.noticed(shown, instance.intents(), wish)

    def _saved(self, content: str) -> Answer:
        saved = self.at.instance.load(content.encode())
        with against(saved):
            agreed = Consent(saved.allow_removals, saved.purge, anew=True)
            return self._ended(self._apply(saved.plan_id, agreed, saved))

    def _apply(
        self, plan_id: str | None, consent: Consent, saved: SavedPlan | None = None
    ) -> Applied:
        at, amendment = self.at, self.wish.amendment
        self.applied = at.instance.apply(
            plan_id, at.engine, self.job.who, consent, at.watched, saved, amendment=amendment
        )
        return self.applied

    def _ended(self, done: Applied) -> Answer:
        """How an apply ended, and whether anybody is there to run on what it wrote."""
        answer = applied(done, self.wish)
        if self.at.is_served or self.wish.view == "json" or not done.swapped:
            return answer
        return replace(answer, output=f"{answer.output}{_UNSERVED}")

    def _intended(self, intent: Intent) -> Answer:
        from aimx.controller.intents import resume, suspend

        instance, who = self.at.instance, self.job.who
        match intent.verb:
            case "ROLLBACK":
                return self._gone_back(intent)
            case "SUSPEND":
                said = intents.suspension(intent, who, instance.host.now())
                suspend(instance, said)
                return intents.suspended(said)
            case "RESUME":
                return intents.resumed(resume(instance, who))
            case "APPROVE":
                return self._approved(intent)

    def _gone_back(self, intent: Intent) -> Answer:
        from aimx.controller.intents import way_back

        at, wish, consent = self.at, self.wish, Consent(self.wish.allow_removals)
        at.instance.require_there()  # Else no generation is known to go back to.
        pin = way_back(at.instance, intents.back(intent, self.job.who))
        if not intent.plan:
            review = at.instance.review(at.instance.in_force(pin), consent)
            return intents.shown(counted(review, at.instance, at.count), pin, wish, at.instance)
        self.applied = at.instance.apply(
            intent.plan, at.engine, self.job.who, consent, at.watched, pin=pin
        )
        holds = at.instance.intents().pin == pin
        return intents.gone_back(self._ended(self.applied), pin, wish, holds=holds)

    def _approved(self, intent: Intent) -> Answer:
        instance, consent = self.at.instance, Consent(EVERY)
        review = instance.review(instance.in_force(), consent)
        if not is_meant(intent.plan, review.id):
            now = counted(review, self.at.instance, self.at.count)
            return intents.outdated(now.plan, self.wish)
        try:
            return self._ended(self._apply(review.id, consent))
        except StaleError as cause:
            return intents.outdated(cause.plan, self.wish)

    def _tombstones(self, about: Tombstones) -> Answer:
        from aimx.doors.tombstones import finished, plan_of, shown

        at, errand = self.at, about.errand
        at.instance.require_there()  # Else no tombstone is known.
        if about.plan_id is None:
            return shown(at.instance, self.wish, errand)
        planned = partial(plan_of, at.instance, errand)
        done = at.instance.run(planned, about.plan_id, at.engine, self.job.who, at.watched)
        return finished(done, self.wish)

    def _standing(self) -> Answer:
        from aimx.doors.reports import standing

        try:
            review = self.at.instance.review(self.at.instance.in_force(), Consent())
        except (ManifestError, PinError):
            return Answer(0, json.dumps({"resources": [], "unchanged": 0}))
        return Answer(0, json.dumps(standing(self.at.instance, review, self.wish)))


def _first_lines(patch: str) -> str:
    lines = patch.splitlines(keepends=True)
    more = f"... and {len(lines) - _LINES:,} lines more\n" if len(lines) > _LINES else ""
    return _printable("".join(lines[:_LINES])) + more


def _printable(text: str) -> str:
    """As a terminal may show them: what is in a manifest is shown, and never obeyed."""
    return "".join(f"{printable(line)}\n" for line in text.splitlines())
