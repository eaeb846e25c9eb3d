"""A plan as somebody is shown it, with the manifest that it comes from, and how one is meant."""

from __future__ import annotations

from desired.frozen import frozen
from desired.manifest import Reading
from reconcilers.plan import Plan

_SHORT = 16  # Hexadecimal digits: more than chance hits, and a person can type them.


@frozen
class Review:
    """What the manifest says, and what that would change; nothing has been changed."""

    reading: Reading
    plan: Plan
    id: str


def short(plan_id: str) -> str:
    """A plan's id as a person types it."""
    return plan_id.rpartition(":")[2][:_SHORT]


def is_meant(said: str, plan_id: str) -> bool:
    """Whether somebody who types this means this plan."""
    digits = said.rpartition(":")[2]
    return len(digits) >= _SHORT and plan_id.rpartition(":")[2].startswith(digits)
