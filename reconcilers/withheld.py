"""What the manifest no longer declares stays as it is until somebody says that it may go."""

from __future__ import annotations

from collections.abc import Mapping, Set

from desired.desired import AutoApply, Desired, Mailbox
from desired.frozen import replace
from reconcilers.applied import what_was_applied
from reconcilers.consent import agreed, said
from reconcilers.reconciler import World

# From the strictest to the laxest.
_LAXITY: tuple[AutoApply, ...] = ("none", "safe", "all")


def stricter(desired: Desired, applied: Desired | None) -> AutoApply:
    """What may be done unasked under both manifests: none allows itself more in one go."""
    asked = desired.controller.auto_apply
    if applied is None:
        return asked
    return min(asked, applied.controller.auto_apply, key=_LAXITY.index)


def withheld(desired: Desired, world: World, named: Set[str]) -> Desired:
    """The desired state, with all that is gone but for what somebody let go, now or before.

    What was agreed to while something else was withheld is of the state with that.
    """
    kept = with_what_is_gone(desired, world.applied, agreed(world) | named)
    _, removals = said(world)
    if not removals - named:
        return kept
    without = with_what_is_gone(desired, world.applied, removals | named)
    meant = what_was_applied(without, world.host, world.roots)
    return without if agreed(meant) else kept


def with_what_is_gone(
    desired: Desired, applied: Desired | None, going: Set[str] = frozenset()
) -> Desired:
    """The desired state, with what was applied and is no longer declared declared as before.

    What moves is not gone, and what somebody agreed to let go may go. A block that removes what
    stays is left out, and so is whatever else would contradict it: the engine config that is
    compiled of this must be readable as one.
    """
    if applied is None:
        return desired
    declared = {domain.name for domain in desired.domains}
    domains = tuple(
        domain
        for domain in applied.domains
        if domain.name not in declared and f"domain/{domain.name}" not in going
    )
    moved = {str(move.source) for move in desired.moved if str(move.target) in desired.mailboxes}
    staying = desired.mailboxes.keys() | moved
    gone = {
        address: mailbox
        for address, mailbox in applied.mailboxes.items()
        if address not in staying and f"mailbox/{address}" not in going
    }
    if not domains and not gone:
        return desired
    mailboxes = {**_without_aliases(desired, gone), **_without_hooks(desired, gone)}
    # In the order in which they were applied, so that nothing but a removal changes nothing.
    known = {address: mailboxes[address] for address in applied.mailboxes if address in mailboxes}
    limit = min(desired.policy.max_removals, applied.policy.max_removals)
    return replace(
        desired,
        # What guards the removal is not loosened by the edit that asks for it.
        controller=replace(desired.controller, auto_apply=stricter(desired, applied)),
        policy=replace(desired.policy, max_removals=limit),
        domains=desired.domains + domains,
        mailboxes={**known, **mailboxes},
        removed=tuple(block for block in desired.removed if str(block.address) not in gone),
    )


def _without_aliases(desired: Desired, gone: Mapping[str, Mailbox]) -> Mapping[str, Mailbox]:
    """The mailboxes that are declared, but for aliases that still are mailboxes or have them."""
    taken = {*gone, *(str(alias) for mailbox in gone.values() for alias in mailbox.aliases)}
    return {
        address: replace(mailbox, aliases=left)
        if len(left := tuple(alias for alias in mailbox.aliases if str(alias) not in taken))
        < len(mailbox.aliases)
        else mailbox
        for address, mailbox in desired.mailboxes.items()
    }


def _without_hooks(desired: Desired, gone: Mapping[str, Mailbox]) -> Mapping[str, Mailbox]:
    """What stays, but for hooks whose name another mailbox has by now."""
    names = {hook.name for mailbox in desired.mailboxes.values() for hook in mailbox.hooks}
    return {
        address: replace(
            mailbox,
            hooks=tuple(hook for hook in mailbox.hooks if hook.name not in names),
            aliases=tuple(each for each in mailbox.aliases if str(each) not in desired.mailboxes),
        )
        for address, mailbox in gone.items()
    }
