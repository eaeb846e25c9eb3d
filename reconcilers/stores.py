"""How much mail stands in each directory for it, whether a mailbox is declared there or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from desired.frozen import frozen
from reconcilers.host.host import Nature, Reading, UnseenError
from reconcilers.inscription import amount
from reconcilers.roots import FOLDERS, Roots
from reconcilers.unread import Inbox


@frozen
class Store:
    """The directories of one name in a domain's tree."""

    domain: str
    name: str
    uid: int  # Of who owns the inbox; -1 where there is none.
    gid: int
    inbox: int | None  # Messages; None where nobody could look.
    sent: int | None

    def to_count(self, address: str) -> Inbox:
        return Inbox(address, self.domain, self.name, self.uid, self.gid)


def stores(host: Reading, roots: Roots, domains: Iterable[str]) -> Iterator[Store]:
    """All that are there, by domain and name."""
    for domain in domains:
        names = {
            name for folder in FOLDERS for name in _directories(host, roots.folder(domain, folder))
        }
        for name in sorted(names):
            yield _store(host, roots, domain, name)


def _directories(host: Reading, folder: PurePosixPath) -> Iterator[str]:
    try:
        entries = host.look_within(folder, host.names(folder) or ()) or {}
    except UnseenError:
        return
    for name, entry in entries.items():
        if entry is not None and entry.nature is Nature.DIRECTORY:
            yield name


def _store(host: Reading, roots: Roots, domain: str, name: str) -> Store:
    inbox, sent = (roots.mailbox(domain, folder, name) for folder in FOLDERS)
    try:
        entry = host.look(inbox)
    except UnseenError:
        entry = None
    uid, gid = (entry.uid, entry.gid) if entry else (-1, -1)
    return Store(domain, name, uid, gid, _messages(host, inbox), _messages(host, sent))


def _messages(host: Reading, directory: PurePosixPath) -> int | None:
    try:
        return amount(host, (directory,)).messages
    except UnseenError:
        return None
