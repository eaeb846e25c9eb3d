"""Keys that the schema knows and the engine does not carry out.

A key that is only without effect is a warning. One whose promise others would rely on, and lose
mail or protection by, is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from desired.finding import Finding, Pattern, matches
from desired.frozen import frozen
from desired.problem import Severity, Source, dotted
from desired.tables import Tables


def _set(value: Any) -> bool:
    """Written at all, and not empty."""
    return value not in ([], {}, "")


def _is(unbuilt: object) -> Callable[[Any], bool]:
    return lambda value: value == unbuilt and type(value) is type(unbuilt)


@frozen
class Unbuilt:
    """A key, which of its values have no effect, and what to do about it."""

    path: Pattern
    when: Callable[[Any], bool]
    severity: Severity
    remedy: str


_KEPT = "it is kept, and has no effect"

UNBUILT = (
    Unbuilt(("http", "acl"), _set, "error", "remove it: it would let everybody in"),
    Unbuilt(("tls", "mode"), _is("acme"), "error", 'write "files", and name `cert` and `key`'),
    Unbuilt(("tls", "acme"), _set, "warning", _KEPT),
    Unbuilt(("controller", "source"), _set, "error", "remove it: the manifest is a file"),
    Unbuilt(("identities",), _set, "warning", "they are kept, and nobody can sign in with them"),
    Unbuilt(("dns", "provider"), _set, "warning", "publish the records yourself"),
)


def unbuilt(source: Source, tables: Tables) -> Iterator[Finding]:
    """What of the tables has no effect yet: one finding a row, at the first place that asks."""
    for row in UNBUILT:
        asking = [path for path, value in matches(tables, row.path) if row.when(value)]
        # An error is told wherever it stands, since each place must be edited.
        for path in asking if row.severity == "error" else asking[:1]:
            more = f" (and {len(asking) - 1} more)" if row.severity == "warning" else ""
            text = f"`{dotted(path)}` is not supported yet{more if len(asking) > 1 else ''}"
            yield Finding(source, path, "not-yet", text, row.remedy, row.severity, meant="key")
