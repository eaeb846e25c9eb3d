"""Mail set aside: what there is of it, and the plans that restore or purge it.

Each is an ordinary plan, though no manifest asks for it: it is shown, has an id, and is carried
out step by step under the lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from desired.desired import Desired, Mailbox
from desired.frozen import asdict, frozen
from desired.names import CATCHALL_FOLDER, WILDCARD
from desired.problem import printable
from reconcilers.applied import last_applied
from reconcilers.change import Action, Blocked, Change, Field, Fingerprint
from reconcilers.fingerprint import digest
from reconcilers.host.host import Nature, Reading, ReconcileError
from reconcilers.inscription import RECORD, Record, amount
from reconcilers.operations.mail import ClearTombstone, Move, Reattach, RemoveTree
from reconcilers.ordering import Work, order
from reconcilers.plan import Plan
from reconcilers.retirement import DELETING, folder_name
from reconcilers.roots import FOLDERS, Roots
from reconcilers.standing import access
from reconcilers.step import Operation, Phase


class NoTombstoneError(ReconcileError):
    """None of that name, or several of that address."""


@frozen
class Tombstone:
    """One mailbox's mail, set aside."""

    name: str
    record: Record
    path: PurePosixPath

    @property
    def since(self) -> datetime | None:
        """When it was set aside; None where it does not say."""
        try:
            found = datetime.fromisoformat(self.record.at)
        except ValueError:
            return None
        return found if found.tzinfo else None


def tombstones(host: Reading, roots: Roots) -> tuple[Tombstone, ...]:
    """All that there are, by name; raises `UnseenError`."""
    return tuple(_tombstones(host, roots))


def _tombstones(host: Reading, roots: Roots) -> Iterator[Tombstone]:
    for name in host.names(roots.tombstones) or ():
        path = roots.tombstones / name
        if name.endswith(DELETING):
            continue
        record = Record.read(host.read(path / RECORD))
        if record is None:
            # Without its record it still is somebody's mail, and its name says whose.
            found = amount(host, (path / folder for folder in FOLDERS))
            record = Record(_address(name), "", name, **asdict(found))
        yield Tombstone(name, record, path)


def expired(
    host: Reading, roots: Roots, retention: timedelta, now: datetime
) -> tuple[Tombstone, ...]:
    """Those that were kept for as long as the policy says. What has no date is kept."""
    return tuple(
        each
        for each in tombstones(host, roots)
        if each.since is not None and each.since + retention <= now
    )


def meant(host: Reading, roots: Roots, name: str) -> Tombstone:
    """The one of that name, or the only one of that address; raises `NoTombstoneError`."""
    all_of_them = tombstones(host, roots)
    found = [each for each in all_of_them if each.name == name]
    found = found or [each for each in all_of_them if each.record.address == name]
    if not found:
        raise NoTombstoneError(
            f"no tombstone is called {printable(name)}, and none is of that address. `aimx"
            " tombstones list` shows them."
        )
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise NoTombstoneError(
            f"{printable(name)} has {len(found)} tombstones. Name the one: {names}."
        )
    return found[0]


def restoration(host: Reading, roots: Roots, name: str) -> Plan:
    """What makes the mail of a tombstone that of its mailbox again."""
    stone = meant(host, roots, name)
    number, desired = last_applied(host, roots)
    mailbox = _mailbox(stone, desired)
    blocked = _undeclared(stone) if mailbox is None else _obstacle(stone, mailbox, host, roots)
    account = host.account(mailbox.owner) if mailbox else None
    deeds: list[tuple[Phase, Operation]] = []
    told: list[Field] = []
    if mailbox is not None and account is not None and blocked is None:
        for source, target in _renames(stone, mailbox, host, roots):
            told.append(Field(source.name, str(source), str(target)))
            deeds.append((Phase.RELOCATE, Reattach(source, target, access(0o700, account))))
        deeds.append((Phase.RETIRE, ClearTombstone(stone.path)))
    change = Change(
        f"mailbox/{stone.record.address}",
        Action.MOVE,
        f"its mail was set aside as {stone.name}, and is restored",
        fingerprint=_seen(stone.path, host),
        fields=tuple(told),
        blocked=blocked,
        notes=(f"It holds {_held(stone, host)}.",),
    )
    return _plan(number, change, deeds)


def purge(host: Reading, roots: Roots, name: str) -> Plan:
    """What deletes the mail of a tombstone for good, also where that was begun already."""
    try:
        stone = meant(host, roots, name)
    except NoTombstoneError:
        begun = _begun(host, roots, name)
        if begun is None:
            raise
        return completion(host, roots, begun)
    gone = stone.path.with_name(f"{stone.name}{DELETING}")
    change = Change(
        f"tombstone/{stone.name}",
        Action.DELETE,
        f"the mail of {stone.record.address} is deleted for good",
        fingerprint=_seen(stone.path, host),
        notes=(f"It holds {_held(stone, host)}.",),
    )
    # It is no tombstone any more before the first message goes: none is ever restored in part.
    deeds: list[tuple[Phase, Operation]] = [
        (Phase.RETIRE, RemoveTree(gone)),
        (Phase.RETIRE, Move(stone.path, gone)),
        (Phase.RETIRE, RemoveTree(gone)),
    ]
    return _plan(last_applied(host, roots)[0], change, deeds)


def half_purged(host: Reading, roots: Roots) -> tuple[PurePosixPath, ...]:
    """What a purge that was killed left behind: nobody's mail any more."""
    names = host.names(roots.tombstones) or ()
    return tuple(roots.tombstones / name for name in names if name.endswith(DELETING))


def _begun(host: Reading, roots: Roots, name: str) -> PurePosixPath | None:
    """What a killed purge left of the tombstone of that name, or of one of that address."""
    left = {path.name.removesuffix(DELETING): path for path in half_purged(host, roots)}
    of_address = (path for each, path in left.items() if _address(each) == name)
    return left.get(name) or next(of_address, None)


def _address(name: str) -> str:
    """Whose mail it is, by a tombstone's name."""
    local, at, domain = name.rpartition(".")[0].rpartition("@")
    return f"{WILDCARD if local == CATCHALL_FOLDER else local}{at}{domain}"


def whose(plan: Plan) -> str:
    """The address whose mail a plan deletes for good."""
    return _address(plan.changes[0].address.removeprefix("tombstone/"))


def completion(host: Reading, roots: Roots, gone: PurePosixPath) -> Plan:
    """What finishes a purge that was killed."""
    change = Change(
        f"tombstone/{gone.name.removesuffix(DELETING)}",
        Action.DELETE,
        "its purge was begun and is not finished",
        fingerprint=_seen(gone, host),
    )
    return _plan(last_applied(host, roots)[0], change, [(Phase.RETIRE, RemoveTree(gone))])


def _plan(generation: int, change: Change, deeds: list[tuple[Phase, Operation]]) -> Plan:
    steps = () if change.blocked else order([Work(change, tuple(deeds), activates=False)], None)
    return Plan(generation, "", (change,), steps, unchanged=0)


def _held(stone: Tombstone, host: Reading) -> str:
    return str(amount(host, (stone.path / folder for folder in FOLDERS)))


def _seen(path: PurePosixPath, host: Reading) -> Fingerprint:
    entry = host.look(path)
    identity = "" if entry is None else f"{entry.device}:{entry.inode}"
    return Fingerprint(observed=digest(f"{path.name} {identity}".encode())[:32])


def _mailbox(stone: Tombstone, desired: Desired | None) -> Mailbox | None:
    known = desired.mailboxes if desired else {}
    if found := known.get(stone.record.address):
        return found
    # Without its record the name alone tells, and that of a long address is shortened.
    name = stone.name.rpartition(".")[0]
    return next((it for it in known.values() if folder_name(it.address) == name), None)


def _undeclared(stone: Tombstone) -> Blocked:
    address, owner = stone.record.address, stone.record.owner or "NAME"
    return Blocked(
        "not-declared",
        f"no mailbox is called {address} in what was applied last",
        f'declare [mailboxes."{address}"] with owner = "{owner}", apply that, then restore again',
    )


def _renames(
    stone: Tombstone, mailbox: Mailbox, host: Reading, roots: Roots
) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    address = mailbox.address
    for folder in FOLDERS:
        source = stone.path / folder
        if host.look(source) is not None:
            yield source, roots.mailbox(address.domain.ascii, folder, address.folder)


def _obstacle(stone: Tombstone, mailbox: Mailbox, host: Reading, roots: Roots) -> Blocked | None:
    account = host.account(mailbox.owner)
    for source, target in _renames(stone, mailbox, host, roots):
        entry = host.look(source)
        if entry is not None and entry.nature is not Nature.DIRECTORY:
            return Blocked(
                f"{entry.nature}-in-the-way",
                f"{source} is no directory, and nobody knows whose it is",
                f"look at it, and move {stone.path} away",
            )
        if account is None or (entry is not None and entry.uid != account.uid):
            was = stone.record.owner or f"uid {entry.uid if entry else '?'}"
            return Blocked(
                "foreign-owner",
                f"the mail in {stone.name} was {was}'s, and {mailbox.address} is {mailbox.owner}'s",
                f"declare {mailbox.address} with the owner {was}; if {mailbox.owner} is to have the"
                f" mail, give it with `chown -R {mailbox.owner} {source}` first",
            )
        if host.names(target):
            return Blocked(
                "mailbox-has-mail",
                f"{target} has mail of its own, and two mailboxes are never mixed",
                f"move what is in {target} away, or purge the tombstone, then restore again",
            )
    return None
