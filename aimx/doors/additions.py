"""What a wish adds to the manifest, and what may go with it."""

from __future__ import annotations

from aimx.controller.terms import Addition, Consent
from aimx.doors.wish import Wish


def added(wish: Wish) -> Addition | None:
    """The domain that is to come; None where the manifest stays as it is."""
    return Addition(wish.add_domain, wish.selector) if wish.add_domain else None


def consent(wish: Wish) -> Consent:
    """Whoever adds something has not agreed to what waits to go."""
    if wish.add_domain:
        return Consent(withheld=True)
    return Consent(wish.allow_removals, wish.purge)
