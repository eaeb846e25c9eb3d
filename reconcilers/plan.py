"""What an apply would do: changes for the reader, ordered steps for the machine."""

from __future__ import annotations

from desired.frozen import frozen
from reconcilers.change import Blocked, Change, Lacking
from reconcilers.step import Step


@frozen
class Unsettled:
    """A kind, or one resource of it, that could not be looked at; nothing is planned for it."""

    address: str
    reason: str


@frozen
class Plan:
    """The same inputs give an equal plan: no clock and no order of a dictionary is in it."""

    generation: int  # What the machine is at; 0 for a fresh install.
    desired_digest: str  # Of the manifest that it was planned from.
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]  # In the order of an apply.
    unchanged: int
    config: bytes | None = None  # The engine config that will be written; None: it stays.
    unsettled: tuple[Unsettled, ...] = ()
    refused: Blocked | None = None  # A safety rule refuses the whole; then there are no steps.
    notes: tuple[str, ...] = ()  # What the operator should know of the manifest, a sentence each.
    lacking: tuple[Lacking, ...] = ()
    purges: bool = False  # Mail is deleted that would be set aside, had nobody asked for that.

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes that an apply would carry out."""
        return tuple([change for change in self.changes if change.blocked is None])

    @property
    def blocked(self) -> tuple[Change, ...]:
        return tuple([change for change in self.changes if change.blocked is not None])

    @property
    def is_empty(self) -> bool:
        return not self.changes and not self.unsettled
