"""The DKIM keys of a domain: made once, adopted where they are there, never made a second time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from desired.desired import Algorithm
from desired.frozen import replace
from reconcilers.change import Action, Blocked, Change, Field
from reconcilers.difference import Changed, Difference, Missing, Surplus
from reconcilers.host.host import Access, Nature
from reconcilers.kinds.keypair import KeyPair, files, keys, keys_aside, observed, wanted
from reconcilers.operations.files import LinkFile, MakeDirectory, SetAccess
from reconcilers.reconciler import Keys, World
from reconcilers.renewing import ReplaceKey
from reconcilers.signing import KeyFiles
from reconcilers.standing import access, fields, foreign_nature, foreign_owner
from reconcilers.step import Operation, Phase

_WHY_NEW: Mapping[Algorithm, str] = {
    "rsa-sha256": "the domain has no key to sign with",
    "ed25519-sha256": "the domain has no key for the second signature that the manifest asks for",
}

_WHY_ASIDE = "somebody asks for it, and nothing is signed with it yet"


class DkimReconciler:
    """A key belongs to its domain: another selector is another name of the same key."""

    kind: str = "dkim"
    activates: bool = True

    def desired(self, world: World) -> Mapping[str, KeyPair]:
        asked = (*keys(world.desired), *keys_aside(world))
        return {key.name: wanted(world, key) for key in asked}

    def observe(self, world: World) -> Mapping[str, KeyPair]:
        applied = {(key.domain, key.algorithm): key for key in keys(world.applied)}
        asked = {key.name: key for key in (*keys(world.desired), *keys_aside(world))}
        seen = {}
        for name, key in world.within(self.kind, asked).items():
            before = None if key.aside else applied.get((key.domain, key.algorithm))
            pair = observed(world, key, before)
            if pair.managed or pair.is_there:
                seen[name] = pair
        declared = {(key.domain, key.algorithm) for key in asked.values() if not key.aside}
        left = applied.keys() - declared
        gone = (key for each, key in applied.items() if each in left)
        # One that takes the name of another that goes is the one to be looked at.
        return seen | {key.name: observed(world, key, key) for key in gone if key.name not in asked}

    def change(self, difference: Difference[KeyPair], world: World) -> Change | None:
        address = f"dkim/{difference.name}"
        match difference:
            case Missing(_, pair):
                why = _WHY_ASIDE if pair.aside else _WHY_NEW[pair.algorithm]
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
    if domain is None or pair.algorithm == domain.principal:
        return
    if world.host.look(world.roots.keys(pair.domain)) is None:
        yield f"dkim/{pair.domain}/{domain.selectors[domain.principal]}"


def _changed(address: str, desired: KeyPair, observed: KeyPair, world: World) -> Change:
    if desired.renewed:
        action, why = Action.UPDATE, "somebody asks for another one in its place"
    elif not observed.managed:
        action, why = Action.ADOPT, "a key for this domain is there already"
    elif observed.selector != desired.selector:
        action, why = Action.UPDATE, "the manifest names another selector"
    elif world.left is None:
        action, why = Action.REPAIR, "what stands here is not as it should be"
    else:
        action, why = Action.REPAIR, "what the last apply left here has changed"
    return Change(
        address,
        action,
        why,
        fields=tuple(_fields(desired, observed)),
        blocked=_obstacle(desired, observed, world),
        notes=tuple(_notes(desired, observed, world)),
        drifted=observed.managed and replace(observed, **_asked(desired)) != desired,
    )


def _asked(desired: KeyPair) -> dict[str, Any]:
    """What is not drift where it differs, since somebody wants it otherwise than before."""
    return {"selector": desired.selector, "renewed": desired.renewed}


def _fields(desired: KeyPair, observed: KeyPair) -> Iterator[Field]:
    if observed.selector != desired.selector:
        yield Field("selector", observed.selector, desired.selector)
    yield from fields("directory", observed.directory, desired.directory)
    yield from fields("private.key", observed.private, desired.private)
    yield from fields("public.key", observed.public, desired.public)
    if isinstance(observed.public, Access) and not observed.follows:
        derived = "derived from private.key; publish it, if that is what was changed"
        yield Field("public.key", "of another key", derived)


def _notes(desired: KeyPair, observed: KeyPair, world: World) -> Iterator[str]:
    published = f"{desired.selector}._domainkey.{desired.domain}"
    if desired.renewed:
        yield f"The old key is kept beside it, with its date; publish the new one as {published}."
    if observed.selector == desired.selector:
        return
    labelled = KeyFiles.labelled(world.roots.keys(desired.domain), desired.selector)
    if files(world, desired) == labelled and observed.labelled:
        yield (
            f"It is another key, {labelled.private.name}, published as {published}; what the former"
            " one signed is checked by its record, so leave that for some days."
        )
    else:
        yield (
            f"The key stays the same; publish it as {published} before mail is signed with this"
            " selector."
        )


def _obstacle(desired: KeyPair, observed: KeyPair, world: World) -> Blocked | None:
    home = world.roots.keys(desired.domain)
    files = KeyFiles.plain(home, desired.algorithm)
    return (
        foreign_nature(home, observed.directory)
        or foreign_owner(home, observed.directory, world.host.user())
        or foreign_nature(files.private, observed.private, Nature.FILE)
        or foreign_nature(files.public, observed.public, Nature.FILE)
        or (None if desired.renewed else _lost(observed, world) or _unusable(observed, world))
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
        f"restore it from a backup; if it is lost for good, {_by_hand(observed)};"
        f" {_meanwhile(observed, world)}",
    )


def _unusable(observed: KeyPair, world: World) -> Blocked | None:
    if not observed.flaw:
        return None
    files = KeyFiles.plain(world.roots.keys(observed.domain), observed.algorithm)
    return Blocked(
        "key-unusable",
        f"{files.private} cannot sign: {observed.flaw}",
        f"restore the right one from a backup; if it is lost for good,"
        f" {_by_hand(observed)}; {_meanwhile(observed, world)}",
    )


def _unknown_past(world: World, pair: KeyPair) -> Blocked | None:
    if not world.forgotten or pair.aside or pair.renewed:
        return None
    return Blocked(
        "past-unknown",
        f"nobody can tell whether {pair.domain} had a key before: {world.forgotten}",
        f"restore what cannot be read; if there was none, {_by_hand(pair)}",
    )


def _by_hand(pair: KeyPair) -> str:
    """How an operator makes a key where we must not."""
    named = f"--domain {pair.domain} --selector {pair.selector} --force"
    return f"`aimx dkim-keygen {named}` makes a new one, which is to be published"


def _meanwhile(pair: KeyPair, world: World) -> str:
    domain = world.desired.domain(pair.domain)
    if domain is None or pair.algorithm == domain.principal:
        return f"until then {pair.domain} receives and cannot send"
    return f"until then mail of {pair.domain} is signed without it"


def _create(world: World, pair: KeyPair) -> Iterator[Operation]:
    from reconcilers.operations.keys import DerivePublicKey, GenerateKey  # Most keys are there.

    home, user = world.roots.keys(pair.domain), world.host.user()
    plain = KeyFiles.plain(home, pair.algorithm)
    made = files(world, pair) if pair.aside else plain
    yield MakeDirectory(home, access(0o700, user))
    yield GenerateKey(made.private, access(0o600, user), pair.algorithm)
    yield DerivePublicKey(made.private, made.public, access(0o644, user), pair.algorithm)


def _correct(world: World, desired: KeyPair, observed: KeyPair) -> Iterator[Operation]:
    from reconcilers.operations.keys import DerivePublicKey

    home, user = world.roots.keys(desired.domain), world.host.user()
    here = files(world, desired)
    if observed.directory != desired.directory:
        yield SetAccess(home, access(0o700, user))
    if desired.renewed:
        secret, readable = access(0o600, user), access(0o644, user)
        yield ReplaceKey(here.private, secret, desired.algorithm, observed.known_by)
        yield DerivePublicKey(here.private, here.public, readable, desired.algorithm)
        return
    if not observed.labelled:
        here = KeyFiles.labelled(home, desired.selector)
        yield LinkFile(KeyFiles.labelled(home, observed.selector).private, here.private)
    if observed.private != desired.private:
        yield SetAccess(here.private, access(0o600, user), Nature.FILE)
    if not (observed.follows and observed.labelled):
        public = access(0o644, user)
        yield DerivePublicKey(here.private, here.public, public, desired.algorithm)
    elif observed.public != desired.public:
        yield SetAccess(here.public, access(0o644, user), Nature.FILE)
