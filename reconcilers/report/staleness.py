"""Why a plan that was saved is not the plan any more, resource by resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconcilers.plan import Plan
from reconcilers.report.document import FORMAT, document


def staleness(saved: Mapping[str, Any], now: Plan) -> tuple[str, ...]:
    """One sentence for each thing that changed since; empty where the saved plan still fits."""
    if saved.get("format") != FORMAT:
        return ("this is not a saved plan",)
    current = document(now)
    if saved.get("plan_id") == current["plan_id"]:
        return ()
    reasons = tuple(_resources(_by_address(saved), _by_address(current)))
    return reasons or (f"the machine is at generation {now.generation}, and was at another",)


def _by_address(told: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return {change["address"]: change for change in told.get("changes", ())}


def _resources(
    saved: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    for address in sorted(saved.keys() | now.keys()):
        if address not in now:
            yield f"{address}: there is nothing to {saved[address]['action']} any more"
        elif address not in saved:
            yield f"{address}: to {now[address]['action']} now, since {now[address]['why']}"
        elif saved[address]["fingerprint"] != now[address]["fingerprint"]:
            yield f"{address}: it is not as it was when the plan was made"
        elif saved[address]["blocked"] != now[address]["blocked"]:
            yield f"{address}: what blocks it is not the same any more"
