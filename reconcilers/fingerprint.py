"""Digests that say whether a plan still fits: the same on every machine and in every process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from functools import cache
from hashlib import sha256
from pathlib import PurePath
from typing import Any

from reconcilers.change import Fingerprint
from reconcilers.difference import Changed, Difference, Missing, Surplus
from reconcilers.operations import WriteFile
from reconcilers.plan import Plan
from reconcilers.reconciler import body
from reconcilers.step import Phase, Step

# Nearly all that a plan of thousands consists of, told without asking what else it may be.
_AS_IT_IS = frozenset({str, int, bool, type(None)})


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def canonical(value: object) -> object:
    """The value as JSON can hold it, with nothing in it that an order or an address decides."""
    if type(value) in _AS_IT_IS:
        return value
    match value:
        case Enum():
            return value.value
        case int() | str():
            return value
        case bytes():
            return {"sha256": digest(value)}
        case PurePath():
            return str(value)
        case Mapping():
            return {str(key): canonical(value[key]) for key in sorted(value, key=str)}
        case tuple() | list():
            return [canonical(part) for part in value]
        case _:
            return _of_dataclass(value)


def _of_dataclass(value: Any) -> object:
    """Two types may have equal fields, and mean different things."""
    kind: Any = type(value)
    parts = {name: canonical(getattr(value, name)) for name in _names(kind)}
    return {"is": kind.__name__, **parts}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(part.name for part in fields(kind))


def fingerprint(difference: Difference[object]) -> Fingerprint:
    """Of what is desired and what was observed, as far as a change was planned from it."""
    match difference:
        case Missing(_, desired):
            return Fingerprint(desired=_half(desired))
        case Changed(_, desired, observed):
            return Fingerprint(_half(desired), _half(observed))
        case Surplus(_, observed):
            return Fingerprint(observed=_half(observed))


def _half(value: object) -> str:
    # Half of a digest: nobody gains by two values that look alike, and a plan holds thousands.
    return digest(_written(canonical(value)).encode())[:32]


def plan_id(plan: Plan) -> str:
    """What a consent is bound to: all that the plan does, and nothing that it merely tells.

    A comment that moves the manifest's lines, and mail that arrives meanwhile, keep the id.
    """
    changes = [
        (change.address, change.action, change.fingerprint, change.fields, change.blocked)
        for change in plan.changes
    ]
    config = None if plan.config is None else body(plan.config)
    does = (plan.generation, changes, [_described(step) for step in plan.steps], config)
    return f"sha256:{digest(_written(canonical(does)).encode())}"


def _described(step: Step) -> tuple[object, ...]:
    operation = step.operation
    written = digest(operation.content) if isinstance(operation, WriteFile) else ""
    # The engine config's header names a generation and a manifest, of which a comment is part.
    told = "" if step.phase is Phase.CONFIG else written
    return (step.id, step.phase, type(operation).__name__, str(operation), told, step.after)


def _written(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
