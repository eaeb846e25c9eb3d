"""A plan as data, for programs and for the record; no file's content is in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from json.encoder import encode_basestring
from typing import Any

from desired.frozen import fields
from reconcilers.change import Change
from reconcilers.fingerprint import Words, digest, plan_id, told_alike
from reconcilers.plan import Plan
from reconcilers.report.view import counts, symbol
from reconcilers.step import Phase, Step

FORMAT, FORMAT_VERSION = "aimx.plan", "1.0"

_json: Callable[[object], str] = json.JSONEncoder(ensure_ascii=False).encode
_text: Callable[[str], str] = encode_basestring


def document(plan: Plan) -> dict[str, Any]:
    """All that the plan says. Readers tolerate members and words that they do not know."""
    told: dict[str, Any] = json.loads(_compact(plan))
    return told


def written(plan: Plan) -> bytes:
    """The document as a file: the same bytes for an equal plan."""
    return json.dumps(document(plan), indent=2, ensure_ascii=False).encode() + b"\n"


def compact(plan: Plan) -> bytes:
    """The document on one line, as records keep it: written several times as fast."""
    return _compact(plan).encode()


def _compact(plan: Plan) -> str:
    """Changes and steps are put together from words, since there are thousands that are alike,
    and copied as seldom as can be: together they are a megabyte."""
    whole, parts = Words(_json), Words(_unnamed)
    told = told_alike(plan, partial(_told, whole=whole, parts=parts))
    changes = ", ".join([_change(change, rest) for change, rest in told])
    steps = ", ".join([_step(step, whole) for step in plan.steps])
    written = None if plan.config is None else _digested(plan.config)
    return (
        f'{{"format": "{FORMAT}", "format_version": "{FORMAT_VERSION}",'
        f' "plan_id": "{plan_id(plan)}", "generation": {plan.generation},'
        f' "manifest_digest": {_json(plan.desired_digest)}, "summary": {_json(counts(plan))},'
        f' "refused": {parts.of(plan.refused)}, "changes": [{changes}],'
        f' "unsettled": {parts.of(plan.unsettled)}, "config": {_json(written)},'
        f' "notes": {_json([*map(str, plan.lacking), *plan.notes])}, "steps": [{steps}]}}\n'
    )


def _digested(content: bytes) -> dict[str, object]:
    return {"octets": len(content), "sha256": digest(content)}


def _change(change: Change, rest: str) -> str:
    address, kind = _text(change.address), _text(change.kind)
    return f'{{"address": {address}, "kind": {kind}, {rest}}}'


def _told(change: Change, whole: Words, parts: Words) -> str:
    """Of a change all but its address."""
    return (
        f'"action": "{change.action}", "symbol": "{symbol(change)}", "why": {_text(change.why)},'
        f' "where": {parts.of(change.where)}, "fields": {parts.of(change.fields)},'
        f' "notes": {whole.of(change.notes)}, "needs": {whole.of(change.needs)},'
        f' "drifted": {whole.of(change.drifted)}, "unasked": {whole.of(change.unasked)},'
        f' "fingerprint": {parts.of(change.fingerprint)}, "blocked": {parts.of(change.blocked)}'
    )


def _step(step: Step, whole: Words) -> str:
    operation = step.operation
    said = f'"is": "{type(operation).__name__}"'
    for name in fields(operation):
        part = getattr(operation, name)
        said += f', "{name}": {_text(part) if type(part) is str else whole.of(part)}'
    return (
        f'{{"id": {_text(step.id)}, "address": {_text(step.address)},'
        f' "phase": "{_PHASES[step.phase]}", "does": {_text(step.does)},'
        f' "operation": {{{said}}}, "after": {whole.of(step.after)}}}'
    )


_PHASES = {phase: phase.name.lower() for phase in Phase}


def _unnamed(value: object) -> str:
    """Without the names of types, which are nobody's business."""
    return _json(_parts(value))


def _parts(value: object) -> Any:
    if isinstance(value, list):
        return [_parts(part) for part in value]
    if isinstance(value, dict):
        return {name: part for name, part in value.items() if name != "is"}
    return value
