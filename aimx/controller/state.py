"""How the instance stands, for whoever asks: kept in memory, and on disk for when we are gone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import structlog

from aimx.controller.compiled import Compiled
from aimx.controller.conditions import Conditions, Status, Type
from aimx.controller.instance import Applied, Instance, Review
from desired.manifest import Reading
from desired.problem import ManifestError, render_problem
from reconcilers.change import Change
from reconcilers.host.host import Access, ReconcileError

log = structlog.get_logger()

# What a service manager shows beside the generation.
_TROUBLES: tuple[tuple[Type, Status, str], ...] = (
    ("ManifestValid", "False", "the manifest is invalid"),
    ("EngineActive", "False", "the engine refused the newest"),
    ("Ready", "False", "the default domain cannot send"),
    ("Converged", "False", "not converged"),
    ("PendingApproval", "True", "a change waits for approval"),
)


@dataclass(slots=True)
class State:
    """The facts that the loop has found, each at the moment when it became true."""

    instance: Instance
    generation: int = 0  # Of the engine config.
    engine_generation: int = 0  # What the processes run on.
    last_attempted: str = ""  # The digest of the manifest that was looked at last.
    last_applied: str = ""  # The digest of the manifest that was applied last.
    conditions: Conditions = field(default_factory=Conditions)
    _saved: bytes = b""

    def valid(self, reading: Reading) -> None:
        self.last_attempted = reading.desired.digest
        warnings = [render_problem(problem) for problem in reading.warnings]
        self._tell("ManifestValid", "True", "Warnings" if warnings else "", "\n\n".join(warnings))

    def invalid(self, cause: ManifestError) -> None:
        told = "\n\n".join(render_problem(problem) for problem in cause.problems)
        self._tell("ManifestValid", "False", "LastGoodGenerationKept", told)
        self._tell("Converged", "False", "ManifestInvalid")

    def applied(self, applied: Applied) -> None:
        self.generation = applied.summary.generation
        if applied.summary.is_complete:
            self.last_applied = applied.review.reading.desired.digest

    def pending(self, review: Review) -> None:
        """What an apply would do has been looked at, and nothing more."""
        self.generation = review.plan.generation
        self._tell("Drifted", "True" if _drifted(review) else "False", "", _drifted(review))
        if review.plan.is_empty:
            self._tell("Converged", "True")
        else:
            self._tell("Converged", "False", "ChangesPending", "`aimx plan` shows them")

    def settled(self, whole: Review, done: Review, *, applied: bool) -> None:
        """All that may be done is done; `whole` has what waits for somebody to say so."""
        plan = done.plan
        self.generation = max(self.generation, plan.generation)
        left = plan.blocked if applied else plan.changes
        drifted = "\n".join(change.address for change in left if change.drifted)
        self._tell("Drifted", "True" if drifted else "False", "", drifted)
        reasons = [f"{change.address}: {_reason(change)}" for change in left]
        reasons += [f"{each.address}: {each.reason}" for each in plan.unsettled]
        if reasons:
            self._tell("Converged", "False", "Blocked", "\n".join(reasons))
        else:
            self._tell("Converged", "True")
        if whole.id != done.id:
            self.waiting(whole)
        else:
            self._tell("PendingApproval", "False")

    def waiting(self, whole: Review) -> None:
        changes = "\n".join(f"{change.action} {change.address}" for change in whole.plan.changes)
        held = bool(whole.plan.changes)
        self._tell(
            "PendingApproval",
            "True" if held else "False",
            "RunApply" if held else "",
            changes,
        )

    def failed(self, reason: str) -> None:
        self._tell("Converged", "False", "ApplyFailed", reason)

    def active(self, current: Compiled) -> None:
        """What the processes run on."""
        self.engine_generation = current.snapshot.id.generation
        self._tell("EngineActive", "True")
        domain = current.snapshot.default_domain
        if domain in current.keys:
            self._tell("Ready", "True")
        elif self._tell("Ready", "False", "NoKey", f"{domain} has no DKIM key and cannot send"):
            log.error("the default domain has no DKIM key", domain=domain)

    def inactive(self, reason: str) -> None:
        self._tell("EngineActive", "False", "Refused", reason)

    @property
    def sentence(self) -> str:
        """All of it in one line, for a service manager."""
        told = [f"generation {self.engine_generation}"]
        for kind, status, text in _TROUBLES:
            known = self.conditions.by_type.get(kind)
            if known is not None and known.status == status:
                told.append(text)
        return ", ".join(told)

    def document(self, *, daemon: bool) -> dict[str, Any]:
        return {
            "format": "aimx.status",
            "format_version": "1.0",
            "daemon": daemon,
            "generation": self.generation,
            "engine_generation": self.engine_generation,
            "last_applied": self.last_applied,
            "last_attempted": self.last_attempted,
            "conditions": self.conditions.documents(),
        }

    def save(self) -> None:
        """Write it down where it changed. That it cannot be written is no reason to stop."""
        host, roots = self.instance.host, self.instance.roots
        content = json.dumps(self.document(daemon=True), indent=2).encode() + b"\n"
        if content == self._saved:
            return
        user = host.user()
        try:
            host.replace(roots.status, content, Access(0o600, user.uid, user.gid))
            self._saved = content
        except ReconcileError as cause:
            log.warning("status not written", reason=str(cause))

    def _tell(self, kind: Type, status: Status, reason: str = "", message: str = "") -> bool:
        """Gives whether the status is news."""
        now, before = self.instance.host.now(), self.conditions.by_type.get(kind)
        self.conditions = self.conditions.told(kind, status, now, reason=reason, message=message)
        return before is None or before.status != status


def _reason(change: Change) -> str:
    return change.why if change.blocked is None else change.blocked.reason


def _drifted(review: Review) -> str:
    return "\n".join(change.address for change in review.plan.changes if change.drifted)
