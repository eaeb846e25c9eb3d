"""The manifest: where there is none, the config of an older install becomes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from desired.frozen import frozen
from reconcilers.change import Action, Blocked, Change, Field
from reconcilers.difference import Changed, Difference
from reconcilers.older import adopted
from reconcilers.operations.files import WriteFile
from reconcilers.reconciler import Keys, World
from reconcilers.standing import access
from reconcilers.step import Operation, Phase


@frozen
class Adopted:
    """A manifest that is still to be written."""

    content: bytes


class ManifestReconciler:
    """The operator's text becomes the operator's manifest byte for byte, and is theirs from then.

    It is written once, after all that it asks for is known to work, and before the engine config
    takes the place of what it was read from.
    """

    kind: str = "manifest"
    activates: bool = False

    def desired(self, world: World) -> Mapping[str, Adopted]:
        source = adopted(world)
        return {} if source is None else {"": Adopted(source.raw)}

    def observe(self, world: World) -> Mapping[str, Adopted]:
        if adopted(world) is None:
            return {}
        content = world.host.read(world.roots.manifest)
        return {} if content is None else {"": Adopted(content)}

    def change(self, difference: Difference[Adopted], world: World) -> Change | None:
        return Change(
            "manifest",
            Action.ADOPT,
            f"there is a config of an older install, and no {world.roots.manifest.name}",
            fields=(Field("file", str(world.roots.engine_config), str(world.roots.manifest)),),
            notes=(
                f"Edit {world.roots.manifest} from then on: {world.roots.engine_config} will be"
                " compiled from it.",
            ),
            blocked=_written_meanwhile(world) if isinstance(difference, Changed) else None,
            needs=("layout",),
        )

    def asked_by(self, name: str, world: World) -> Keys:
        return ()

    def steps(
        self, difference: Difference[Adopted], world: World
    ) -> Iterable[tuple[Phase, Operation]]:
        source = adopted(world)
        if source is not None:
            wanted = access(0o640, world.host.user())
            yield Phase.RELOCATE, WriteFile(world.roots.manifest, source.raw, wanted)


def _written_meanwhile(world: World) -> Blocked:
    return Blocked(
        "manifest-written",
        f"{world.roots.manifest} was written since the config was read in its place",
        "plan again",
    )
