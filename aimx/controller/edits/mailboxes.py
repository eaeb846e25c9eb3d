"""A mailbox comes, or goes."""

from __future__ import annotations

from collections.abc import Iterator

from aimx.controller.amendments import CreateMailbox, DeleteMailbox
from aimx.controller.edits.edits import Edits
from aimx.controller.edits.manifest import Manifest, unlisted
from aimx.controller.refusal import EditError
from desired.edit import Delete, Edit, Put
from desired.names import Address, InvalidNameError, LocalPart, Owner
from reconcilers.counted import counted
from reconcilers.roots import FOLDERS


def created(it: CreateMailbox, manifest: Manifest) -> Edits:
    address = _commanded(it.name, manifest)
    if str(address) in manifest.desired.mailboxes:
        raise EditError(f"mailbox '{it.name}' already exists", "MAILBOX")
    if manifest.desired.domain(address.domain.ascii) is None:
        raise unlisted(address.domain.ascii, code="VALIDATION")
    owner = _owner(it.owner, manifest)
    return Edits(
        ((manifest.main, Put(("mailboxes", str(address)), {"owner": owner})),),
        about=frozenset({f"mailbox/{address}", f"domain/{address.domain}"}),
    )


def _commanded(text: str, manifest: Manifest) -> Address:
    local, at, domain = text.rpartition("@")
    try:
        part = LocalPart.commanded(local if at else domain)
        return Address(part, manifest.domain(domain) if at else manifest.desired.default_domain)
    except InvalidNameError as cause:
        raise EditError(str(cause), "VALIDATION") from cause


def _owner(text: str, manifest: Manifest) -> str:
    try:
        owner = Owner.parse(text).text
    except InvalidNameError as cause:
        raise EditError(f"'{text}' is no name of a Linux user", "VALIDATION") from cause
    if manifest.host.account(owner) is None:
        raise EditError(
            f"unknown owner '{owner}'; `useradd --create-home {owner}` makes one", "VALIDATION"
        )
    return owner


def deleted(it: DeleteMailbox, manifest: Manifest) -> Edits:
    try:
        address = manifest.address(it.name)
    except InvalidNameError:
        address = None
    declared = [(name, path) for name, path, each, _ in manifest.mailboxes() if each == address]
    if address is None or not declared:
        raise EditError(f"mailbox '{it.name}' does not exist", "MAILBOX")
    if not it.force:
        _require_empty(it.name, address, manifest)
    return Edits(
        tuple(_removals(declared, address, manifest)),
        about=frozenset({f"mailbox/{address}"}),
        going=frozenset({f"mailbox/{address}"}),
    )


def _require_empty(name: str, address: Address, manifest: Manifest) -> None:
    domain, roots = address.domain.ascii, manifest.roots
    inbox, sent = (
        len(manifest.host.names(roots.mailbox(domain, folder, address.folder)) or ())
        for folder in FOLDERS
    )
    if inbox or sent:
        files = counted(inbox + sent, "file")
        raise EditError(
            f"mailbox '{name}' has {files} ({inbox} in inbox, {sent} in sent);"
            " archive or remove them first, or rerun with --force to set them aside",
            "NONEMPTY",
        )


def _removals(
    declared: list[tuple[str, tuple[str | int, ...]]], address: Address, manifest: Manifest
) -> Iterator[tuple[str, Edit]]:
    yield from manifest.leading_to(address)
    for name, path in declared:
        yield name, Delete(path)
