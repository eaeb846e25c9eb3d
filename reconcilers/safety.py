"""What a plan may not do by itself, however it came about, and what the operator can do then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set

from desired.desired import Desired
from desired.frozen import frozen
from desired.names import Domain
from reconcilers.change import Action, Blocked, Change
from reconcilers.reconciler import World
from reconcilers.roots import Roots

# A share says nothing about a handful: smaller kinds are guarded by number, and from vanishing.
_ENOUGH_FOR_A_SHARE = 10
_SHARE = 5  # One in five.

_REMOVING = frozenset({Action.QUARANTINE, Action.DELETE, Action.FORGET})


@frozen
class Verdict:
    """What is blocked, by address, and why nothing of the plan is done if so."""

    blocked: Mapping[str, Blocked]
    refused: Blocked | None = None


def removes(change: Change) -> bool:
    """Whether something goes."""
    return change.action in _REMOVING


def judge(
    changes: Sequence[Change],
    world: World,
    allow_removals: int,
    agreed: Set[str] = frozenset(),
) -> Verdict:
    """Which changes the rules refuse. Nothing is judged where nothing was applied before.

    `agreed` are the addresses that somebody has let go already.
    """
    before = world.applied
    if before is None:
        return Verdict({})
    removing = [change for change in changes if removes(change)]
    kept = _protected(before) if removing else frozenset()
    protected = {each.address: _protection(each) for each in removing if each.address in kept}
    unasked = [each for each in removing if each.unasked and each.address not in agreed]
    reason = _last_domain(world, before) or (
        _too_many(unasked, before, world.desired) if len(unasked) > allow_removals else None
    )
    if reason is None:
        return Verdict(protected)
    return Verdict({change.address: reason for change in unasked} | protected, reason)


def _protected(before: Desired) -> frozenset[str]:
    """What the last generation protected: leaving out the block that says so does not lift it."""
    mailboxes = {f"mailbox/{name}" for name, mailbox in before.mailboxes.items() if mailbox.protect}
    domains = {f"domain/{domain.name}" for domain in before.domains if domain.protect}
    return frozenset(mailboxes | domains)


def _protection(change: Change) -> Blocked:
    return Blocked(
        "protected",
        f"{change.address} is protected by its lifecycle in the applied manifest",
        "declare it again with lifecycle.protect = false and apply that first",
    )


def _last_domain(world: World, before: Desired) -> Blocked | None:
    if world.desired.domains or not before.domains:
        return None
    return Blocked(
        "last-domain",
        needs_a_domain(before.default_domain, world.roots),
        f'declare domains = ["{before.default_domain}"] again',
    )


def needs_a_domain(last: Domain, roots: Roots) -> str:
    """Why the last one stays, and how an instance ends."""
    return (
        f"cannot remove '{last}': it is the last configured domain. An AIMX install must have at"
        f" least one domain. For a full teardown stop the daemon and delete {roots.config} and"
        f" {roots.data}, all keys and all mail with them."
    )


def _too_many(unasked: Sequence[Change], before: Desired, desired: Desired) -> Blocked | None:
    """The first guard that is passed, under the stricter of the old and the new policy."""
    limit = min(before.policy.max_removals, desired.policy.max_removals)
    removals = len(unasked)
    if removals > limit:
        return _refusal(
            f"{removals} removals are more than policy.max_removals = {limit}", removals
        )
    for kind, gone in sorted(Counter(change.kind for change in unasked).items()):
        had, left = _number(before, kind), _number(desired, kind)
        if left == 0:
            return _refusal(f"no {kind} would be left of {had}", removals)
        if had >= _ENOUGH_FOR_A_SHARE and gone * _SHARE > had:
            return _refusal(f"{gone} of {had} are more than 20 % of kind {kind}", removals)
    return None


def _number(desired: Desired, kind: str) -> int:
    by_kind = {"mailbox": desired.mailboxes, "domain": desired.domains}
    return len(by_kind[kind])


def _refusal(reason: str, removals: int) -> Blocked:
    return Blocked(
        "too-many-removals",
        reason,
        f"if all of them are meant, run `aimx apply --allow-removals {removals}`; else declare"
        " what is missing again",
    )
