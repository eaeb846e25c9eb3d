"""What somebody agreed to let go: written down before the engine config forgets it.

An apply that is killed can then be finished without asking again. It holds for one desired state,
as compiled, and until that generation is complete.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256

from reconcilers.host.host import UnseenError
from reconcilers.operations.files import WriteFile
from reconcilers.reconciler import World
from reconcilers.records import parsed
from reconcilers.standing import access


def agreed(world: World) -> frozenset[str]:
    """The addresses that may go; none where somebody agreed to something else."""
    of, removals = said(world)
    return removals if of == _of(world) else frozenset()


def said(world: World) -> tuple[str, frozenset[str]]:
    """Of which desired state somebody agreed, and to what; whether it is this one or not."""
    try:
        found = parsed(world.host.read(world.roots.consent) or b"{}")
        if found:
            return str(found["of"]), frozenset(map(str, found["removals"]))
    except (UnseenError, ValueError, KeyError, TypeError):
        pass  # What cannot be read permits nothing: somebody is asked once more.
    return "", frozenset()


def witness(world: World, addresses: Iterable[str]) -> WriteFile:
    """What writes it down."""
    said = {"of": _of(world), "removals": sorted(addresses)}
    content = json.dumps(said, indent=1).encode() + b"\n"
    return WriteFile(world.roots.consent, content, access(0o600, world.host.user()))


def _of(world: World) -> str:
    return sha256(world.compiled).hexdigest()
