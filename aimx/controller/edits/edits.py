"""What an amendment takes: the edits of the manifest's files, and what an apply may do for it."""

from __future__ import annotations

from desired.edit import Edit
from desired.frozen import frozen
from reconcilers.renewing import NO_RENEWAL, Renewal


@frozen
class Edits:
    """What an amendment takes."""

    # By the file that they are made in, which are written in this order. After each the manifest
    # makes sense: what leans on a domain goes before it.
    changes: tuple[tuple[str, Edit], ...]
    # Resources that must not be blocked, or nothing is done at all; a kind alone stands for all.
    about: frozenset[str] = frozenset()
    going: frozenset[str] = frozenset()  # Resources that may go, since somebody named them.
    renewal: Renewal = NO_RENEWAL  # Keys that somebody asks for.
