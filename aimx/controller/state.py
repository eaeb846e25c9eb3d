"""How the instance stands, for whoever asks: kept in memory, and on disk for when we are gone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import structlog

from aimx.controller.account import Account
from aimx.controller.compiled import Compiled
from aimx.controller.conditions import Conditions, Status, Type, listed, remembered
from aimx.controller.findings import Findings
from aimx.controller.instance import Instance
from aimx.controller.results import Results
from aimx.mail.dates import rfc3339
from desired import engine_config
from desired.frozen import field, mutable
from reconcilers.host.host import Access, ReconcileError
from reconcilers.intents import Damaged, Intents, Pin, Suspension, author
from reconcilers.overdue import Overdue
from reconcilers.records import parsed

log = structlog.get_logger()

# What a service manager shows beside the generation.
_TROUBLES: tuple[tuple[Type, Status, str], ...] = (
    ("ManifestValid", "False", "the manifest is invalid"),
    ("EngineActive", "False", "the engine refused the newest"),
    ("Ready", "False", "a key or certificate cannot be used"),
    ("Converged", "False", "not converged"),
    ("Suspended", "True", "suspended"),
    ("PendingApproval", "True", "a change waits for approval"),
)
_OF_AN_ENGINE: tuple[Type, ...] = ("EngineActive", "Ready")


@mutable
class State:
    """The facts that the loop has found, each at the moment when it became true."""

    instance: Instance
    generation: int = 0  # Of the engine config.
    engine_generation: int = 0  # What the processes run on.
    last_attempted: str = ""  # The digest of the manifest that was looked at last.
    last_applied: str = ""  # The digest of the manifest that was applied last.
    desired_generation: int = 0  # What the machine would be at once nothing is left to do.
    conditions: Conditions = field(default_factory=Conditions)
    results: Results = field(default_factory=Results)
    pending_plan: str = ""  # Which waits for somebody's approval.
    pin: Pin | None = None
    has_engine: bool = True  # One runs, or should.
    manifest_changed: bool = False  # Since it was pinned that another one is in force.
    _overdue: frozenset[Overdue] = frozenset()
    _saved: bytes = b""

    @classmethod
    def after(cls, instance: Instance) -> State:
        """With what the last one left on disk, as far as it can be read."""
        host, roots = instance.host, instance.roots
        try:
            known = parsed(host.read(roots.status) or b"{}")
            config = engine_config.header(host.read(roots.engine_config) or b"")
        except (ReconcileError, ValueError):
            return cls(instance)
        told = known.get("conditions") if isinstance(known, dict) else None
        applied, generation = (config.digest, config.generation) if config else ("", 0)
        return cls(instance, generation, last_applied=applied, conditions=remembered(told))

    def intended(self, intents: Intents) -> None:
        """What somebody said may not be done by itself, or should be done instead."""
        self.pin = intents.pin if isinstance(intents.pin, Pin) else None
        damaged = [it for it in (intents.pin, intents.suspension) if isinstance(it, Damaged)]
        suspension = intents.suspension
        if damaged:
            self._tell("Suspended", "True", "Unreadable", "\n".join(map(str, damaged)))
        elif isinstance(suspension, Suspension):
            told = f"until {rfc3339(suspension.until)}, by {author(suspension)}"
            reason = f": {suspension.reason}" if suspension.reason else ""
            self._tell("Suspended", "True", "AskedFor", told + reason)
        else:
            self._tell("Suspended", "False")

    def known(self, manifest: str) -> None:
        """The digest of the manifest on disk, whether it is in force or not."""
        pin = self.pin
        changed = pin is not None and manifest != pin.manifest
        if changed and pin is not None and not self.manifest_changed:
            log.warning("manifest edited while another is pinned", pinned=pin.generation)
        self.manifest_changed = changed

    def applied(self, account: Account) -> None:
        self.results = self.results.told(account.results, self.instance.host.now())
        self.generation = account.summary.generation
        if account.summary.is_complete:
            self.last_applied = account.digest

    def found(self, findings: Findings) -> None:
        """What a look came to."""
        for each in findings.conditions:
            self._tell(each.kind, each.status, each.reason, each.message)
        if findings.generation is not None:
            self.generation = findings.generation
        if findings.desired_generation is not None:
            self.desired_generation = findings.desired_generation
        if findings.pending_plan is not None:
            self.pending_plan = findings.pending_plan

    def aged(self, keys: Iterable[Overdue]) -> None:
        """The keys that another should take over from; each is told once."""
        known, self._overdue = self._overdue, frozenset(keys)
        for key in sorted(self._overdue - known, key=lambda key: key.address):
            log.warning("key is overdue", domain=key.domain, selector=key.selector, told=str(key))

    def failed(self, why: str, reason: str = "ApplyFailed") -> None:
        self._tell("Converged", "False", reason, why)

    def unmanned(self) -> None:
        """No mail engine runs, and none should."""
        self.has_engine = False
        for kind in _OF_AN_ENGINE:
            self._tell(kind, "Unknown", "NoEngine", "`aimx watch` runs no mail engine")

    def active(self, current: Compiled) -> None:
        """What the processes run on."""
        if not self.has_engine:
            self.unmanned()
            return
        self.engine_generation = current.snapshot.id.generation
        self._tell("EngineActive", "True")
        domain = current.snapshot.default_domain
        troubles = listed(current.troubles, "`aimx plan` shows")
        if domain not in current.keys:
            told = f"{domain} has no DKIM key and cannot send"
            if self._tell("Ready", "False", "NoKey", "\n".join(filter(None, (told, troubles)))):
                log.error("the default domain has no DKIM key", domain=domain)
        elif not troubles:
            self._tell("Ready", "True")
        elif self._tell("Ready", "False", "Damaged", troubles):
            log.error("a key or certificate is damaged", reason=troubles)

    def inactive(self, reason: str) -> None:
        self._tell("EngineActive", "False", "Refused", reason)

    @property
    def sentence(self) -> str:
        """All of it in one line, for a service manager."""
        told = [f"generation {self.engine_generation if self.has_engine else self.generation}"]
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
            "desired_generation": max(self.desired_generation, self.generation),
            "engine_generation": self.engine_generation,
            "last_applied": self.last_applied,
            "last_attempted": self.last_attempted,
            "conditions": self.conditions.documents(),
            "pending_plan": self.pending_plan,
            "pin": self._pinned(),
            "results": self.results.documents(),
        }

    def _pinned(self) -> dict[str, Any] | None:
        pin = self.pin
        if pin is None:
            return None
        return {
            "generation": pin.generation,
            "former": pin.former,
            "reason": pin.reason,
            "uid": pin.uid,
            "account": pin.account,
            "since": rfc3339(pin.since),
            "until": rfc3339(pin.until),
            "manifest_changed": self.manifest_changed,
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
