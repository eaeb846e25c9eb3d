"""A plan as it is shown: with how much of the mail that it takes away nobody has read."""

from __future__ import annotations

from aimx.controller.instance import Instance
from aimx.controller.review import Review
from desired.frozen import replace
from reconcilers.unread import Count, inboxes, with_unread


def counted(review: Review, instance: Instance, count: Count) -> Review:
    """The same review, told with what was counted."""
    with instance.looking() as host:
        going = inboxes(review.plan, host, instance.roots)
    if not going:
        return review
    return replace(review, plan=with_unread(review.plan, count(instance.roots, going)))
