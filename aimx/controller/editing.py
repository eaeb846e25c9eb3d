"""What a command changes in the manifest: made in memory, and written once its plan is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import unified_diff
from typing import Any

from aimx.controller.amendments import (
    AddDomain,
    Amendment,
    CreateHook,
    CreateMailbox,
    DeleteHook,
    DeleteMailbox,
    MakeKey,
    RemoveDomain,
    SetDefault,
    SetSelector,
)
from aimx.controller.edits import domains, hooks, keys, mailboxes
from aimx.controller.edits.edits import Edits
from aimx.controller.edits.manifest import Manifest
from aimx.controller.refusal import EditError, HinderedError
from aimx.controller.rewrite import rewrite
from desired.edit import Unsafe, edit
from desired.frozen import frozen
from desired.manifest import Reading
from desired.problem import ManifestError, Source, render_problems
from reconcilers.change import Change
from reconcilers.operations.files import WriteFile
from reconcilers.plan import Plan
from reconcilers.roots import Roots
from reconcilers.step import Hands

_EDITS: Mapping[type[Amendment], Callable[[Any, Manifest], Edits]] = {
    AddDomain: domains.added,
    RemoveDomain: domains.removed,
    SetDefault: domains.made_default,
    SetSelector: keys.switched,
    MakeKey: keys.made,
    CreateMailbox: mailboxes.created,
    DeleteMailbox: mailboxes.deleted,
    CreateHook: hooks.created,
    DeleteHook: hooks.deleted,
}

# Where one of these is blocked, nothing else can be brought about.
_FOUNDATIONS = frozenset({"layout", "manifest", "config"})


@frozen
class Proposal:
    """A manifest that is not written yet, and what it says."""

    # Before and after, of each file that changes, in the order in which they are written.
    files: tuple[tuple[Source, Source], ...]
    reading: Reading
    edits: Edits

    @property
    def patch(self) -> str:
        """What a person commits instead."""
        return "".join(line for before, after in self.files for line in _patch(before, after))

    def require_unhindered(self, plan: Plan) -> None:
        """Raises `HinderedError` where the plan would not bring it about; the rest may wait."""
        if plan.refused:
            raise HinderedError(_told(plan.refused.reason, plan.refused.remedy))
        about = self.edits.about | _FOUNDATIONS
        kinds = {address.partition("/")[0] for address in about}
        blocked = [each for each in plan.blocked if about & {each.address, each.kind}]
        # What only waits for another says nothing that the other does not say.
        for change in sorted(blocked, key=_waits):
            if change.blocked:
                told = f"{change.address}: {change.blocked.reason}"
                raise HinderedError(_told(told, change.blocked.remedy))
        for each in plan.unsettled:
            if each.address.partition("/")[0] in kinds:
                raise HinderedError(_told(f"{each.address}: {each.reason}", ""))

    def written(self, plan: Plan, hands: Hands, roots: Roots) -> bool:
        """Put it into its place; tells whether it did: not where somebody else wrote a file.

        What may go is written down first, so that whoever finishes this after a kill need not ask.
        """
        for step in plan.steps:
            if isinstance(step.operation, WriteFile) and step.operation.path == roots.consent:
                step.operation.take(hands)
        return all(_written(before, after) for before, after in self.files)


def proposal(
    amendment: Amendment, manifest: Manifest, understand: Callable[[tuple[Source, ...]], Reading]
) -> Proposal:
    """The manifest with it, nothing written; raises `EditError`."""
    if manifest.main != str(manifest.roots.manifest):
        raise EditError(f"{manifest.main} is not adopted yet: run `aimx apply` first")
    edits = _EDITS[type(amendment)](amendment, manifest)
    after = {source.name: source for source in manifest.sources}
    for name, change in edits.changes:
        edited = edit(after[name], change)
        if isinstance(edited, Unsafe):
            raise EditError(f"{edited.reason}:\n\n{edited.lines}".rstrip(":\n"))
        after[name] = edited
    before = {source.name: source for source in manifest.sources}
    last = {name: number for number, (name, _) in enumerate(edits.changes)}
    files = [(before[name], after[name]) for name in sorted(last, key=last.__getitem__)]
    try:
        reading = understand(tuple(after.values()))
    except ManifestError as cause:
        told = render_problems(cause.errors)
        raise EditError(f"the manifest would be invalid with it:\n\n{told}") from cause
    return Proposal(tuple(files), reading, edits)


def _waits(change: Change) -> bool:
    return change.blocked is not None and change.blocked.code == "needs-another"


def _patch(before: Source, after: Source) -> Iterator[str]:
    old, new = (source.raw.decode().splitlines(keepends=True) for source in (before, after))
    for line in unified_diff(old, new, before.name, after.name, n=1):
        yield line if line.endswith("\n") else f"{line}\n"


def _written(before: Source, after: Source) -> bool:
    try:
        return rewrite(before.name, before.raw, after.raw)
    except OSError as cause:
        reason = (cause.strerror or str(cause)).lower()
        raise EditError(f"cannot write {before.name}: {reason}") from cause


def _told(reason: str, remedy: str) -> str:
    return f"nothing was changed, since it is blocked. {reason}" + (f"; {remedy}" if remedy else "")
