"""Sources in, what they desire out: or everything that is wrong with them, at once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from desired.desired import Desired
from desired.draft import Draft, Gathering
from desired.finding import Finding, placed
from desired.layers import resolve
from desired.problem import ManifestError, Problem, Source
from desired.rules import check
from desired.shape import shape
from desired.tables import load
from desired.unbuilt import unbuilt


@dataclass(frozen=True, slots=True)
class Reading:
    """What the manifest says, and what its author should know about it."""

    desired: Desired
    warnings: tuple[Problem, ...] = ()


def read(
    sources: Sequence[Source], *, owner_exists: Callable[[str], bool] | None = None
) -> Reading:
    """The manifest and its fragments, in this order, as one desired state.

    Raises `ManifestError` with every problem, warnings included. Without `owner_exists` no owner
    is looked up.
    """
    with _uncollected():
        draft, findings, unreadable = _understood(sources)
        if draft is not None and not unreadable:
            findings += check(draft, owner_exists)
        problems = (*unreadable, *placed(findings))
        if draft is None or any(problem.severity == "error" for problem in problems):
            raise ManifestError(problems)
        return Reading(resolve(draft, tuple(sources)), problems)


def _understood(sources: Sequence[Source]) -> tuple[Draft | None, list[Finding], list[Problem]]:
    """The draft, as far as there is one; what is wrong in the sources; what keeps them unread."""
    findings: list[Finding] = []
    unreadable: list[Problem] = []
    fitting = []
    if not sources:
        text = "there is no manifest"
        unreadable.append(Problem.of_file("manifest.toml", "no-manifest", text, "write one"))
    for source in sources:
        tables = load(source)
        if isinstance(tables, Problem):
            unreadable.append(tables)
            continue
        findings += unbuilt(source, tables)
        shaped = shape(source, tables)
        findings += shaped.findings
        fitting.append(shaped)
    if not fitting or any(shaped.table is None for shaped in fitting):
        return None, findings, unreadable
    gathering = Gathering(fitting)
    draft = gathering.draft()
    return draft, findings + gathering.findings, unreadable


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the cyclic collector, which would walk every table many times and find no cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
