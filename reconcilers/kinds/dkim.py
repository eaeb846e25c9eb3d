"""The DKIM key of a domain: made once, adopted where it is there, never made a second time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import PurePosixPath

from desired.desired import Desired, HostedDomain
from reconcilers.change import Action, Blocked, Change, Field
from reconcilers.difference import Changed, Difference, Missing, Surplus
from reconcilers.host.host import Access, Nature
from reconcilers.operations import (
    DerivePublicKey,
    GenerateKey,
    LinkFile,
    MakeDirectory,
    SetAccess,
)
from reconcilers.reconciler import Keys, World
from reconcilers.rsa import UnusableKeyError, public_half
from reconcilers.standing import (
    Standing,
    access,
    directory,
    fields,
    file,
    foreign_nature,
    foreign_owner,
)
from reconcilers.step import Operation, Phase


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A domain's key, and under which selector it signs."""

    domain: str
    selector: str
    managed: bool  # The last generation signs with it.
    labelled: bool  # It has a name under which its selector is looked for.
    directory: Standing
    private: Standing
    flaw: str  # Why the private key is of no use; empty where it is sound or not there.
    public: Standing
    follows: bool  # The public key is the private key's.
    # Which key it is. Whichever is there is the desired one, so two that differ are equal.
    known_by: str = field(default="", compare=False)


class DkimReconciler:
    """A key belongs to its domain: another selector is another name of the same key."""

    kind: str = "dkim"
    activates: bool = True

    def desired(self, world: World) -> Mapping[str, KeyPair]:
        return {_name(domain): _wanted(world, domain) for domain in world.desired.domains}

    def observe(self, world: World) -> Mapping[str, KeyPair]:
        applied = _by_domain(world.applied)
        desired = {_name(domain): domain for domain in world.desired.domains}
        seen = {}
        for name, domain in world.within(self.kind, desired).items():
            pair = _observed(world, domain, applied.get(domain.name.ascii))
            if pair.managed or _is_something_there(pair):
                seen[name] = pair
        left = applied.keys() - _by_domain(world.desired)
        gone = (domain for name, domain in applied.items() if name in left)
        return seen | {_name(domain): _observed(world, domain, domain) for domain in gone}

    def change(self, difference: Difference[KeyPair], world: World) -> Change | None:
        address = f"dkim/{difference.name}"
        match difference:
            case Missing(_, pair):
                why = "the domain has no key to sign with"
                change = Change(address, Action.CREATE, why, blocked=_unknown_past(world, pair))
            case Changed(_, pair, observed):
                change = _changed(address, pair, observed, world)
            case Surplus(_, pair):
                kept = f"The key stays in {world.roots.keys(pair.domain)}."
                return Change(address, Action.FORGET, "its domain left the manifest", notes=(kept,))
        return replace(change, needs=("layout",))

    def asked_by(self, name: str, world: World) -> Keys:
        return world.keys_of_domain(name.partition("/")[0])

    def steps(
        self, difference: Difference[KeyPair], world: World
    ) -> Iterable[tuple[Phase, Operation]]:
        match difference:
            case Missing(_, pair):
                operations = _create(world, pair)
            case Changed(_, desired, observed):
                operations = _correct(world, desired, observed)
            case Surplus():
                return
        for operation in operations:
            yield Phase.KEYS, operation


@dataclass(frozen=True, slots=True)
class _Files:
    """Where a key stands."""

    private: PurePosixPath
    public: PurePosixPath

    @classmethod
    def labelled(cls, home: PurePosixPath, selector: str) -> _Files:
        return cls(home / f"{selector}.private.key", home / f"{selector}.public.key")

    @classmethod
    def plain(cls, home: PurePosixPath) -> _Files:
        return cls(home / "private.key", home / "public.key")


def _files(world: World, domain: str, selector: str) -> _Files:
    """The key of a selector is the one that bears its name, if there is one, else the plain."""
    labelled = _Files.labelled(world.roots.keys(domain), selector)
    if world.host.look(labelled.private) is not None:
        return labelled
    return _Files.plain(world.roots.keys(domain))


def _wanted(world: World, domain: HostedDomain) -> KeyPair:
    user = world.host.user()
    return KeyPair(
        domain=domain.name.ascii,
        selector=domain.selector.text,
        managed=True,
        labelled=True,
        directory=access(0o700, user),
        private=access(0o600, user),
        flaw="",
        public=access(0o644, user),
        follows=True,
    )


def _observed(world: World, domain: HostedDomain, before: HostedDomain | None) -> KeyPair:
    """The key as it stands; `before` is what the last generation said of the domain."""
    home = world.roots.keys(domain.name.ascii)
    seen = KeyPair(
        domain=domain.name.ascii,
        selector=(before or domain).selector.text,
        managed=before is not None,
        labelled=True,
        directory=directory(world.host.look(home)),
        private=None,
        flaw="",
        public=None,
        follows=False,
    )
    if not isinstance(seen.directory, Access):
        return seen
    files = _files(world, domain.name.ascii, domain.selector.text)
    earlier = _Files.labelled(home, seen.selector)
    if files == _Files.plain(home) and world.host.look(earlier.private) is not None:
        return _with_files(replace(seen, labelled=False), earlier, world)
    return _with_files(seen, files, world)


def _with_files(pair: KeyPair, files: _Files, world: World) -> KeyPair:
    private, public = (file(world.host.look(path)) for path in (files.private, files.public))
    flaw, derived = _read(world, files.private) if isinstance(private, Access) else ("", None)
    follows = isinstance(public, Access) and world.host.read(files.public) == derived
    known_by = sha256(derived).hexdigest()[:32] if derived else ""
    return replace(
        pair, private=private, flaw=flaw, public=public, follows=follows, known_by=known_by
    )


def _read(world: World, private: PurePosixPath) -> tuple[str, bytes | None]:
    """What is wrong with the private key, and the public key that belongs to it."""
    try:
        return "", public_half(world.host.read(private) or b"").pem
    except UnusableKeyError as flaw:
        return str(flaw), None


def _is_something_there(pair: KeyPair) -> bool:
    """An empty directory is what a killed apply leaves before it has made the key."""
    return not (pair.private is None and pair.public is None) or isinstance(pair.directory, Nature)


def _changed(address: str, desired: KeyPair, observed: KeyPair, world: World) -> Change:
    if not observed.managed:
        action, why = Action.ADOPT, "a key for this domain is there already"
    elif observed.selector != desired.selector:
        action, why = Action.UPDATE, "the manifest names another selector"
    else:
        action, why = Action.REPAIR, "what the last apply left here has changed"
    return Change(
        address,
        action,
        why,
        fields=tuple(_fields(desired, observed)),
        blocked=_obstacle(desired, observed, world),
        notes=tuple(_notes(desired, observed)),
        drifted=observed.managed and replace(observed, selector=desired.selector) != desired,
    )


def _fields(desired: KeyPair, observed: KeyPair) -> Iterator[Field]:
    if observed.selector != desired.selector:
        yield Field("selector", observed.selector, desired.selector)
    yield from fields("directory", observed.directory, desired.directory)
    yield from fields("private.key", observed.private, desired.private)
    yield from fields("public.key", observed.public, desired.public)
    if isinstance(observed.public, Access) and not observed.follows:
        derived = "derived from private.key; publish it, if that is what was changed"
        yield Field("public.key", "of another key", derived)


def _notes(desired: KeyPair, observed: KeyPair) -> Iterator[str]:
    if observed.selector != desired.selector:
        yield (
            f"The key stays the same; publish it as {desired.selector}._domainkey"
            f".{desired.domain} before mail is signed with this selector."
        )


def _obstacle(desired: KeyPair, observed: KeyPair, world: World) -> Blocked | None:
    home = world.roots.keys(desired.domain)
    files = _Files.plain(home)
    return (
        foreign_nature(home, observed.directory)
        or foreign_owner(home, observed.directory, world.host.user())
        or foreign_nature(files.private, observed.private, Nature.FILE)
        or foreign_nature(files.public, observed.public, Nature.FILE)
        or _lost(desired.domain, observed, files)
        or _unusable(desired.domain, observed, files)
    )


def _lost(domain: str, observed: KeyPair, files: _Files) -> Blocked | None:
    if observed.private is not None:
        return None
    evidence = "signed with it" if observed.managed else f"{files.public.name} is still there"
    return Blocked(
        "key-lost",
        f"{files.private} is gone ({'the last generation ' if observed.managed else ''}{evidence}),"
        " and a new one would not match what DNS publishes",
        f"restore it from a backup; if it is lost for good, {_by_hand(files.private)}; until then"
        f" {domain} receives and cannot send",
    )


def _unusable(domain: str, observed: KeyPair, files: _Files) -> Blocked | None:
    if not observed.flaw:
        return None
    return Blocked(
        "key-unusable",
        f"{files.private} cannot sign: {observed.flaw}",
        f"restore the right one from a backup; if it is lost for good, move this one away,"
        f" {_by_hand(files.private)}; until then {domain} receives and cannot send",
    )


def _unknown_past(world: World, pair: KeyPair) -> Blocked | None:
    if not world.forgotten:
        return None
    return Blocked(
        "past-unknown",
        f"nobody can tell whether {pair.domain} had a key before: {world.forgotten}",
        "restore what cannot be read; if there was none,"
        f" {_by_hand(_Files.plain(world.roots.keys(pair.domain)).private)}",
    )


def _by_hand(private: PurePosixPath) -> str:
    """How an operator makes a key where we must not."""
    made = f"mkdir -p {private.parent} && openssl genrsa -traditional -out {private} 2048"
    return f"make a new one with `{made}`, apply again, and publish its public.key"


def _create(world: World, pair: KeyPair) -> Iterator[Operation]:
    home, user = world.roots.keys(pair.domain), world.host.user()
    files = _Files.plain(home)
    yield MakeDirectory(home, access(0o700, user))
    yield GenerateKey(files.private, access(0o600, user))
    yield DerivePublicKey(files.private, files.public, access(0o644, user))


def _correct(world: World, desired: KeyPair, observed: KeyPair) -> Iterator[Operation]:
    home, user = world.roots.keys(desired.domain), world.host.user()
    files = _files(world, desired.domain, desired.selector)
    if observed.directory != desired.directory:
        yield SetAccess(home, access(0o700, user))
    if not observed.labelled:
        files = _Files.labelled(home, desired.selector)
        yield LinkFile(_Files.labelled(home, observed.selector).private, files.private)
    if observed.private != desired.private:
        yield SetAccess(files.private, access(0o600, user), Nature.FILE)
    if not (observed.follows and observed.labelled):
        yield DerivePublicKey(files.private, files.public, access(0o644, user))
    elif observed.public != desired.public:
        yield SetAccess(files.public, access(0o644, user), Nature.FILE)


def _by_domain(desired: Desired | None) -> dict[str, HostedDomain]:
    return {domain.name.ascii: domain for domain in desired.domains} if desired else {}


def _name(domain: HostedDomain) -> str:
    return f"{domain.name.ascii}/{domain.selector.text}"
