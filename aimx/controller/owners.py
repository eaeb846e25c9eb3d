"""Whose mailboxes can take mail: those whose owner is known, and whose directory is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from desired.desired import Desired
from desired.names import Address
from reconcilers.host.host import Nature, Reading, UnseenError
from reconcilers.roots import Roots

_NOTHING: Mapping[str, int | None] = MappingProxyType({})


def uids(
    desired: Desired,
    host: Reading,
    roots: Roots,
    before: Mapping[str, int | None] = _NOTHING,
) -> Mapping[str, int | None]:
    """The owner's uid by the mailbox's address; None where mail would find no place yet.

    With it a recipient would be accepted whose message nobody can place. `before`: what was found
    when this was asked last; whose directory was there then is not looked for again.
    """
    mailboxes = desired.mailboxes
    accounts = {owner: host.account(owner) for owner in {m.owner for m in mailboxes.values()}}
    # One that is being renamed has its directory where it was until every process is ready.
    former = {moved.target: moved.source for moved in desired.moved}
    new = [mailbox.address for name, mailbox in mailboxes.items() if before.get(name) is None]
    there = set(_there([*new, *former.values()], host, roots))
    found: dict[str, int | None] = {}
    for name, mailbox in mailboxes.items():
        account = accounts[mailbox.owner]
        is_housed = (
            before.get(name) is not None
            or mailbox.address in there
            or former.get(mailbox.address) in there
        )
        found[name] = account.uid if account and is_housed else None
    return found


def _there(addresses: Iterable[Address], host: Reading, roots: Roots) -> Iterator[Address]:
    """Those whose mail has a directory to come to; one look for each domain."""
    by_domain: dict[str, list[Address]] = defaultdict(list)
    for address in addresses:
        by_domain[address.domain.ascii].append(address)
    for domain, those in by_domain.items():
        try:
            inbox, names = roots.folder(domain, "inbox"), [each.folder for each in those]
            entries = host.look_within(inbox, names) or {}
        except UnseenError:  # A domain that cannot be looked at is no reason to refuse the others.
            continue
        for address in those:
            entry = entries.get(address.folder)
            if entry is not None and entry.nature is Nature.DIRECTORY:
                yield address
