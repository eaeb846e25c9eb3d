"""A plan as data, for programs and for the record; no file's content is in it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from reconcilers.change import Change, Field, Fingerprint
from reconcilers.fingerprint import canonical, digest, plan_id
from reconcilers.plan import Plan
from reconcilers.report.view import counts, symbol
from reconcilers.step import Step

FORMAT, FORMAT_VERSION = "aimx.plan", "1.0"


def document(plan: Plan) -> dict[str, Any]:
    """All that the plan says. Readers tolerate members and words that they do not know."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "plan_id": plan_id(plan),
        "generation": plan.generation,
        "manifest_digest": plan.desired_digest,
        "summary": counts(plan),
        "refused": _parts(plan.refused),
        "changes": [_change(change) for change in plan.changes],
        "unsettled": [_parts(each) for each in plan.unsettled],
        "config": None
        if plan.config is None
        else {"octets": len(plan.config), "sha256": digest(plan.config)},
        "notes": [*map(str, plan.lacking), *plan.notes],
        "steps": [_step(step) for step in plan.steps],
    }


def written(plan: Plan) -> bytes:
    """The document as a file: the same bytes for an equal plan."""
    return json.dumps(document(plan), indent=2, ensure_ascii=False).encode() + b"\n"


def compact(plan: Plan) -> bytes:
    """The document on one line, as records keep it: written several times as fast."""
    return json.dumps(document(plan), ensure_ascii=False).encode() + b"\n"


def _change(change: Change) -> dict[str, Any]:
    return {
        "address": change.address,
        "kind": change.kind,
        "action": str(change.action),
        "symbol": symbol(change),
        "why": change.why,
        "where": _parts(change.where),
        "fields": _alike(change.fields),
        "notes": list(change.notes),
        "needs": list(change.needs),
        "drifted": change.drifted,
        "unasked": change.unasked,
        "fingerprint": _alike(change.fingerprint),
        "blocked": _parts(change.blocked),
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "address": step.address,
        "phase": step.phase.name.lower(),
        "does": step.does,
        "operation": canonical(step.operation),
        "after": list(step.after),
    }


@lru_cache(maxsize=1 << 10)
def _alike(value: Fingerprint | tuple[Field, ...]) -> Any:
    """Of thousands of mailboxes there are few, and what is made of them is written and not kept."""
    return [*map(_parts, value)] if isinstance(value, tuple) else _parts(value)


def _parts(value: object) -> Any:
    """The value's fields by name, or None where there is no value."""
    if value is None:
        return None
    parts = canonical(value)
    if not isinstance(parts, dict):
        return parts
    return {name: part for name, part in parts.items() if name != "is"}
