"""From layout 2 back to layout 1: the migration step by step in the other direction.

Each instant of it is one of the migration, so that an apply goes on forward from wherever it was
killed, and another downgrade goes on backward.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from desired.desired import Desired
from desired.engine_config import of_version_1
from desired.frozen import replace
from reconcilers.applied import what_was_applied
from reconcilers.change import Action, Blocked, Change, Field
from reconcilers.host.host import Reading
from reconcilers.migration import FOLDERS, KEYS
from reconcilers.operations.files import RemoveFile, WriteFile
from reconcilers.operations.mail import Move
from reconcilers.ordering import Work, order
from reconcilers.plan import Plan
from reconcilers.reconciler import World
from reconcilers.removing import RemoveEmpty
from reconcilers.roots import Roots
from reconcilers.standing import access
from reconcilers.step import Operation, Phase

_USUAL = ("rsa-sha256",)
_WHY = "layout 1 is asked for, which the older program runs on"


def downgrade(desired: Desired, host: Reading, roots: Roots) -> Plan:
    """What brings the install back; raises `UnseenError` where that cannot be seen."""
    world = replace(what_was_applied(desired, host, roots), host=host)
    change = Change("layout", Action.MOVE, _WHY, blocked=_refusal(world))
    operations = [] if change.blocked else list(_operations(world))
    told = tuple(_fields(operations))
    change = replace(change, fields=told, notes=() if change.blocked else tuple(_notes(world)))
    changes = (change,) if operations or change.blocked else ()
    deeds = tuple((Phase.MIGRATE, operation) for operation in operations)
    return Plan(
        generation=world.generation,
        desired_digest=desired.digest,
        changes=changes,
        steps=order([Work(change, deeds, activates=False)], None) if deeds else (),
        unchanged=0 if changes else 1,
        refused=change.blocked,
    )


def _refusal(world: World) -> Blocked | None:
    domains = [domain.name.ascii for domain in world.desired.domains]
    if len(domains) != 1:
        return Blocked(
            "several-domains",
            f"layout 1 holds one domain, and {', '.join(domains)} are configured",
            "remove all but one of them from the manifest, apply, then go back",
        )
    for move in _moves(world):
        if world.host.look(move.target) is not None:
            return Blocked(
                "both-exist",
                f"both {move.source} and {move.target} exist, and neither is written over",
                "look at what is in them, move away the one that is not needed, then go back",
            )
    return None


def _operations(world: World) -> Iterator[Operation]:
    """What only version 2 has goes first: without its marker nothing claims to be complete."""
    host, roots = world.host, world.roots
    if host.look(roots.marker) is not None:
        yield RemoveFile(roots.marker)
    config = of_version_1(world.desired, _names(world))
    if not world.older or host.look(roots.manifest) is not None:
        yield WriteFile(roots.engine_config, config, access(0o640, host.user()))
    yield from _moves(world)
    yield from _emptied(world)


def _moves(world: World) -> Iterator[Move]:
    for source, target in _pairs(world):
        if world.host.look(source) is not None:
            yield Move(source, target)


def _pairs(world: World) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Whatever may have to be renamed, in the reverse order of a migration."""
    roots, (domain,) = world.roots, world.desired.domains
    name = domain.name.ascii
    for path in (roots.manifest, roots.fragments):
        yield path, path.with_name(f"{path.name}.generation-{world.generation}")
    called = _names(world)
    for folder in reversed(FOLDERS):
        for address, mailbox in world.desired.mailboxes.items():
            if called[address] != mailbox.address.folder:
                here = roots.mailbox(name, folder, mailbox.address.folder)
                yield here, here.with_name(called[address])
    for key in reversed(KEYS):
        labelled = roots.keys(name) / f"{domain.selector}.{key}"
        plain = roots.keys(name) / key
        yield (labelled if world.host.look(labelled) else plain), roots.dkim / key
    for folder in reversed(FOLDERS):
        yield roots.folder(name, folder), roots.data / folder


def _names(world: World) -> Mapping[str, str]:
    """What each mailbox is called: by the manifest, where that is no name of another."""
    boxes = world.desired.mailboxes
    own = {address: mailbox.address.folder for address, mailbox in boxes.items()}
    called = {}
    for address, folder in own.items():
        _, path = world.desired.spellings.get(("mailboxes", address), ("", ("", folder)))
        name = str(path[1])
        taken = name in own.values() or "@" in name or "/" in name
        called[address] = folder if taken else name
    return called


def _emptied(world: World) -> Iterator[RemoveEmpty]:
    """Directories of the domain in which nothing is left."""
    name = world.desired.domains[0].name.ascii
    moved = {move.source for move in _moves(world)}
    for home in (world.roots.keys(name), world.roots.domain(name)):
        names = world.host.names(home)
        if names is not None and {home / each for each in names} <= moved:
            yield RemoveEmpty(home)


def _fields(operations: list[Operation]) -> Iterator[Field]:
    for operation in operations:
        match operation:
            case Move(source, target):
                yield Field(target.name, str(source), str(target))
            case RemoveFile(path):
                yield Field(path.name, "2", "")
            case WriteFile(path):
                yield Field(path.name, "compiled", "as version 1 reads it")
            case _:
                pass


def _notes(world: World) -> Iterator[str]:
    yield "Stop the daemon before, and start the older program afterwards."
    if left := list(_without_place(world.desired)):
        kept = f"{world.roots.manifest.name}.generation-{world.generation}"
        said = ", ".join(left)
        yield f"A config of layout 1 has no place for {said}; {kept} keeps what was said."


def _without_place(desired: Desired) -> Iterator[str]:
    """What is said of the domain beside its name, and what has been done by a block."""
    (domain,) = desired.domains
    if domain.protect:
        yield "the domain's protection"
    if domain.algorithms != _USUAL:
        yield "dkim.algorithms"
    if domain.rotate_every is not None:
        yield "dkim.rotate_every"
    if desired.moved or desired.removed:
        yield "[[moved]] and [[removed]]"
