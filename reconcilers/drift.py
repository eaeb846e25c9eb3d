"""What differs from what the last generation left, whatever the manifest asks for by now."""

from __future__ import annotations

from collections.abc import Iterator

from desired import engine_config, manifest
from desired.desired import Desired
from desired.frozen import replace
from desired.problem import ManifestError, Source
from reconcilers.change import Action, Change
from reconcilers.generations import numbers
from reconcilers.history import changes, plan_of
from reconcilers.host.host import Reading, UnseenError
from reconcilers.plan import Plan
from reconcilers.planning import plan
from reconcilers.report.drift import Drift
from reconcilers.roots import Roots
from reconcilers.safety import removes


def drift(host: Reading, roots: Roots) -> Drift:
    """Compare the machine with what was applied last; raises `UnseenError`.

    It needs no manifest: it holds while that one is edited, and where it is broken.
    """
    number, config = _last(host, roots)
    if not number:
        return Drift(0)
    caveat = ""
    if config is None or engine_config.is_whole(config) is False:
        missing = "is not on record" if config is None else "has a record that is damaged"
        config = host.read(roots.engine_config) or b""
        caveat = f"Generation {number} {missing}: {roots.engine_config} tells what it was."
    left = plan(stated(config, number), host, roots)
    return Drift(
        number,
        tuple(_drifted(left, _blocked_then(host, roots, number))),
        left.unsettled,
        caveat or _unfounded(left),
    )


def stated(config: bytes, number: int) -> Desired:
    """What a generation's engine config desires; raises `UnseenError`."""
    try:
        desired = manifest.read([Source(f"generation {number}", config)]).desired
    except ManifestError as cause:
        first = str(cause).partition("\n")[0]
        raise UnseenError(f"the engine config of generation {number}: {first}") from cause
    header = engine_config.header(config)
    # So that it counts as the manifest that it was compiled from.
    return replace(desired, digest=header.digest) if header else desired


def _last(host: Reading, roots: Roots) -> tuple[int, bytes | None]:
    """The number of what was applied last, and its engine config where that is on record."""
    try:
        header = engine_config.header(host.read(roots.engine_config) or b"")
    except UnseenError:
        header = None
    number = max((header.generation if header else 0, *numbers(host, roots)))
    return number, host.read(roots.generations / str(number) / "config.toml")


def _drifted(left: Plan, blocked_then: frozenset[str]) -> Iterator[Change]:
    """What differs and did not when the generation was applied.

    Nothing goes, since nothing is asked for anew; and a text of ours that another release words in
    another way has not drifted.
    """
    for change in left.changes:
        gone = change.action is Action.CREATE
        if removes(change) or change.address in blocked_then:
            continue
        if change.drifted or gone or change.blocked:
            yield change


def _blocked_then(host: Reading, roots: Roots, number: int) -> frozenset[str]:
    """What the generation could not bring about, and so never left."""
    try:
        document = plan_of(host, roots, number)
    except UnseenError:
        return frozenset()
    return frozenset(str(each.get("address")) for each in changes(document) if each.get("blocked"))


def _unfounded(left: Plan) -> str:
    kinds = {change.kind for change in left.blocked} | {each.address for each in left.unsettled}
    return "Nothing else is compared before the layout is understood." if "layout" in kinds else ""
