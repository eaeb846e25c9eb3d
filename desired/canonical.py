"""Older shapes of a manifest, written in full, so that no name depends on the default domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from desired.legacy import address, mentioned
from desired.names import Domain
from desired.problem import BYTE_ORDER_MARK, KeyPath, ManifestError, Problem, Source
from desired.splicing import Splicing
from desired.statements import Statement, cut, names, pair, renamed
from desired.tables import Tables, load


def canonical(source: Source, default: Domain) -> Source:
    """The source with `domains` for `domain`, mailboxes by address, and without what says nothing.

    What stands in one line with its whole table stays. Raises `ManifestError` where the source is
    no legal TOML, and `InvalidNameError` where it is no manifest.
    """
    tables = load(source)
    if isinstance(tables, Problem):
        raise ManifestError([tables])
    mark = BYTE_ORDER_MARK if source.raw.startswith(BYTE_ORDER_MARK) else b""
    text = _mentioning(source.raw[len(mark) :].decode("utf-8"), tables, default)
    full = _full_names(tables, default)
    single = isinstance(tables.get("domain"), str)
    written = "".join(_written(found, full, single=single) for found in cut(text))
    return Source(source.name, mark + written.encode("utf-8"))


def short(source: Source) -> tuple[KeyPath, ...]:
    """The mailboxes whose name still leans on the default domain."""
    tables = load(source)
    boxes = {} if isinstance(tables, Problem) else tables.get("mailboxes", {})
    return tuple(("mailboxes", name) for name in boxes if "@" not in name)


def _full_names(tables: Tables, default: Domain) -> dict[str, str]:
    return {
        name: str(address(name, box.get("address"), default))
        for name, box in tables.get("mailboxes", {}).items()
        if "@" not in name
    }


def _mentioning(text: str, tables: Tables, default: Domain) -> str:
    """The text with every mailbox of an identity in full."""
    bare = list(_bare(tables.get("identities", {})))
    if not bare:
        return text
    splicing = Splicing(text)
    for path, name in bare:
        splicing.put(path, str(mentioned(name, default)))
    return splicing.text()


def _bare(identities: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    for slug, identity in identities.items():
        for index, name in enumerate(identity.get("mailboxes", ())):
            if "@" not in name:
                yield ("identities", slug, "mailboxes", index), name


def _written(statement: Statement, full: Mapping[str, str], *, single: bool) -> str:
    match statement.path:
        case ("domain",) if single:
            value = pair(statement).value
            listed = statement.text.replace(value, f"[{value}]", 1)
            return renamed(listed, ("domains",))
        case ("mailboxes", _, "address") if statement.kind == "pair":
            return _without(statement)
        case ("mailboxes", _, "hooks", int(), "type") if statement.kind == "pair":
            return _without(statement)
        case ("mailboxes", name, *_) if name in full:
            return _with_full_name(statement, full)
        case _:
            return statement.text


def _with_full_name(statement: Statement, full: Mapping[str, str]) -> str:
    written = list(names(statement.text))
    # How much of the path this statement itself spells; its header spells the rest.
    above = len(statement.table) if statement.kind == "pair" else 0
    if above > 1:
        return statement.text
    written[1 - above] = full[written[1 - above]]
    return renamed(statement.text, tuple(written))


def _without(statement: Statement) -> str:
    """Nothing of a pair but its comment."""
    comment = pair(statement).comment
    end = statement.text[len(statement.text.rstrip("\r\n")) :]
    return comment + end if comment else ""
