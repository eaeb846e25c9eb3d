"""What a plan may take away, and what it leaves alone, as somebody said who asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import field

from desired.frozen import frozen
from reconcilers.renewing import NO_RENEWAL, Renewal

# As many as there are: whoever consents has seen each.
EVERY = 10**9


@frozen
class Consent:
    """What may go of what is missing from the manifest, and what is not tried at all."""

    removals: int = 0  # How many more than the policy lets go unasked.
    purge: bool = False  # The mail of what goes is deleted, and not set aside.
    # Nothing may go: it is planned for as if it were still declared.
    withheld: bool = False
    named: Set[str] = frozenset()  # Resources that may go all the same: a command says so.
    renewal: Renewal = NO_RENEWAL  # Keys that somebody asks for.
    # Resources that wait for their next try, and why the last one failed.
    held: Mapping[str, str] = field(default_factory=dict)
    reported: Set[str] = frozenset()  # Drift that is told and not repaired.
