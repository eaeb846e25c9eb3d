"""A key of a domain's, as it is wanted and as it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from desired.desired import Algorithm, Desired, published
from desired.frozen import field, frozen, replace
from desired.names import Selector
from reconcilers.der import UnusableKeyError
from reconcilers.host.host import Access, Entry, Nature
from reconcilers.reconciler import World
from reconcilers.signing import KeyFiles, known_by, public_pem
from reconcilers.standing import Standing, access, directory, file


@frozen
class Key:
    """A key that a manifest asks for."""

    domain: str
    algorithm: Algorithm
    selector: str  # Under which it is published.
    aside: bool = False  # No manifest asks: it is made for a selector that is to come.

    @property
    def name(self) -> str:
        return f"{self.domain}/{self.selector}"


def keys(desired: Desired | None) -> Iterator[Key]:
    for domain in desired.domains if desired else ():
        for algorithm, selector in domain.selectors.items():
            yield Key(domain.name.ascii, algorithm, selector.text)


def keys_aside(world: World) -> Iterator[Key]:
    """Those that somebody asks for, and that sign nothing yet."""
    asked = {*world.renewal.making, *world.renewal.replacing}
    named = {f"dkim/{key.name}" for key in keys(world.desired)} if asked else set()
    for address in sorted(asked - named):
        _, name, selector = address.split("/")
        domain = world.desired.domain(name)
        if domain is not None:
            under = published(Selector.parse(selector), domain.principal)
            yield Key(name, domain.principal, under.text, aside=True)


@frozen
class KeyPair:
    """A key of a domain's, and under which selector it signs."""

    domain: str
    algorithm: Algorithm
    selector: str
    managed: bool  # The last generation signs with it.
    labelled: bool  # It has a name under which its selector is looked for.
    directory: Standing
    private: Standing
    flaw: str  # Why the private key is of no use; empty where it is sound or not there.
    public: Standing
    follows: bool  # The public key is the private key's.
    aside: bool = False  # It is made for a selector that is to come.
    renewed: bool = False  # Somebody wants another one.
    # Which key it is. Whichever is there is the desired one, so two that differ are equal.
    known_by: str = field(default="", compare=False)

    @property
    def signs(self) -> bool:
        """Whether the engine can sign with it."""
        return isinstance(self.private, Access) and not self.flaw

    @property
    def is_there(self) -> bool:
        """Whether anything is. A killed apply may leave the directory before it makes a key."""
        names = (self.private, self.public)
        return names != (None, None) or isinstance(self.directory, Nature)


def files(world: World, pair: KeyPair) -> KeyFiles:
    """Where a key stands, or is to."""
    if pair.aside:
        return KeyFiles.labelled(world.roots.keys(pair.domain), pair.selector)
    return files_of(world, pair.domain, pair.algorithm, pair.selector)


def files_of(world: World, domain: str, algorithm: Algorithm, selector: str) -> KeyFiles:
    """The key of a selector is the one that bears its name, if there is one, else the plain."""
    labelled = KeyFiles.labelled(world.roots.keys(domain), selector)
    if world.host.look(labelled.private) is not None:
        return labelled
    return KeyFiles.plain(world.roots.keys(domain), algorithm)


def wanted(world: World, key: Key) -> KeyPair:
    user = world.host.user()
    return KeyPair(
        domain=key.domain,
        algorithm=key.algorithm,
        selector=key.selector,
        managed=not key.aside,
        aside=key.aside,
        renewed=f"dkim/{key.name}" in world.renewal.replacing,
        labelled=True,
        directory=access(0o700, user),
        private=access(0o600, user),
        flaw="",
        public=access(0o644, user),
        follows=True,
    )


def observed(world: World, key: Key, before: Key | None) -> KeyPair:
    """The key as it stands; `before` is what the last generation said of it."""
    home = world.roots.keys(key.domain)
    seen = KeyPair(
        domain=key.domain,
        algorithm=key.algorithm,
        selector=(before or key).selector,
        managed=before is not None,
        aside=key.aside,
        labelled=True,
        directory=directory(world.host.look(home)),
        private=None,
        flaw="",
        public=None,
        follows=False,
    )
    if not isinstance(seen.directory, Access):
        return seen
    plain = KeyFiles.plain(home, key.algorithm)
    labelled = KeyFiles.labelled(home, key.selector)
    earlier = KeyFiles.labelled(home, seen.selector)
    names = dict.fromkeys((*plain.names, *labelled.names, *earlier.names))
    entries = world.host.look_within(home, names) or {}
    if key.aside or entries.get(labelled.private_name) is not None:
        return _with_files(seen, labelled, entries, world)
    if entries.get(earlier.private_name) is not None:
        return _with_files(replace(seen, labelled=False), earlier, entries, world)
    return _with_files(seen, plain, entries, world)


def _with_files(
    pair: KeyPair, files: KeyFiles, entries: Mapping[str, Entry | None], world: World
) -> KeyPair:
    private, public = (file(entries.get(name)) for name in files.names)
    flaw, derived = "", None
    if isinstance(private, Access):
        flaw, derived = _read(world, files.private, pair.algorithm)
    follows = isinstance(public, Access) and world.host.read(files.public) == derived
    known = known_by(derived) if derived else ""
    return replace(pair, private=private, flaw=flaw, public=public, follows=follows, known_by=known)


def _read(world: World, private: PurePosixPath, algorithm: Algorithm) -> tuple[str, bytes | None]:
    """What is wrong with the private key, and the public key that belongs to it."""
    try:
        return "", public_pem(world.host.read(private) or b"", algorithm)
    except UnusableKeyError as flaw:
        return str(flaw), None
