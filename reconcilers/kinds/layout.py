"""The layout of an instance: its own directories, and the marker that says they are complete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import PurePosixPath

from desired.frozen import frozen
from reconcilers.change import Action, Blocked, Change, Field
from reconcilers.difference import Changed, Difference, Missing, Surplus
from reconcilers.host.host import Access, Nature, UnseenError
from reconcilers.kinds.account import service_account
from reconcilers.migration import Rename, fields_of
from reconcilers.operations.files import MakeDirectory, WriteFile
from reconcilers.reconciler import Keys, World
from reconcilers.roots import Roots
from reconcilers.standing import (
    Standing,
    access,
    directory,
    fields,
    file,
    foreign_nature,
    foreign_owner,
)
from reconcilers.state import absence
from reconcilers.step import Operation, Phase

VERSION = "2"
MARKER = f"{VERSION}\n".encode()

# What a marker may be, but for the version that it names.
_FRESH, _UNREADABLE = "", "not a text of one line"


@frozen
class Layout:
    """Which layout the marker claims, and how its directories stand."""

    marker: str  # What it says; empty where there is none.
    earlier: tuple[str, ...]  # Signs of version 1.
    renames: tuple[Rename, ...]  # What is to come to its place before anything else.
    marker_access: Standing
    directories: Mapping[str, Standing]  # By path.


class LayoutReconciler:
    """Fresh installs, migration, drift of access, and refusing what it does not understand.

    Whoever applies takes the lock, and so makes the data directory and `.aimx` first. Their
    absence is therefore no observation: a plan made before the lock is the plan made under it.
    """

    kind: str = "layout"
    activates: bool = False

    def desired(self, world: World) -> Mapping[str, Layout]:
        user = world.host.user()
        tree = {str(path): wanted for path, wanted in _tree(world)}
        return {"": Layout(VERSION, (), (), access(0o644, user), tree)}

    def observe(self, world: World) -> Mapping[str, Layout]:
        host, roots = world.host, world.roots
        if world.unmigrated:
            raise UnseenError(world.unmigrated)
        marker, directories = host.look(roots.marker), _observed(world)
        if marker is not None:
            content = host.read(roots.marker) if marker.nature is Nature.FILE else None
            return {"": Layout(_said(content), (), (), file(marker), directories)}
        found = world.migration
        seen = Layout(_FRESH, found.signs, found.renames, None, directories)
        if _foreign(directories) or found.signs or world.generation:
            return {"": seen}
        return {}

    def change(self, difference: Difference[Layout], world: World) -> Change | None:
        match difference:
            case Missing():
                return Change(
                    "layout",
                    Action.CREATE,
                    "nothing is installed here yet",
                    blocked=_not_ours(world),
                )
            case Changed(_, desired, observed):
                return Change(
                    "layout",
                    Action.MOVE if observed.earlier else Action.REPAIR,
                    _why(observed, world),
                    fields=tuple(_fields(desired, observed, world.roots)),
                    blocked=_refusal(observed, world),
                    notes=tuple(filter(None, (absence(world.host, world.roots),))),
                    drifted=not observed.earlier,
                )
            case Surplus():
                return None

    def asked_by(self, name: str, world: World) -> Keys:
        return ()

    def steps(
        self, difference: Difference[Layout], world: World
    ) -> Iterable[tuple[Phase, Operation]]:
        roots = world.roots
        yield from _migrated(world)
        for path, wanted in _tree(world):
            if _differs(difference, path):
                phase = Phase.STORAGE if path.is_relative_to(roots.data) else Phase.KEYS
                yield phase, MakeDirectory(path, wanted)
        marker = access(0o644, world.host.user())
        if not isinstance(difference, Changed) or difference.observed.marker_access != marker:
            yield Phase.MARKER, WriteFile(roots.marker, MARKER, marker)


def _migrated(world: World) -> Iterator[tuple[Phase, Operation]]:
    """The renames, each into a directory that is there before."""
    for path, wanted in world.migration.made.items():
        yield Phase.MIGRATE, MakeDirectory(path, wanted)
    for rename in world.migration.renames:
        yield from _renamed(rename)


def _renamed(rename: Rename) -> Iterator[tuple[Phase, Operation]]:
    from reconcilers.operations.mail import Move  # Hardly any install is one of version 1.
    from reconcilers.removing import RemoveEmpty

    if rename.empty is not None:
        yield Phase.MIGRATE, RemoveEmpty(rename.empty)
    if rename.empty != rename.source:
        yield Phase.MIGRATE, Move(rename.source, rename.target)


def _tree(world: World) -> Iterator[tuple[PurePosixPath, Access]]:
    """Every directory of ours but those of domains and mailboxes, parents first."""
    roots, user = world.roots, world.host.user()
    # Its access is the operator's, whose manifest is in it; made only where the manifest is not.
    if world.host.look(roots.config) is None:
        yield roots.config, access(0o755, user)
    for path in (roots.dkim, roots.tls):
        yield path, access(0o700, user)
    yield roots.data, access(0o755, user)
    for path in (roots.identities, roots.state):
        yield path, access(0o711, user)
    private = (
        *(roots.journal, roots.generations, roots.claims),
        *(roots.claims / "mailboxes", roots.claims / "hooks"),
        *(roots.tombstones, roots.retiring, roots.placing),
    )
    for path in private:
        yield path, access(0o700, user)
    users = world.desired.users
    yield roots.spool, _of_a_worker(roots.spool, users.inbound, world)
    yield roots.outbound, _of_a_worker(roots.outbound, users.outbound, world)


def _of_a_worker(path: PurePosixPath, name: str, world: World) -> Access:
    """A worker's own directory. Where its user cannot be found, whoever has it may be at work."""
    if world.host.user().uid == 0 and world.host.account(name) is None:
        with suppress(UnseenError):  # What is in the way above it is told where it stands.
            standing = directory(world.host.look(path))
            if isinstance(standing, Access) and standing.uid != 0:
                return Access(0o700, standing.uid, standing.gid)
    return access(0o700, service_account(world, name))


def _observed(world: World) -> Mapping[str, Standing]:
    roots, host = world.roots, world.host
    seen: dict[PurePosixPath, Standing] = {}
    for path, _ in _tree(world):
        # Below what is no directory there is nothing; it is told as what it is, and not entered.
        hidden = any(isinstance(seen.get(above), Nature) for above in path.parents)
        seen[path] = None if hidden else directory(host.look(path))
    for path, wanted in _tree(world):
        if seen[path] is None and path in (roots.data, roots.state):
            seen[path] = wanted
    return {str(path): standing for path, standing in seen.items()}


def _foreign(directories: Mapping[str, Standing]) -> Blocked | None:
    """Something else stands where a directory of ours belongs."""
    obstacles = (foreign_nature(PurePosixPath(path), seen) for path, seen in directories.items())
    return next(filter(None, obstacles), None)


def _not_ours(world: World) -> Blocked | None:
    """A directory that is there before anything is installed may be somebody's, or everybody's."""
    data = world.roots.data
    standing = directory(world.host.look(data))
    if isinstance(standing, Access) and standing.mode & 0o002:
        return Blocked(
            "directory-shared",
            f"{data} is a directory that everybody may write to",
            "name another one with --data-dir or AIMX_DATA_DIR, or take that right away",
        )
    return foreign_owner(data, standing, world.host.user())


def _differs(difference: Difference[Layout], path: PurePosixPath) -> bool:
    if not isinstance(difference, Changed):
        return True
    wanted = difference.desired.directories[str(path)]
    return difference.observed.directories[str(path)] != wanted


def _said(content: bytes | None) -> str:
    """What the marker says; something that is no version where it cannot be told."""
    text = (content or b"").decode("ascii", "replace").strip()
    return text if text.isprintable() and 0 < len(text) <= 40 else _UNREADABLE


def _refusal(observed: Layout, world: World) -> Blocked | None:
    roots = world.roots
    if observed.earlier and (blocked := world.migration.blocked or _not_ours(world)):
        return blocked
    if observed.marker not in (VERSION, _FRESH):
        return Blocked(
            "marker-corrupt",
            f"{roots.marker} says {observed.marker!r} where only {VERSION!r} is known",
            f"if {roots.data} is of this release, write {VERSION} into it; else use the release"
            " that wrote it",
        )
    return _foreign(observed.directories) or foreign_nature(
        roots.marker, observed.marker_access, Nature.FILE
    )


def _why(observed: Layout, world: World) -> str:
    if observed.earlier:
        return f"this is an install of layout version 1: {'; '.join(observed.earlier)}"
    if observed.marker == _FRESH:
        return "the layout's marker is missing"
    if observed.marker != VERSION:
        return "the layout's marker cannot be right"
    if world.left is None:
        return "what stands here is not as it should be"
    return "what the last apply left here has changed"


def _fields(desired: Layout, observed: Layout, roots: Roots) -> Iterator[Field]:
    if desired.marker != observed.marker:
        yield Field("version", "1" if observed.earlier else observed.marker, desired.marker)
    yield from (Field(*told) for told in fields_of(observed.renames))
    yield from fields(roots.marker.name, observed.marker_access, desired.marker_access)
    for path, wanted in desired.directories.items():
        yield from fields(path, observed.directories[path], wanted)
