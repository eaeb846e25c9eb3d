"""What a plan may take away, as somebody says who asks for it.

What it takes is written down before the engine config forgets it, so that an apply that is killed
can be finished without asking again. That holds for one desired state, as compiled, and until its
generation is complete.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from hashlib import sha256

from desired.frozen import field, frozen
from reconcilers.host.host import UnseenError
from reconcilers.operations.files import WriteFile
from reconcilers.reconciler import World
from reconcilers.records import sealed, unsealed
from reconcilers.renewing import NO_RENEWAL, Renewal
from reconcilers.standing import access

# As many as there are: whoever consents has seen each.
EVERY = 10**9


@frozen
class Consent:
    """What may go of what is missing from the manifest, and what is not tried at all."""

    removals: int = 0  # How many more than the policy lets go unasked.
    purge: bool = False  # The mail of what goes is deleted, and not set aside.
    # Nothing may go: it is planned for as if it were still declared.
    withheld: bool = False
    named: Set[str] = frozenset()  # Resources that may go all the same: a command says so.
    renewal: Renewal = NO_RENEWAL  # Keys that somebody asks for.
    # Resources that wait for their next try, and why the last one failed.
    held: Mapping[str, str] = field(default_factory=dict)
    reported: Set[str] = frozenset()  # Drift that is told and not repaired.
    anew: bool = False  # A data directory that is gone, perhaps with its disk, is made again.


UNASKED = Consent()  # Nobody says anything.


def agreed(world: World) -> frozenset[str]:
    """The addresses that may go; none where somebody agreed to something else."""
    of, removals = said(world)
    return removals if of == _of(world) else frozenset()


def said(world: World) -> tuple[str, frozenset[str]]:
    """Of which desired state somebody agreed, and to what; whether it is this one or not."""
    try:
        found = unsealed(world.host.read(world.roots.consent) or b"{}")
        if found:
            return str(found["of"]), frozenset(map(str, found["removals"]))
    except (UnseenError, ValueError, KeyError, TypeError):
        pass  # What cannot be read permits nothing: somebody is asked once more.
    return "", frozenset()


def witness(world: World, addresses: Iterable[str]) -> WriteFile:
    """What writes it down."""
    said = {"of": _of(world), "removals": sorted(addresses)}
    content = json.dumps(sealed(said), indent=1).encode() + b"\n"
    return WriteFile(world.roots.consent, content, access(0o600, world.host.user()))


def _of(world: World) -> str:
    return sha256(world.compiled).hexdigest()
