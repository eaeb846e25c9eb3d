"""What must hold of the blocks that move and remove mailboxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from desired.draft import Declared, Draft
from desired.finding import Finding, where
from desired.names import Address
from desired.problem import KeyPath, Source


def a_move_leads_to_a_declared_mailbox(draft: Draft) -> Iterator[Finding]:
    """From an address that is declared no more to one that is."""
    sources = {move.table.source for move in draft.moved}
    targets = {move.table.target for move in draft.moved}
    for move in draft.moved:
        source, target = move.table.source, move.table.target
        if str(source) in draft.addresses:
            text = f"mailbox/{source} is moved away and still declared"
            hint = f'remove [mailboxes."{source}"]'
            if source in targets:
                hint = "moves cannot be chained or swapped: apply one, then write the next"
            yield Finding(move.source, (*move.path, "from"), "moved", text, hint)
        if str(target) not in draft.addresses:
            text = f"mailbox/{target} is moved to and not declared"
            hint = f'declare [mailboxes."{target}"]'
            if target in sources:
                hint = (
                    "moves cannot be chained or swapped; if this one was applied before, remove it"
                )
            yield Finding(move.source, (*move.path, "to"), "moved", text, hint)


def an_address_is_moved_or_removed_once(draft: Draft) -> Iterator[Finding]:
    """Two blocks for one address would have to be carried out in an order that nobody wrote."""
    leaving: dict[Address, tuple[Source, KeyPath]] = {}
    for block, key, address in _leaving(draft):
        place = (block.source, (*block.path, key))
        if (first := leaving.setdefault(address, place)) != place:
            text = f"mailbox/{address} is moved or removed twice"
            yield Finding(*place, "duplicate", text, f"first at {where(*first)}")
    arriving: dict[Address, tuple[Source, KeyPath]] = {}
    for move in draft.moved:
        place = (move.source, (*move.path, "to"))
        if (first := arriving.setdefault(move.table.target, place)) != place:
            text = f"two mailboxes are moved to mailbox/{move.table.target}"
            yield Finding(*place, "duplicate", text, f"first at {where(*first)}")


def _leaving(draft: Draft) -> Iterator[tuple[Declared[Any, Any], str, Address]]:
    yield from ((move, "from", move.table.source) for move in draft.moved)
    yield from ((removal, "address", removal.table.address) for removal in draft.removed)


def a_removed_mailbox_is_declared_no_more(draft: Draft) -> Iterator[Finding]:
    """Else the next apply would not know which of the two is meant."""
    for removal in draft.removed:
        if str(removal.table.address) in draft.addresses:
            text = f"mailbox/{removal.table.address} is removed and still declared"
            hint = f'remove [mailboxes."{removal.table.address}"]'
            yield Finding(removal.source, (*removal.path, "address"), "removed", text, hint)


RULES = (
    a_move_leads_to_a_declared_mailbox,
    an_address_is_moved_or_removed_once,
    a_removed_mailbox_is_declared_no_more,
)
