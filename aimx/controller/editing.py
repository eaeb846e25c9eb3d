"""What a command adds to the manifest: made in memory first, and written once its plan is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aimx.controller.rewrite import rewrite
from aimx.controller.terms import Addition, MachineError
from desired.edit import Append, Edit, Put, Unsafe, edit
from desired.manifest import Reading
from desired.names import Domain, InvalidNameError, Selector
from desired.problem import Source
from desired.tables import load
from reconcilers.plan import Plan
from reconcilers.roots import Roots


class EditError(MachineError):
    """The manifest cannot be changed as somebody asked; it is as it was."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A manifest that is not written yet, and what it says."""

    before: Source
    after: Source
    reading: Reading

    def written(self, plan: Plan) -> bool:
        """Put it into its place; tells whether it did: not where somebody else wrote it.

        Raises `EditError` where the plan would not bring it about.
        """
        if plan.refused or plan.unsettled or plan.blocked:
            raise EditError("nothing was added, since some of the plan is blocked: `!` tells why")
        try:
            return rewrite(self.before.name, self.before.raw, self.after.raw)
        except OSError as cause:
            reason = (cause.strerror or str(cause)).lower()
            raise EditError(f"cannot write {self.before.name}: {reason}") from cause


def proposal(
    addition: Addition,
    sources: tuple[Source, ...],
    roots: Roots,
    understand: Callable[[tuple[Source, ...]], Reading],
) -> Proposal:
    """The manifest with the domain; raises `EditError`, or `ManifestError` where it is invalid."""
    manifest, *fragments = sources
    if manifest.name != str(roots.manifest):
        raise EditError(f"{manifest.name} is not adopted yet: run `aimx apply` first")
    domain, selector = _named(addition)
    if domain in {known.name for known in understand(sources).desired.domains}:
        raise EditError(f"domain '{domain}' is already configured; `aimx status --all` lists it")
    _require_list(manifest)
    after = manifest
    for change in _edits(domain, selector):
        edited = edit(after, change)
        if isinstance(edited, Unsafe):
            raise EditError(f"{edited.reason}:\n\n{edited.lines}")
        after = edited
    return Proposal(manifest, after, understand((after, *fragments)))


def _named(addition: Addition) -> tuple[Domain, Selector | None]:
    try:
        domain = Domain.parse(addition.domain)
    except InvalidNameError as cause:
        told = f"domain '{addition.domain}' is not a valid RFC 1035 hostname"
        raise EditError(told) from cause
    if not addition.selector:
        return domain, None
    try:
        return domain, Selector.parse(addition.selector)
    except InvalidNameError as cause:
        told = f"DKIM selector '{addition.selector}' is not a valid DNS label"
        raise EditError(f"{told} (allowed: [a-z0-9_-]+)") from cause


def _require_list(manifest: Source) -> None:
    tables = load(manifest)
    if isinstance(tables, dict) and isinstance(tables.get("domain"), str):
        raise EditError(
            f"{manifest.name} names its one domain in an older way: `aimx fmt --canonical` writes"
            " it in full"
        )


def _edits(domain: Domain, selector: Selector | None) -> list[Edit]:
    listed: list[Edit] = [Append(("domains",), domain.ascii)]
    if selector is None:
        return listed
    return [*listed, Put(("domain", domain.ascii, "dkim_selector"), str(selector))]
