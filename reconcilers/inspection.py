"""One resource looked at closely: everything that the planning of it comes from."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from desired.desired import Desired
from desired.frozen import frozen
from reconcilers.applied import what_was_applied
from reconcilers.change import Change, Field
from reconcilers.contrast import settings
from reconcilers.history import Touched, Untouched, last_touch
from reconcilers.host.host import Reading, UnseenError
from reconcilers.kinds.table import RECONCILERS
from reconcilers.overdue import Overdue
from reconcilers.plan import Plan
from reconcilers.reconciler import Reconciler, World
from reconcilers.report.explanation import Explanation
from reconcilers.report.facts import facts
from reconcilers.roots import Roots

_FOUNDATION = "layout"
_NEAREST = 3
_OF_KEYS = frozenset({"selector", "algorithms", "rotate_every"})


@frozen
class Unknown:
    """No resource has this address, and none on record had."""

    address: str
    nearest: tuple[str, ...]  # The most similar first.

    def __str__(self) -> str:
        hint = f"; did you mean {' or '.join(self.nearest)}?" if self.nearest else ""
        return (
            f"no resource has the address {self.address}{hint or '; `aimx status --all` lists all'}"
        )


def explained(
    address: str,
    plan: Plan,
    desired: Desired,
    host: Reading,
    roots: Roots,
    aged: Iterable[Overdue] = (),
) -> Explanation | Unknown:
    """Why the plan does with the resource what it does; `aged`: the keys that are overdue."""
    world = what_was_applied(desired, host, roots)
    kinds = {reconciler.kind: _Kind.of(reconciler, world) for reconciler in RECONCILERS}
    kind, _, name = address.partition("/")
    looked = kinds.get(kind)
    last = _last(host, roots, address)
    if looked is None or not (looked.knows(name) or isinstance(last, Touched)):
        known = [each for looked in kinds.values() for each in looked.addresses()]
        return Unknown(address, _nearest(address, known))
    change = next((each for each in plan.changes if each.address == address), None)
    wanted = name in looked.desired
    keys = looked.reconciler.asked_by(name, world) if wanted else ()
    return Explanation(
        address=address,
        where=desired.where(*keys) if keys else None,
        settings=_settings(kind, name, desired) if wanted else (),
        desired=facts(looked.desired[name]) if wanted else None,
        observed=facts(looked.observed[name]) if name in looked.observed else None,
        unseen=looked.unseen,
        last=last,
        change=change,
        idle=_idle(address, plan, looked, wanted=wanted) if change is None else "",
        culprit=_culprit(change, plan),
        overdue=next((str(each) for each in aged if each.address == address), ""),
    )


def addresses(desired: Desired, host: Reading, roots: Roots) -> tuple[str, ...]:
    """All resources that are desired, or there and ours, in the order of a plan."""
    world = what_was_applied(desired, host, roots)
    kinds = [_Kind.of(reconciler, world) for reconciler in RECONCILERS]
    return tuple(address for looked in kinds for address in looked.addresses())


@frozen
class _Kind:
    """What one kind desires and observes."""

    reconciler: Reconciler[Any]
    desired: Mapping[str, Any]
    observed: Mapping[str, Any]
    unseen: str = ""

    @classmethod
    def of(cls, reconciler: Reconciler[Any], world: World) -> _Kind:
        desired = reconciler.desired(world)
        try:
            return cls(reconciler, desired, reconciler.observe(world))
        except UnseenError as cause:
            return cls(reconciler, desired, {}, str(cause))

    def knows(self, name: str) -> bool:
        return name in self.desired or name in self.observed

    def addresses(self) -> Iterator[str]:
        for name in sorted({*self.desired, *self.observed}):
            yield f"{self.reconciler.kind}/{name}" if name else self.reconciler.kind


def _settings(kind: str, name: str, desired: Desired) -> tuple[Field, ...]:
    """What the manifest comes to for the resource, its defaults resolved."""
    match kind:
        case "mailbox":
            return settings(desired.mailboxes[name])
        case "domain":
            return settings(desired.domain(name))
        case "dkim":
            found = settings(desired.domain(name.partition("/")[0]))
            return tuple(field for field in found if field.name in _OF_KEYS)
        case "certificate":
            return tuple(field for field in settings(desired.tls) if field.after)
        case _:
            return ()


def _last(host: Reading, roots: Roots, address: str) -> Touched | Untouched | str:
    try:
        return last_touch(host, roots, address)
    except UnseenError as cause:
        return str(cause)


def _idle(address: str, plan: Plan, looked: _Kind, *, wanted: bool) -> str:
    """Why an apply would do nothing."""
    if looked.unseen:
        return "since nothing is planned for what could not be looked at"
    blocked = {change.address for change in plan.blocked} | {
        each.address for each in plan.unsettled
    }
    if _FOUNDATION in blocked and address != _FOUNDATION:
        return f"since nothing is planned before {_FOUNDATION} is as it should be"
    lacking = next((each for each in plan.lacking if each.address == address), None)
    if lacking is not None:
        return f"{lacking.reason}; {lacking.remedy}"
    return "it is as the manifest says" if wanted else "it is neither desired nor there"


def _culprit(change: Change | None, plan: Plan) -> str:
    """What the resource waits for that can be explained itself."""
    if change is None or change.blocked is None or change.blocked.code != "needs-another":
        return ""
    blocked = {each.address for each in plan.blocked}
    return next((address for address in change.needs if address in blocked), "")


def _nearest(address: str, known: list[str]) -> tuple[str, ...]:
    """What may have been meant: the name without its kind, else what is written alike, rather of
    the same kind."""
    bare = [each for each in known if each.partition("/")[2] == address]
    kind = address.partition("/")[0]
    alike = [each for each in known if each.partition("/")[0] == kind]
    return tuple(bare or difflib.get_close_matches(address, alike or known, _NEAREST))
