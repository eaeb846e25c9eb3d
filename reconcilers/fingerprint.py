"""Digests that say whether a plan still fits: the same on every machine and in every process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from hashlib import sha256
from pathlib import PurePath
from typing import Any

from reconcilers.difference import Changed, Difference, Missing, Surplus
from reconcilers.plan import Plan
from reconcilers.reconciler import body
from reconcilers.step import Step


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def canonical(value: object) -> object:
    """The value as JSON can hold it, with nothing in it that an order or an address decides."""
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | str():
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
    parts = {part.name: canonical(getattr(value, part.name)) for part in fields(value)}
    return {"is": type(value).__name__, **parts}


def fingerprint(difference: Difference[object]) -> str:
    """Of what is desired and what was observed, as far as a change was planned from it."""
    match difference:
        case Missing(name, desired):
            seen: tuple[object, ...] = (name, "missing", desired)
        case Changed(name, desired, observed):
            seen = (name, "changed", desired, observed)
        case Surplus(name, observed):
            seen = (name, "surplus", observed)
    return digest(_written(canonical(seen)).encode())


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
    return (step.id, step.phase, type(step.operation).__name__, str(step.operation), step.after)


def _written(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
