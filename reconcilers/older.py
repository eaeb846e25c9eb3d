"""What a config of the older system says of an install of layout 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from desired.frozen import replace
from desired.names import Domain, InvalidNameError
from desired.problem import Problem, Source, digest
from reconcilers.host.host import Reading
from reconcilers.migration import Named, Older
from reconcilers.reconciler import World


def older(world: World) -> Older:
    """From the config that it left, else from the manifest; raises `UnseenError`.

    Without such a config an old shape is a matter of taste, and no sign of anything.
    """
    host, roots = world.host, world.roots
    domain = world.desired.default_domain
    if host.look(roots.marker) is not None:
        return Older(domain.ascii)
    sources = world.desired.sources
    left = _left(host, world)
    if left is not None:
        tables = _tables(left)
        domain = _domain(tables) or domain
        return Older(domain.ascii, tuple(_names(tables, domain)), tuple(_shapes(tables)))
    if world.compiled_from:  # Ours is written when all of it has its place.
        return Older(domain.ascii)
    names = (name for source in sources for name in _names(_tables(source), domain))
    return Older(domain.ascii, tuple(names))


def adopted(world: World) -> Source | None:
    """What was read in the place of a manifest, and is to become it."""
    roots = world.roots
    if roots.manifest == roots.engine_config:
        return None
    config = str(roots.engine_config)
    return next((source for source in world.desired.sources if source.name == config), None)


def digest_to_be(world: World) -> str:
    """The manifest's digest once it is called so: a name is part of it."""
    found = adopted(world)
    if found is None:
        return world.desired.digest
    named = replace(found, name=str(world.roots.manifest))
    sources = (named if source is found else source for source in world.desired.sources)
    return digest(tuple(sources))


def _left(host: Reading, world: World) -> Source | None:
    """The engine config, where another program than ours wrote it."""
    path = world.roots.engine_config
    raw = None if world.compiled_from else host.read(path)
    return None if raw is None else Source(str(path), raw)


def _tables(source: Source) -> Mapping[str, Any]:
    from desired.tables import load  # Nothing is older where one of ours was applied.

    tables = load(source)
    return {} if isinstance(tables, Problem) else tables


def _domain(tables: Mapping[str, Any]) -> Domain | None:
    listed = tables.get("domains")
    first = listed[0] if isinstance(listed, list) and listed else tables.get("domain")
    try:
        return Domain.parse(first) if isinstance(first, str) else None
    except InvalidNameError:
        return None


def _names(tables: Mapping[str, Any], default: Domain) -> Iterator[Named]:
    """The mailboxes that are called by a name of their own, which named their directories."""
    boxes = tables.get("mailboxes")
    for key, box in (boxes if isinstance(boxes, dict) else {}).items():
        written = box.get("address") if isinstance(box, dict) else None
        if "@" in key or "/" in key or not isinstance(written, str | None):
            continue
        try:
            from desired import legacy

            yield Named(key, legacy.address(key, written, default))
        except InvalidNameError:
            continue


def _shapes(tables: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(tables.get("domain"), str):
        yield "its config has `domain` in the place of `domains`"
    boxes = tables.get("mailboxes")
    short = sorted(key for key in boxes if "@" not in key) if isinstance(boxes, dict) else []
    if short:
        yield f"its config calls {', '.join(short[:3])} by no address"
