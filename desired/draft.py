"""All sources together, each thing with its place, before anything is checked against another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from desired import legacy
from desired.finding import Finding
from desired.frozen import frozen
from desired.names import Address, Domain, InvalidNameError, Slug
from desired.problem import KeyPath, Source
from desired.schema import (
    DomainTable,
    IdentityTable,
    MailboxTable,
    ManifestTable,
    MovedTable,
    RemovedTable,
)
from desired.shape import Shaped

Name = TypeVar("Name")
Table = TypeVar("Table")


@frozen
class Declared(Generic[Name, Table]):
    """One thing that a manifest declares, and where."""

    source: Source
    path: KeyPath
    name: Name
    table: Table


DeclaredMailbox = Declared[Address, MailboxTable]


@frozen
class Draft:
    """What a manifest declares, in the order in which it does."""

    source: Source  # The manifest proper; the rest are fragments.
    top: ManifestTable
    fragments: tuple[tuple[Source, ManifestTable], ...]
    domains: tuple[Declared[Domain, None], ...]
    overrides: tuple[Declared[Domain, DomainTable], ...]
    mailboxes: tuple[DeclaredMailbox, ...]
    addresses: Mapping[str, DeclaredMailbox]  # The first mailbox of each address.
    hooked: tuple[DeclaredMailbox, ...]  # The few that have hooks.
    aliased: tuple[DeclaredMailbox, ...]  # The few that have aliases.
    identities: tuple[Declared[Slug, IdentityTable], ...]
    moved: tuple[Declared[None, MovedTable], ...]
    removed: tuple[Declared[None, RemovedTable], ...]
    all_domains: bool  # Else some are no names, and others stand in for them.
    made_up: Mapping[str, frozenset[KeyPath]]  # By file: where a table differs from it.

    @property
    def default(self) -> Domain | None:
        return self.domains[0].name if self.domains else None

    def is_written(self, source: Source, *paths: KeyPath) -> bool:
        """Whether what it has there is what the file says, and not put for something wrong."""
        made_up = self.made_up.get(source.name)
        return not made_up or made_up.isdisjoint(map(source.written, paths))


class Gathering:
    """Collects a draft from shaped sources, and what in them is no name."""

    def __init__(self, sources: Sequence[Shaped]) -> None:
        self.findings: list[Finding] = []
        self._all_domains = all(shaped.all_domains for shaped in sources)
        self._made_up = {each.source.name: frozenset(each.made_up) for each in sources}
        self._files = [(shaped.source, shaped.table) for shaped in sources if shaped.table]

    def draft(self) -> Draft:
        (source, top), *fragments = self._files
        domains = tuple(self._domains())
        mailboxes = tuple(self._mailboxes(domains[0].name if domains else None))
        addresses: dict[str, DeclaredMailbox] = {}
        for mailbox in mailboxes:
            addresses.setdefault(str(mailbox.name), mailbox)
        return Draft(
            source=source,
            top=top,
            fragments=tuple(fragments),
            domains=domains,
            overrides=tuple(self._overrides()),
            mailboxes=mailboxes,
            addresses=addresses,
            hooked=tuple(mailbox for mailbox in mailboxes if mailbox.table.hooks),
            aliased=tuple(mailbox for mailbox in mailboxes if mailbox.table.aliases),
            identities=tuple(self._identities()),
            moved=tuple(
                Declared(source, ("moved", index), None, table)
                for source, file in self._files
                for index, table in enumerate(file.moved)
            ),
            removed=tuple(
                Declared(source, ("removed", index), None, table)
                for source, file in self._files
                for index, table in enumerate(file.removed)
            ),
            all_domains=self._all_domains,
            made_up=self._made_up,
        )

    def _domains(self) -> Iterator[Declared[Domain, None]]:
        for source, file in self._files:
            if isinstance(file.domain, Domain):
                yield Declared(source, ("domain",), file.domain, None)
            for index, name in enumerate(file.domains or ()):
                yield Declared(source, ("domains", index), name, None)

    def _overrides(self) -> Iterator[Declared[Domain, DomainTable]]:
        for source, file in self._files:
            if not isinstance(file.domain, dict):
                continue
            for key, table in file.domain.items():
                path = ("domain", key)
                try:
                    yield Declared(source, path, Domain.parse(key), table)
                except InvalidNameError as cause:
                    self._no_name(source, path, cause)

    def _mailboxes(self, default: Domain | None) -> Iterator[DeclaredMailbox]:
        for source, file in self._files:
            for key, table in file.mailboxes.items():
                path = ("mailboxes", key)
                try:
                    address = legacy.address(key, table.address, default)
                except InvalidNameError as cause:
                    place = path if table.address is None else (*path, "address")
                    self._no_name(source, place, cause)
                else:
                    yield Declared(source, path, address, table)

    def _identities(self) -> Iterator[Declared[Slug, IdentityTable]]:
        for source, file in self._files:
            for key, table in file.identities.items():
                path = ("identities", key)
                try:
                    yield Declared(source, path, Slug.parse(key), table)
                except InvalidNameError as cause:
                    self._no_name(source, path, cause)

    def _no_name(self, source: Source, path: KeyPath, cause: InvalidNameError) -> None:
        self.findings.append(Finding(source, path, "name", str(cause), cause.hint))
