"""The DKIM keys of a domain: made once, adopted where they are there, never made a second time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from desired.desired import Algorithm
from reconcilers.change import Action, Blocked, Change, Field
from reconcilers.difference import Changed, Difference, Missing, Surplus
from reconcilers.host.host import Access, Nature
from reconcilers.kinds.keypair import KeyPair, files_of, keys, observed, wanted
from reconcilers.operations import (
    DerivePublicKey,
    GenerateKey,
    LinkFile,
    MakeDirectory,
    SetAccess,
)
from reconcilers.reconciler import Keys, World
from reconcilers.signing import FORMS, KeyFiles
from reconcilers.standing import access, fields, foreign_nature, foreign_owner
from reconcilers.step import Operation, Phase

_WHY_NEW: Mapping[Algorithm, str] = {
    "rsa-sha256": "the domain has no key to sign with",
    "ed25519-sha256": "the domain has no key for the second signature that the manifest asks for",
}


class DkimReconciler:
    """A key belongs to its domain: another selector is another name of the same key."""

    kind: str = "dkim"
    activates: bool = True

    def desired(self, world: World) -> Mapping[str, KeyPair]:
        return {key.name: wanted(world, key) for key in keys(world.desired)}

    def observe(self, world: World) -> Mapping[str, KeyPair]:
        applied = {(key.domain, key.algorithm): key for key in keys(world.applied)}
        asked = {key.name: key for key in keys(world.desired)}
        seen = {}
        for name, key in world.within(self.kind, asked).items():
            pair = observed(world, key, applied.get((key.domain, key.algorithm)))
            if pair.managed or pair.is_there:
                seen[name] = pair
        left = applied.keys() - {(key.domain, key.algorithm) for key in asked.values()}
        gone = (key for each, key in applied.items() if each in left)
        # One that takes the name of another that goes is the one to be looked at.
        return seen | {key.name: observed(world, key, key) for key in gone if key.name not in asked}

    def change(self, difference: Difference[KeyPair], world: World) -> Change | None:
        address = f"dkim/{difference.name}"
        match difference:
            case Missing(_, pair):
                why = _WHY_NEW[pair.algorithm]
                change = Change(address, Action.CREATE, why, blocked=_unknown_past(world, pair))
            case Changed(_, pair, observed):
                change = _changed(address, pair, observed, world)
            case Surplus(_, pair):
                kept = f"The key stays in {world.roots.keys(pair.domain)}."
                left = world.desired.domain(pair.domain) is None
                why = (
                    "its domain left the manifest"
                    if left
                    else "the manifest asks for no signatures of it any more"
                )
                return Change(address, Action.FORGET, why, notes=(kept,))
        return replace(change, needs=tuple(_needs(world, pair)))

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


def _needs(world: World, pair: KeyPair) -> Iterator[str]:
    """What comes first: where the directory is not there, the key that it is made for."""
    yield "layout"
    domain = world.desired.domain(pair.domain)
    if domain is not None and world.host.look(world.roots.keys(pair.domain)) is None:
        first, *others = domain.selectors
        if pair.algorithm in others:
            yield f"dkim/{pair.domain}/{domain.selectors[first]}"


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
    files = KeyFiles.plain(home, desired.algorithm)
    return (
        foreign_nature(home, observed.directory)
        or foreign_owner(home, observed.directory, world.host.user())
        or foreign_nature(files.private, observed.private, Nature.FILE)
        or foreign_nature(files.public, observed.public, Nature.FILE)
        or _lost(observed, world)
        or _unusable(observed, world)
    )


def _lost(observed: KeyPair, world: World) -> Blocked | None:
    if observed.private is not None:
        return None
    files = KeyFiles.plain(world.roots.keys(observed.domain), observed.algorithm)
    evidence = "signed with it" if observed.managed else f"{files.public.name} is still there"
    return Blocked(
        "key-lost",
        f"{files.private} is gone ({'the last generation ' if observed.managed else ''}{evidence}),"
        " and a new one would not match what DNS publishes",
        f"restore it from a backup; if it is lost for good, {_by_hand(observed, world)};"
        f" {_meanwhile(observed, world)}",
    )


def _unusable(observed: KeyPair, world: World) -> Blocked | None:
    if not observed.flaw:
        return None
    files = KeyFiles.plain(world.roots.keys(observed.domain), observed.algorithm)
    return Blocked(
        "key-unusable",
        f"{files.private} cannot sign: {observed.flaw}",
        f"restore the right one from a backup; if it is lost for good, move this one away,"
        f" {_by_hand(observed, world)}; {_meanwhile(observed, world)}",
    )


def _unknown_past(world: World, pair: KeyPair) -> Blocked | None:
    if not world.forgotten:
        return None
    return Blocked(
        "past-unknown",
        f"nobody can tell whether {pair.domain} had a key before: {world.forgotten}",
        f"restore what cannot be read; if there was none, {_by_hand(pair, world)}",
    )


def _by_hand(pair: KeyPair, world: World) -> str:
    """How an operator makes a key where we must not."""
    files = KeyFiles.plain(world.roots.keys(pair.domain), pair.algorithm)
    command = FORMS[pair.algorithm].by_hand.format(files.private)
    made = f"mkdir -p {files.private.parent} && {command}"
    return f"make a new one with `{made}`, apply again, and publish its {files.public.name}"


def _meanwhile(pair: KeyPair, world: World) -> str:
    domain = world.desired.domain(pair.domain)
    if domain is None or pair.algorithm == domain.principal:
        return f"until then {pair.domain} receives and cannot send"
    return f"until then mail of {pair.domain} is signed without it"


def _create(world: World, pair: KeyPair) -> Iterator[Operation]:
    home, user = world.roots.keys(pair.domain), world.host.user()
    files = KeyFiles.plain(home, pair.algorithm)
    yield MakeDirectory(home, access(0o700, user))
    yield GenerateKey(files.private, access(0o600, user), pair.algorithm)
    yield DerivePublicKey(files.private, files.public, access(0o644, user), pair.algorithm)


def _correct(world: World, desired: KeyPair, observed: KeyPair) -> Iterator[Operation]:
    home, user = world.roots.keys(desired.domain), world.host.user()
    files = files_of(world, desired.domain, desired.algorithm, desired.selector)
    if observed.directory != desired.directory:
        yield SetAccess(home, access(0o700, user))
    if not observed.labelled:
        files = KeyFiles.labelled(home, desired.selector)
        yield LinkFile(KeyFiles.labelled(home, observed.selector).private, files.private)
    if observed.private != desired.private:
        yield SetAccess(files.private, access(0o600, user), Nature.FILE)
    if not (observed.follows and observed.labelled):
        public = access(0o644, user)
        yield DerivePublicKey(files.private, files.public, public, desired.algorithm)
    elif observed.public != desired.public:
        yield SetAccess(files.public, access(0o644, user), Nature.FILE)
