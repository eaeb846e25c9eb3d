"""The engine config: what the manifest compiles to, and what the engine starts from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from desired import engine_config
from desired.desired import Desired, HostedDomain
from desired.frozen import field, frozen, replace
from desired.loaded import loaded
from desired.problem import ManifestError
from reconcilers.blocks import moving
from reconcilers.change import Action, Blocked, Change, Field
from reconcilers.contrast import contrast
from reconcilers.difference import Changed, Difference, Missing, Surplus
from reconcilers.host.host import Access, Nature
from reconcilers.older import digest_to_be
from reconcilers.operations.files import SetAccess, WriteFile
from reconcilers.reconciler import Keys, World, body
from reconcilers.roots import Roots
from reconcilers.standing import Standing, access, fields, file, foreign_nature
from reconcilers.step import Operation, Phase


@frozen
class EngineConfig:
    """What is in the file, but for its header: a comment in the manifest changes nothing."""

    body: bytes
    access: Standing
    recorded: bool  # Its generation is on record, or it has none.
    # It is as an apply wrote it, by what it says of itself.
    ours: bool = field(default=True, compare=False)


class ConfigReconciler:
    """It is written when everything that it names is there, and is never edited by hand."""

    kind: str = "config"
    activates: bool = True

    def desired(self, world: World) -> Mapping[str, EngineConfig]:
        return {"": EngineConfig(world.compiled, access(0o640, world.host.user()), recorded=True)}

    def observe(self, world: World) -> Mapping[str, EngineConfig]:
        standing = file(world.host.look(world.roots.engine_config))
        if standing is None:
            return {}
        content = b""
        if isinstance(standing, Access):
            content = world.host.read(world.roots.engine_config) or b""
        ours = engine_config.is_whole(content) is True
        return {"": EngineConfig(body(content), standing, _is_recorded(content, world), ours)}

    def change(self, difference: Difference[EngineConfig], world: World) -> Change | None:
        match difference:
            case Missing():
                why = world.forgotten or "the engine has none to start from"
                return _written(Action.CREATE, why, world, None)
            case Changed(_, desired, observed) if desired.body == observed.body:
                return _kept(desired, observed, world)
            case Changed(_, _, observed):
                return _rewritten(observed, world)
            case Surplus():
                return None

    def asked_by(self, name: str, world: World) -> Keys:
        return ()

    def steps(
        self, difference: Difference[EngineConfig], world: World
    ) -> Iterable[tuple[Phase, Operation]]:
        path, wanted = world.roots.engine_config, access(0o640, world.host.user())
        match difference:
            case Changed(_, desired, observed) if desired.body == observed.body:
                if desired.access != observed.access:
                    yield Phase.CONFIG, SetAccess(path, wanted, Nature.FILE)
            case _:
                yield Phase.CONFIG, WriteFile(path, _compiled(world), wanted)


def _compiled(world: World) -> bytes:
    desired = replace(world.desired, digest=digest_to_be(world))
    return engine_config.headed(desired, world.generation + 1, world.compiled)


def _is_recorded(content: bytes, world: World) -> bool:
    header = engine_config.header(content)
    if header is None:
        return True
    return world.host.look(world.roots.generations / str(header.generation)) is not None


def _written(action: Action, why: str, world: World, observed: Standing) -> Change:
    generation = Field("generation", str(world.generation), str(world.generation + 1))
    lost = f"What was applied last cannot be read, so nothing is removed: {world.forgotten}."
    return Change(
        "config",
        action,
        why,
        fields=(generation, *contrast(world.applied, world.desired)),
        blocked=_obstacle(world.roots, observed),
        notes=(lost,) if world.forgotten else (),
        needs=("layout", "manifest", *_needs(world)),
    )


def _obstacle(roots: Roots, observed: Standing) -> Blocked | None:
    if roots.manifest == roots.engine_config:
        return Blocked(
            "manifest-in-the-way",
            f"{roots.engine_config} is the manifest, and the engine config would replace it",
            "move the manifest to manifest.toml beside it",
        )
    return foreign_nature(roots.engine_config, observed, Nature.FILE)


def _kept(desired: EngineConfig, observed: EngineConfig, world: World) -> Change:
    """What differs is not what is in it."""
    why = "its access has changed"
    if not observed.recorded:
        why = f"generation {world.generation} was applied and is not on record"
    changed = fields("access", observed.access, desired.access)
    return Change("config", Action.REPAIR, why, fields=changed, drifted=observed.recorded)


def _rewritten(observed: EngineConfig, world: World) -> Change:
    if world.older:
        why = "an older install left it, and it is compiled from now on"
        return _written(Action.UPDATE, why, world, observed.access)
    if not (world.forgotten or world.compiled_from == world.desired.digest):
        return _written(Action.UPDATE, "the manifest changed", world, observed.access)
    if observed.ours and not world.forgotten:
        why = "the last apply left out what was not agreed to"
        if world.applied is not None and engine_config.body(world.applied) == world.compiled:
            why = "another release wrote it, in other words"
        return _written(Action.UPDATE, why, world, observed.access)
    why = "it is not what the manifest compiles to"
    change = _written(Action.REPAIR, why, world, observed.access)
    edited = f"Somebody else wrote {world.roots.engine_config}; edit the manifest instead."
    told = (change.fields[0], *contrast(_as_found(observed, world), world.desired))
    return replace(change, fields=told, notes=change.notes or (edited,), drifted=True)


def _as_found(observed: EngineConfig, world: World) -> Desired | None:
    """What it says by now, as far as it can be read: shown, and nothing is planned from it."""
    try:
        return loaded(str(world.roots.engine_config), observed.body)
    except ManifestError:
        return world.applied


def _needs(world: World) -> Iterator[str]:
    """What must be there before the engine hears of it, or be allowed to go."""
    before, after = world.applied, world.desired
    known, wanted = _domains(before) if before else {}, _domains(after)
    for name, domain in wanted.items():
        signs = known[name].selectors if name in known else {}
        for algorithm, selector in domain.selectors.items():
            if algorithm not in signs:
                yield f"dkim/{name}/{selector}"
    if before is None:
        return
    yield from (f"domain/{name}" for name in known if name not in wanted)
    yield from (f"mailbox/{name}" for name in before.mailboxes if name not in after.mailboxes)
    yield from (f"mailbox/{name}" for name in moving(world))


def _domains(desired: Desired) -> Mapping[str, HostedDomain]:
    return {domain.name.ascii: domain for domain in desired.domains}
