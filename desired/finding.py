"""What was found wrong, by key path; its line is looked up when everything has been found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from desired.frozen import frozen
from desired.problem import KeyPath, Problem, Severity, Source, Where

Pattern = tuple[str, ...]  # A key path in which `*` stands for any one key or index.


@frozen
class Finding:
    """A problem that does not know its line yet."""

    source: Source
    path: KeyPath
    code: str
    text: str
    hint: str = ""
    severity: Severity = "error"
    meant: Literal["key", "value"] = "value"  # What the caret points at.


def placed(findings: Iterable[Finding]) -> tuple[Problem, ...]:
    """The problems in reading order: by file as given, then by line; what is said twice, once."""
    from desired.places import places  # Its parser is for reports alone.

    found: dict[Problem, None] = {}
    files: dict[str, int] = {}
    for finding in findings:
        files.setdefault(finding.source.name, len(files))
        where, line, width = places(finding.source.raw).show(
            finding.source.written(finding.path), finding.source.name, key=finding.meant == "key"
        )
        problem = Problem(
            where, finding.code, finding.text, finding.severity, finding.hint, line, width
        )
        found[problem] = None
    return tuple(sorted(found, key=lambda problem: (files[problem.where.file], problem.where)))


def where(source: Source, path: KeyPath) -> Where:
    """Where a path stands, to be named in another place's problem."""
    from desired.places import places

    return places(source.raw).show(source.written(path), source.name, key=True)[0]


def fits(pattern: Pattern, path: Sequence[str | int]) -> bool:
    return len(pattern) == len(path) and all(
        wanted in ("*", found) for wanted, found in zip(pattern, path, strict=True)
    )


def matches(tables: Any, pattern: Pattern, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value of the tables that stands under a path that fits."""
    if not pattern:
        yield path, tables
    elif pattern[0] == "*":
        for key, value in _items(tables):
            # Most of many tables hold nothing that fits; a generator for each would cost more.
            if len(pattern) == 1 or pattern[1] == "*" or _holds(value, pattern[1]):
                yield from matches(value, pattern[1:], (*path, key))
    elif _holds(tables, pattern[0]):
        yield from matches(tables[pattern[0]], pattern[1:], (*path, pattern[0]))


def _holds(value: Any, key: str) -> bool:
    return isinstance(value, dict) and key in value


def _items(tables: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(tables, dict):
        return tables.items()
    return enumerate(tables) if isinstance(tables, list) else ()
