"""Why a plan that was saved is not the plan any more, resource by resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from desired.frozen import frozen
from reconcilers.fingerprint import plan_id
from reconcilers.plan import Plan
from reconcilers.report.saved import SavedPlan, resource


@frozen
class Stale:
    """One thing that is not as it was."""

    address: str  # Of the resource; `generation` where it is none's.
    changed: str  # `manifest`, `machine`, `both`, `guard`, `generation` or `release`.
    reason: str

    def __str__(self) -> str:
        return f"{self.address}: {self.reason}"


_BOTH = "both"
_SAID = {
    "manifest": "the manifest asks for something else than when the plan was made",
    "machine": "it is not as it was on the machine when the plan was made",
    _BOTH: "manifest and machine both changed since the plan was made",
}


def staleness(saved: SavedPlan, now: Plan) -> tuple[Stale, ...]:
    """One sentence for each thing that changed since; empty where the saved plan still fits."""
    if saved.plan_id == plan_id(now):
        return ()
    before = {change["address"]: change for change in saved.changes}
    current = {change.address: resource(change) for change in now.changes}
    whys = {change.address: change.why for change in now.changes}
    same_manifest = saved.manifest_digest == now.desired_digest
    found = tuple(_resources(before, current, whys, same_manifest=same_manifest))
    if saved.generation != now.generation:
        reason = f"the machine is at generation {now.generation}, and was at {saved.generation}"
        return (Stale("generation", "generation", reason), *found)
    if found:
        return found
    # Equal changes with other steps: another release makes another plan of them.
    return (Stale("plan", "release", "it was made by another release of aimx"),)


def _resources(
    saved: Mapping[str, Mapping[str, Any]],
    now: Mapping[str, Mapping[str, Any]],
    whys: Mapping[str, str],
    *,
    same_manifest: bool,
) -> Iterator[Stale]:
    anywhere = "machine" if same_manifest else _BOTH
    for address in sorted(saved.keys() | now.keys()):
        if address not in now:
            reason = f"there is nothing to {saved[address]['action']} any more"
            yield Stale(address, anywhere, reason)
        elif address not in saved:
            reason = f"to {now[address]['action']} now, since {whys[address]}"
            yield Stale(address, anywhere, reason)
        elif changed := _changed(saved[address], now[address]):
            yield Stale(address, changed, _SAID[changed])
        elif saved[address] != now[address]:
            yield Stale(address, "guard", _otherwise(saved[address], now[address]))


def _changed(saved: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which half of the fingerprint is another; empty where neither is."""
    desired, observed = (saved[half] != now[half] for half in ("desired", "observed"))
    if desired and observed:
        return _BOTH
    return "manifest" if desired else "machine" if observed else ""


def _otherwise(saved: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if saved["blocked"] != now["blocked"]:
        return "what blocks it is not the same any more"
    return f"to {now['action']} now, and not to {saved['action']}"
