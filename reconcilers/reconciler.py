"""The protocol that every kind of resource follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Protocol, TypeAlias, TypeVar

from desired import engine_config
from desired.desired import Desired
from desired.frozen import frozen
from reconcilers.change import Change, Lacking
from reconcilers.difference import Difference
from reconcilers.host.host import Reading
from reconcilers.migration import NONE, Migration
from reconcilers.renewing import NO_RENEWAL, Renewal
from reconcilers.roots import Roots
from reconcilers.step import Operation, Phase

T = TypeVar("T")
V = TypeVar("V")

Keys: TypeAlias = tuple[str | int, ...]

# Of the others there are few, and they are always looked at.
_MANY = frozenset({"dkim", "domain", "mailbox"})


@frozen
class World:
    """What a kind plans from: the machine to look at, and what was applied last."""

    host: Reading
    roots: Roots
    desired: Desired
    applied: Desired | None  # The engine config's; None on a fresh install.
    generation: int  # Of the engine config; 0 on a fresh install.
    compiled: bytes  # What the manifest compiles to, without the header that names a generation.
    # Why nobody can tell what was applied last; empty where it is known. Then nothing is surplus,
    # and nothing counts as new that would be made anew.
    forgotten: str = ""
    compiled_from: str = ""  # Digest of the manifest that the engine config says it is of.
    complete: bool = True  # The generation is on record, which is the last thing of an apply.
    # What is to be done about layout 1. Where something is, `host` shows what will be after it.
    migration: Migration = NONE
    unmigrated: str = ""  # Why nobody can tell whether something is to be done about it.
    renewal: Renewal = NO_RENEWAL  # Keys that somebody asks for.
    purge: bool = False  # The mail of what goes is deleted, and not set aside.
    older: bool = False  # The engine config is one of the older system, or was written by hand.
    # The addresses that are looked at, of kinds of which there are many; what else is desired is
    # taken to be as it should be. None: all are looked at.
    only: Set[str] | None = None

    @property
    def left(self) -> Desired | None:
        """What the last apply left; None where there was none, whatever another program did."""
        return self.applied if self.generation else None

    def within(self, kind: str, named: Mapping[str, V]) -> Mapping[str, V]:
        """Those of a kind, by name, that are looked at."""
        if self.only is None or kind not in _MANY:
            return named
        begin = f"{kind}/"
        names = (each.removeprefix(begin) for each in self.only if each.startswith(begin))
        return {name: named[name] for name in names if name in named}

    def keys_of_domain(self, name: str) -> Keys:
        """Where the manifest declares the domain."""
        names = [domain.name.ascii for domain in self.desired.domains]
        return ("domains", names.index(name))


def body(config: bytes) -> bytes:
    """The engine config without its header, which names the generation and the manifest."""
    return config.split(b"\n", 2)[2] if engine_config.header(config) else config


class Reconciler(Protocol[T]):
    """What we know about one kind of thing: what is wanted, what is there, how to close the gap.

    `desired` and `observe` give the same type, so that a difference is plain inequality. What
    can be observed and not desired (a file's age) does not belong in it.
    """

    kind: str
    activates: bool  # Whether the engine's snapshot is made of it.

    def desired(self, world: World) -> Mapping[str, T]:
        """By name within the kind; the empty name where there is one of the kind."""

    def observe(self, world: World) -> Mapping[str, T]:
        """What is there and ours, `within` what is looked at; raises `UnseenError` where it
        could not look."""

    def change(self, difference: Difference[T], world: World) -> Change | Lacking | None:
        """What to do about a difference, or None where nothing is to be done about it.

        Its place in the manifest is filled in later, and so is its fingerprint where it has none.
        """

    def asked_by(self, name: str, world: World) -> Keys:
        """Under which keys of the manifest it is asked for; none where a manifest has no such."""

    def steps(self, difference: Difference[T], world: World) -> Iterable[tuple[Phase, Operation]]:
        """How to do it, one after the other. Not asked for a change that is blocked."""
