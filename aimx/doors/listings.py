"""What there is, listed: domains, mailboxes and hooks, with how much mail they hold."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from aimx.controller.edits.manifest import Manifest
from aimx.controller.instance import Instance
from aimx.controller.refusal import EditError
from aimx.doors.exits import Exit
from aimx.doors.records import records
from aimx.doors.wish import Answer, Question, Wish
from desired.desired import HostedDomain, Mailbox
from desired.names import InvalidNameError
from desired.problem import printable
from reconcilers.applied import what_was_applied
from reconcilers.kinds.dkim import DkimReconciler
from reconcilers.report.rows import aligned
from reconcilers.stores import Store, stores
from reconcilers.unread import Count, Unread, together

Row = dict[str, Any]

FORMAT_VERSION = "1.0"
_UNKNOWN = "?"  # Nobody could look.


@dataclass(frozen=True)
class Listing:
    """The manifest that is in force, the machine, and who counts what nobody has read."""

    manifest: Manifest
    count: Count

    @cached_property
    def stores(self) -> Mapping[tuple[str, str], Store]:
        """By domain and name of the directory."""
        manifest = self.manifest
        domains = [domain.name.ascii for domain in manifest.desired.domains]
        return {(it.domain, it.name): it for it in stores(manifest.host, manifest.roots, domains)}

    @cached_property
    def folders(self) -> Mapping[str, Sequence[str]]:
        """What the directories of each domain's mailboxes are called."""
        grouped: dict[str, list[str]] = defaultdict(list)
        for mailbox in self.manifest.desired.mailboxes.values():
            grouped[mailbox.address.domain.ascii].append(mailbox.address.folder)
        return grouped

    @cached_property
    def unread(self) -> Mapping[tuple[str, str], Unread | None]:
        """What nobody has read; where there is no mail nobody is asked. None: nobody could look."""
        asked = {f"{it.name}@{it.domain}": key for key, it in self.stores.items() if it.inbox}
        inboxes = [self.stores[key].to_count(name) for name, key in asked.items()]
        counted = self.count(self.manifest.roots, inboxes) if inboxes else {}
        told = {key: counted.get(name) for name, key in asked.items()}
        return {**dict.fromkeys(self.stores, Unread(0)), **told}

    def unread_in(self, domain: str, folders: Iterable[str]) -> Unread | None:
        """The same of some of its mailboxes together."""
        return together(self.unread.get((domain, folder), Unread(0)) for folder in folders)

    @cached_property
    def signing(self) -> frozenset[str]:
        """The domains whose keys all sign."""
        manifest = self.manifest
        pairs = DkimReconciler().observe(
            what_was_applied(manifest.desired, manifest.host, manifest.roots)
        )
        return frozenset(
            domain.name.ascii
            for domain in manifest.desired.domains
            if all(
                (pair := pairs.get(f"{domain.name}/{selector}")) is not None and pair.signs
                for selector in domain.selectors.values()
            )
        )


def listed(instance: Instance, wish: Wish, question: Question, count: Count) -> Answer:
    """What is asked, told; raises what keeps it from being told."""
    with instance.looking() as host:
        desired = instance.in_force().desired
        manifest = Manifest(desired.sources, desired, host, instance.roots)
        if question.of == "records":
            return records(manifest, wish, question)
        return _LISTS[question.of](Listing(manifest, count), wish, question)


def _domains(listing: Listing, wish: Wish, question: Question) -> Answer:
    rows = [_domain(domain, listing) for domain in listing.manifest.desired.domains]
    if wish.view == "json":
        return _document("domains", [_data(row) for row in rows])
    headings = ("DOMAIN", "DEFAULT", "DKIM", "MAILBOXES", "UNREAD", "OVERRIDES")
    cells = [
        (
            row["domain"],
            "yes" if row["default"] else "",
            "loaded" if row["dkim_loaded"] else "MISSING",
            str(row["mailbox_count"]),
            _number(row["unread"]),
            row["overrides"],
        )
        for row in rows
    ]
    return _told(aligned(headings, cells, wish.columns, numbers=(3, 4)))


def _domain(domain: HostedDomain, listing: Listing) -> Row:
    manifest, name = listing.manifest, domain.name.ascii
    folders = listing.folders.get(name, ())
    return {
        "domain": name,
        "default": domain.name == manifest.desired.default_domain,
        "dkim_loaded": name in listing.signing,
        "dkim_selector": str(domain.selector),
        "mailbox_count": len(folders),
        "unread": listing.unread_in(name, folders),
        "overrides": ",".join(
            key
            for file, path in manifest.overrides(domain.name)
            for key in _keys(manifest, file, path)
        ),
        "storage_tree": str(manifest.roots.domain(name)),
        "dkim_dir": str(manifest.roots.keys(name)),
    }


def _keys(manifest: Manifest, file: str, path: Sequence[str | int]) -> Iterator[str]:
    table: Any = manifest.tables[file]
    for part in path:
        table = table[part]
    return iter(table)


def _mailboxes(listing: Listing, wish: Wish, question: Question) -> Answer:
    declared = listing.manifest.desired.mailboxes
    rows = [_mailbox(address, it, listing) for address, it in declared.items()]
    taken = {(it.address.domain.ascii, it.address.folder) for it in declared.values()}
    rows += [_stray(store, listing) for key, store in listing.stores.items() if key not in taken]
    rows.sort(key=lambda row: row["name"])
    if wish.view == "json":
        return _document("mailboxes", [_data(row) for row in rows])
    if not rows:
        return _told("No mailboxes configured.")
    headings = ("MAILBOX", "OWNER", "INBOX", "UNREAD", "SENT", "")
    cells = [
        (
            row["name"],
            row["owner"] or "",
            *(_number(row[name]) for name in ("total", "unread", "sent_count")),
            "" if row["registered"] else "(unregistered)",
        )
        for row in rows
    ]
    return _told(aligned(headings, cells, wish.columns, numbers=(2, 3, 4)))


def _mailbox(address: str, mailbox: Mailbox, listing: Listing) -> Row:
    domain, folder = mailbox.address.domain.ascii, mailbox.address.folder
    store = listing.stores.get((domain, folder))
    return {
        "name": address,
        "address": address,
        "owner": mailbox.owner,
        "inbox_path": str(listing.manifest.roots.mailbox(domain, "inbox", folder)),
        "sent_path": str(listing.manifest.roots.mailbox(domain, "sent", folder)),
        "total": store.inbox if store else 0,
        "unread": listing.unread_in(domain, [folder]),
        "sent_count": store.sent if store else 0,
        "registered": True,
    }


def _stray(store: Store, listing: Listing) -> Row:
    """What stands where a mailbox would, and is none."""
    roots = listing.manifest.roots
    return {
        "name": f"{store.name}@{store.domain}",
        "address": None,
        "owner": None,
        "inbox_path": str(roots.mailbox(store.domain, "inbox", store.name)),
        "sent_path": str(roots.mailbox(store.domain, "sent", store.name)),
        "total": store.inbox,
        "unread": listing.unread_in(store.domain, [store.name]),
        "sent_count": store.sent,
        "registered": False,
    }


def _shown(listing: Listing, wish: Wish, question: Question) -> Answer:
    mailbox = _meant(question.address, listing.manifest)
    row = _mailbox(str(mailbox.address), mailbox, listing)
    hooks = list(_hook_rows(mailbox))
    trust = {"trust": mailbox.trust, "trusted_senders": list(map(str, mailbox.trusted_senders))}
    aliases = {"aliases": list(map(str, mailbox.aliases))}
    if wish.view == "json":
        return _document("mailbox", {**_data(row), **trust, **aliases, "hooks": hooks})
    lines = [
        ("Mailbox", row["name"]),
        ("Owner", row["owner"]),
        ("Aliases", ", ".join(aliases["aliases"]) or "none"),
        ("Trust", mailbox.trust),
        ("Trusted senders", ", ".join(map(str, mailbox.trusted_senders)) or "none"),
        ("Received", f"{_number(row['total'])}, {_number(row['unread'])} unread"),
        ("Inbox", row["inbox_path"]),
        ("Sent copies", _number(row["sent_count"])),
        ("Sent", row["sent_path"]),
        *(("Hook", _hook_line(hook)) for hook in hooks),
    ]
    return _told("\n".join(f"{name + ':':<17}{printable(text)}" for name, text in lines))


def _meant(name: str, manifest: Manifest) -> Mailbox:
    try:
        mailbox = manifest.desired.mailboxes.get(str(manifest.address(name)))
    except InvalidNameError:
        mailbox = None
    if mailbox is None:
        raise EditError(f"mailbox '{name}' does not exist", "MAILBOX")
    return mailbox


def _hook_line(hook: Row) -> str:
    flag = " [fire_on_untrusted=true]" if hook["fire_on_untrusted"] else ""
    return f"{hook['name']} {hook['event']}{flag}: {_words(hook['cmd'])}"


def _hooks(listing: Listing, wish: Wish, question: Question) -> Answer:
    manifest = listing.manifest
    those = [_meant(question.address, manifest)] if question.address else []
    rows = [row for it in those or manifest.desired.mailboxes.values() for row in _hook_rows(it)]
    rows.sort(key=lambda row: (row["mailbox"], row["event"], row["name"]))
    if wish.view == "json":
        return _document("hooks", rows)
    if not rows:
        return _told("No hooks configured.")
    headings = ("NAME", "MAILBOX", "EVENT", "TIMEOUT", "CMD")
    cells = [
        (row["name"], row["mailbox"], row["event"], f"{row['timeout_secs']}s", _words(row["cmd"]))
        for row in rows
    ]
    return _told(aligned(headings, cells, wish.columns, numbers=(3,)))


def _hook_rows(mailbox: Mailbox) -> Iterator[Row]:
    for hook in mailbox.hooks:
        yield {
            "name": str(hook.name),
            "mailbox": str(mailbox.address),
            "event": hook.event,
            "cmd": list(hook.cmd),
            "fire_on_untrusted": hook.fire_on_untrusted,
            "timeout_secs": int(hook.timeout.total_seconds()),
        }


def _words(cmd: Sequence[str]) -> str:
    return json.dumps(cmd, ensure_ascii=False)


def _data(row: Row) -> Row:
    """At least so many is not so many."""
    unread: Unread | None = row["unread"]
    return {**row, "unread": None if unread is None or unread.at_least else unread.messages}


def _number(number: int | Unread | None) -> str:
    match number:
        case None:
            return _UNKNOWN
        case Unread(messages, at_least):
            return f"{messages:,}{'+' * at_least}"
        case _:
            return f"{number:,}"


def _told(text: str) -> Answer:
    return Answer(Exit.DONE, text)


def _document(of: str, what: list[Row] | Row) -> Answer:
    """A format of its own for each, as all that is printed as data has."""
    head = {"format": f"aimx.{of}", "format_version": FORMAT_VERSION}
    return Answer(Exit.DONE, json.dumps({**head, of: what}, indent=2))


_LISTS: Mapping[str, Callable[[Listing, Wish, Question], Answer]] = {
    "domains": _domains,
    "mailboxes": _mailboxes,
    "mailbox": _shown,
    "hooks": _hooks,
}
