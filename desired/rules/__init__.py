"""Cross-checks: each a generator of findings with a sentence for a name and for a docstring."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from desired.draft import Draft
from desired.finding import Finding
from desired.rules import domains, hooks, identities, mailboxes, renames

RULES = (*domains.RULES, *mailboxes.RULES, *hooks.RULES, *identities.RULES, *renames.RULES)


def check(draft: Draft, owner_exists: Callable[[str], bool] | None) -> Iterator[Finding]:
    """What every rule finds. Owners are looked up only by a caller who can."""
    for rule in RULES:
        yield from rule(draft)
    if owner_exists is not None:
        yield from mailboxes.owners_exist(draft, owner_exists)
