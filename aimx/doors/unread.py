"""A plan as it is shown: with how much of the mail that it takes away nobody has read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from aimx.controller.instance import Instance
from aimx.controller.terms import Review
from reconcilers.roots import Roots
from reconcilers.unread import Inbox, Unread, inboxes, with_unread

# By the changes' addresses; those that could not be counted are left out.
Count: TypeAlias = Callable[[Roots, Sequence[Inbox]], Mapping[str, Unread]]


def uncounted(roots: Roots, inboxes: Sequence[Inbox]) -> Mapping[str, Unread]:
    """Nobody is there to count."""
    return {}


def counted(review: Review, instance: Instance, count: Count) -> Review:
    """The same review, told with what was counted."""
    with instance.looking() as host:
        going = inboxes(review.plan, host, instance.roots)
    if not going:
        return review
    return replace(review, plan=with_unread(review.plan, count(instance.roots, going)))
