"""What must hold between mailboxes, their owners, and the addresses that lead to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from desired.alike import nearest_domain
from desired.draft import DeclaredMailbox, Draft
from desired.finding import Finding, where
from desired.names import Address, Glob
from desired.problem import KeyPath, Severity, Source

# They stand for no user of the host's: no look-up could tell more about them.
_RESERVED_OWNERS = frozenset({"root", "aimx-catchall"})


def an_address_leads_to_one_mailbox(draft: Draft) -> Iterator[Finding]:
    """Neither two mailboxes nor a mailbox and an alias share an address."""
    if len(draft.addresses) < len(draft.mailboxes):
        for mailbox in draft.mailboxes:
            earlier = draft.addresses[str(mailbox.name)]
            if earlier is not mailbox:
                text = f"duplicate mailbox key '{mailbox.name}' in `[mailboxes]`"
                hint = f"first declared at {where(earlier.source, earlier.path)}"
                names = earlier.path[1], mailbox.path[1]
                if names != (str(mailbox.name), str(mailbox.name)):
                    hint += f"; '{names[0]}' and '{names[1]}' are both that mailbox"
                yield Finding(mailbox.source, mailbox.path, "duplicate", text, hint, meant="key")
    first: dict[Address, tuple[Source, KeyPath]] = {}
    for mailbox, alias, path in _aliases(draft):
        taken = draft.addresses.get(str(alias))
        place = (
            (taken.source, taken.path) if taken else first.setdefault(alias, (mailbox.source, path))
        )
        if place != (mailbox.source, path):
            text = f"alias '{alias}' of mailbox '{mailbox.name}' leads to a mailbox already"
            yield Finding(
                mailbox.source, path, "duplicate", text, f"first declared at {where(*place)}"
            )


def _aliases(draft: Draft) -> Iterator[tuple[DeclaredMailbox, Address, KeyPath]]:
    for mailbox in draft.aliased:
        for index, alias in enumerate(mailbox.table.aliases):
            yield mailbox, alias, (*mailbox.path, "aliases", index)


def mailboxes_are_of_listed_domains(draft: Draft) -> Iterator[Finding]:
    """Mail for a domain that is not listed is relaying, and refused."""
    listed = frozenset(domain.name.ascii for domain in draft.domains)
    if not listed:
        return
    for mailbox in draft.mailboxes:
        if mailbox.name.domain.ascii not in listed:
            text = (
                f"mailbox '{mailbox.path[1]}' references domain '{mailbox.name.domain}'"
                " which is not in `domains = [...]`; add the domain or update the mailbox address"
            )
            near = nearest_domain(mailbox.name.domain.ascii, listed)
            hint = f"did you mean '{mailbox.name.local}@{near}'?" if near else ""
            yield Finding(mailbox.source, mailbox.path, "unlisted-domain", text, hint, meant="key")
    for mailbox, alias, path in _aliases(draft):
        if alias.domain.ascii not in listed:
            text = (
                f"alias '{alias}' is of domain '{alias.domain}' which is not in `domains = [...]`"
            )
            near = nearest_domain(alias.domain.ascii, listed)
            hint = f"did you mean '{alias.local}@{near}'?" if near else "add it to `domains`"
            yield Finding(mailbox.source, path, "unlisted-domain", text, hint)


def a_catchall_is_declared_as_one(draft: Draft) -> Iterator[Finding]:
    """The rest of a domain's mail goes where a mailbox says so, not to an alias."""
    for mailbox, alias, path in _aliases(draft):
        if alias.is_catchall:
            text = f"alias '{alias}' of mailbox '{mailbox.name}' is a catchall"
            hint = f'declare it: [mailboxes."{alias}"]'
            yield Finding(mailbox.source, path, "catchall-alias", text, hint)
    for mailbox in draft.aliased:
        if mailbox.name.is_catchall:
            text = f"mailbox '{mailbox.name}' is the catchall and needs no aliases"
            yield Finding(mailbox.source, (*mailbox.path, "aliases"), "catchall-alias", text)


def root_owns_no_mail(draft: Draft) -> Iterator[Finding]:
    """Except where a catchall says so itself."""
    for mailbox in draft.mailboxes:
        table, name, path = mailbox.table, mailbox.name, mailbox.path
        if table.allow_root_catchall and not name.is_catchall:
            text = (
                f"mailbox '{name}' sets allow_root_catchall=true but is not a catchall"
                " (*@<domain> for any configured domain); remove the flag or change the address"
            )
            place = (*path, "allow_root_catchall")
            yield Finding(mailbox.source, place, "root-owner", text, meant="key")
        if table.owner.text != "root":
            continue
        severity, text = _root(mailbox)
        yield Finding(mailbox.source, (*path, "owner"), "root-owner", text, severity=severity)


def _root(mailbox: DeclaredMailbox) -> tuple[Severity, str]:
    name = mailbox.name
    if not name.is_catchall:
        return "error", (
            f"mailbox '{name}' cannot be owned by root; use a regular Linux user or set"
            " 'allow_root_catchall = true' on a catchall mailbox"
        )
    if not mailbox.table.allow_root_catchall:
        return "error", (
            f"catchall mailbox '{name}' has owner='root' but allow_root_catchall=false; set"
            " allow_root_catchall=true to opt into the root-catchall escape hatch, or change"
            " owner to 'aimx-catchall' (the default)"
        )
    return "warning", (
        f"catchall mailbox '{name}' is running with owner='root' and allow_root_catchall=true;"
        " this is a documented escape hatch — mail lands owned by uid 0"
    )


def owners_exist(draft: Draft, exists: Callable[[str], bool]) -> Iterator[Finding]:
    """Until its user exists a mailbox is inactive, and mail for it is put off."""
    known = dict.fromkeys(_RESERVED_OWNERS, True)
    for mailbox in draft.mailboxes:
        owner = mailbox.table.owner.text
        if owner not in known:
            known[owner] = exists(owner)
        if not known[owner]:
            text = (
                f"mailbox '{mailbox.name}' owner '{owner}' does not resolve via getpwnam; mailbox"
                f" marked inactive — create the user or update {mailbox.source.name}"
            )
            path = (*mailbox.path, "owner")
            yield Finding(mailbox.source, path, "owner-missing", text, severity="warning")


def patterns_can_match(draft: Draft) -> Iterator[Finding]:
    """A pattern without its `@` trusts nobody, which its author did not mean."""
    places: list[tuple[Source, KeyPath, list[Glob] | None]] = [
        (draft.source, (), draft.top.trusted_senders)
    ]
    places += [(o.source, o.path, o.table.trusted_senders) for o in draft.overrides]
    places += [
        (m.source, m.path, m.table.trusted_senders)
        for m in draft.mailboxes
        if m.table.trusted_senders
    ]
    for source, path, patterns in places:
        for index, pattern in enumerate(patterns or ()):
            if not pattern.can_match:
                text = f"'{pattern}' matches no address, since `*` does not stand for `@`"
                hint = f"write '*@{pattern}'" if "*" not in pattern.text else "write '*@*'"
                place = (*path, "trusted_senders", index)
                yield Finding(source, place, "pattern-never-matches", text, hint, "warning")


RULES = (
    an_address_leads_to_one_mailbox,
    mailboxes_are_of_listed_domains,
    a_catchall_is_declared_as_one,
    root_owns_no_mail,
    patterns_can_match,
)
