"""Sources against the schema and the rules: a draft, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from desired.desired import Desired
from desired.draft import Draft, Gathering
from desired.finding import Finding, placed
from desired.layers import resolve
from desired.problem import ManifestError, Problem, Source
from desired.rules import check
from desired.shape import shape
from desired.tables import load
from desired.unbuilt import unbuilt

# What cannot be told while it is open which domains there are.
_OF_DOMAINS = ("no-domain", "postmaster-missing", "unlisted-domain")


def understand(
    sources: Sequence[Source], owner_exists: Callable[[str], bool] | None
) -> tuple[Desired, tuple[Problem, ...]]:
    """What they desire, and the warnings; raises `ManifestError` with every problem."""
    draft, findings, unreadable = _understood(sources)
    if draft is not None and not unreadable:
        found = check(draft, owner_exists)
        findings += (each for each in found if _is_of_what_is_written(each, draft))
    problems = (*unreadable, *placed(findings))
    if draft is None or any(problem.severity == "error" for problem in problems):
        raise ManifestError(problems)
    return resolve(draft, tuple(sources)), problems


def _is_of_what_is_written(found: Finding, draft: Draft) -> bool:
    if found.code in _OF_DOMAINS and not draft.all_domains:
        return False
    return draft.is_written(found.source, found.path)


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
