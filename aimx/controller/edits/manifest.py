"""The manifest as a command finds it: which file says what, and under which key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from aimx.controller.refusal import EditError
from desired.desired import Desired
from desired.edit import Edit, Remove
from desired.legacy import address
from desired.names import Address, Domain, InvalidNameError, LocalPart
from desired.problem import KeyPath, Problem, Source
from desired.tables import Tables, load
from reconcilers.host.host import Reading as Looking
from reconcilers.roots import Roots


@dataclass(frozen=True)
class Manifest:
    """The manifest's files, what they say, and the machine to look at."""

    sources: tuple[Source, ...]
    desired: Desired
    host: Looking
    roots: Roots
    # What the engine runs on may have what the files have lost already.
    applied: Desired | None = field(default=None)

    @cached_property
    def tables(self) -> Mapping[str, Tables]:
        """What stands in each file, by its name."""
        loaded = {source.name: load(source) for source in self.sources}
        return {name: {} if isinstance(it, Problem) else it for name, it in loaded.items()}

    @property
    def main(self) -> str:
        """The name of the file that is no fragment."""
        return self.sources[0].name

    def domain(self, text: str) -> Domain:
        """The domain that is meant, listed or not; raises `EditError`."""
        try:
            return Domain.parse(text)
        except InvalidNameError as cause:
            told = f"domain '{text}' is not a valid RFC 1035 hostname"
            raise EditError(told, "VALIDATION") from cause

    def address(self, text: str) -> Address:
        """The mailbox that is meant, declared or not; raises `InvalidNameError`."""
        if "@" in text:
            return Address.parse(text)
        return Address(LocalPart.parse(text), self.desired.default_domain)

    def listed(self, domain: Domain) -> Iterator[tuple[str, str]]:
        """The files that list a domain, and how each spells it."""
        for name, tables in self.tables.items():
            for spelled in tables.get("domains", ()):
                if Domain.parse(spelled) == domain:
                    yield name, spelled

    def overrides(self, domain: Domain) -> Iterator[tuple[str, KeyPath]]:
        """The tables of a domain."""
        for name, tables in self.tables.items():
            overrides = tables.get("domain", {})
            for key in overrides if isinstance(overrides, dict) else ():
                if Domain.parse(key) == domain:
                    yield name, ("domain", key)

    def mailboxes(self) -> Iterator[tuple[str, KeyPath, Address, Mapping[str, Any]]]:
        """Every mailbox: its file, its path there, its address and its table."""
        default = self.desired.default_domain
        for name, tables in self.tables.items():
            for key, table in tables.get("mailboxes", {}).items():
                yield name, ("mailboxes", key), address(key, table.get("address"), default), table

    def leading_to(self, address: Address) -> Iterator[tuple[str, Edit]]:
        """The blocks that moved mail there, which would lead nowhere without it."""
        for name, tables in self.tables.items():
            for block in tables.get("moved", ()):
                if block["to"].partition("/")[2] == str(address):
                    yield name, Remove(("moved",), block)

    def require_full_names(self, doing: str) -> None:
        """Raises `EditError` where a name leans on the default domain, which is to change."""
        short = [str(path[1]) for _, path, _, _ in self.mailboxes() if "@" not in str(path[1])]
        if short:
            raise EditError(
                f"{doing} would change what '{short[0]}' means: `aimx fmt --canonical` writes"
                " such names in full, then do this again"
            )

    def require_list(self) -> None:
        """Raises `EditError` where the one domain is named in an older way."""
        if isinstance(self.tables[self.main].get("domain"), str):
            raise EditError(
                f"{self.main} names its one domain in an older way: `aimx fmt --canonical`"
                " writes it in full"
            )


def unlisted(domain: str, remedy: str = "", code: str = "DOMAIN") -> EditError:
    """What to say of a domain that is not ours, wherever it was named."""
    told = remedy or f"add it with 'aimx domains add {domain}'"
    return EditError(f"domain '{domain}' is not in 'domains'; {told}", code)
