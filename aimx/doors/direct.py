"""A wish carried out in this process, where no daemon runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from aimx.controller.alone import Alone
from aimx.controller.instance import Instance
from aimx.controller.refusal import MachineError, PinError
from aimx.controller.watched import UNWATCHED, Watched
from aimx.controller.workplace import Workplace
from aimx.doors.answers import answering, invalid, valid
from aimx.doors.exits import Exit
from aimx.doors.refusal import refused
from aimx.doors.wish import Answer, Errand, Intent, Question, Wish
from aimx.doors.wished import About, Apply, ApplySaved, Look, Tombstones, Wished
from desired.frozen import frozen
from desired.problem import ManifestError, digest
from reconcilers.consent import Consent
from reconcilers.generations import Who
from reconcilers.intents import Pin
from reconcilers.roots import Roots
from reconcilers.unread import Count, uncounted


def named(roots: Mapping[str, str]) -> Roots:
    """The roots by the names that commands and frames give them."""
    return Roots(
        config=PurePosixPath(roots["config-dir"]),
        data=PurePosixPath(roots["data-dir"]),
        runtime=PurePosixPath(roots["runtime-dir"]),
        manifest=PurePosixPath(roots["manifest"]),
    )


@frozen
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

    def validate(self, wish: Wish) -> Answer:
        try:
            reading = self.instance.read(self.instance.sources())
        except ManifestError as cause:
            return invalid(cause, wish)
        return valid(reading, wish)

    def plan(self, wish: Wish) -> Answer:
        return self._done(wish, Look())

    def apply(self, wish: Wish, plan_id: str | None, watched: Watched) -> Answer:
        return self._done(wish, Apply(plan_id), watched)

    def outright(
        self, wish: Wish, show: Callable[[Answer], None], watched: Watched
    ) -> tuple[Answer, Answer | None]:
        """What an apply would do, shown, and how it ended; None where it is left to `apply`.

        Where the manifest is another than was applied there is something to do, so that it need
        not be planned before the lock is taken and once more after that.
        """
        if not self.instance.is_behind():
            return self.plan(wish), None
        return self._wished(wish, Apply(None)).outright(self._at(watched), show)

    def apply_saved(self, wish: Wish, content: bytes, watched: Watched) -> Answer:
        return self._done(wish, ApplySaved(content.decode(errors="replace")), watched)

    def intend(self, wish: Wish, intent: Intent, watched: Watched) -> Answer:
        return self._done(wish, intent, watched)

    def report(self, wish: Wish, question: Question) -> Answer:
        return self._done(wish, question)

    def tombstones(
        self, wish: Wish, errand: Errand, plan_id: str | None, watched: Watched
    ) -> Answer:
        return self._done(wish, Tombstones(errand, plan_id), watched)

    def _done(self, wish: Wish, about: About, watched: Watched = UNWATCHED) -> Answer:
        return self._barred(wish) or self._wished(wish, about).done(self._at(watched)).answer

    def _barred(self, wish: Wish) -> Answer | None:
        """What is said to whom the instance does not belong: all of it would look wrong to them."""
        try:
            self.instance.check_ours()
        except MachineError as cause:
            return refused(Exit.ERROR, str(cause), wish.view)
        return None

    def _wished(self, wish: Wish, about: About) -> Wished:
        """By whoever we are."""
        user = self.instance.host.user()
        return Wished(wish, about, user.uid, user.name)

    def _at(self, watched: Watched) -> Workplace:
        """With no daemon that would have to take it up."""
        instance = self.instance
        alone = Alone(instance.host, instance.roots)
        return Workplace(instance, alone, watched, self.count, is_served=False)

    def downgrade(self, wish: Wish, plan_id: str | None, watched: Watched) -> Answer:
        from aimx.doors import downgrade

        user = self.instance.host.user()
        who = Who(user.uid, user.name, "aimx rollback --layout 1")
        if barred := self._barred(wish):
            return barred
        with answering(wish) as answers:
            if plan_id is None:
                answers.append(downgrade.shown(self.instance, wish))
            else:
                answers.append(downgrade.carried_out(self.instance, wish, plan_id, who, watched))
        return answers[0]

    def status(self, wish: Wish) -> Answer:
        from aimx.doors.reports import told

        if barred := self._barred(wish):
            return barred
        with answering(wish) as answers:
            answers.append(told(self._status(wish), wish))
        return answers[0]

    def _status(self, wish: Wish) -> dict[str, Any]:
        from aimx.controller import findings
        from aimx.controller.state import State  # Its log is the daemon's.
        from aimx.doors.reports import standing

        state = State.after(self.instance)
        said = self.instance.intents()
        state.intended(said)
        try:
            sources = self.instance.sources()
            state.known(digest(sources))
            state.found(findings.valid(self.instance.read(sources)))
        except ManifestError as cause:
            state.found(findings.invalid(cause, pinned=isinstance(said.pin, Pin)))
        try:
            reading = self.instance.in_force()
        except (ManifestError, PinError):
            return {**state.document(daemon=False), "resources": [], "unchanged": 0}
        review = self.instance.review(reading, Consent())
        state.last_attempted = reading.desired.digest
        state.found(findings.pending(review))
        if gone := self.instance.absence():
            state.failed(gone, "DataGone")
        return {**state.document(daemon=False), **standing(self.instance, review, wish)}
