"""The smallest things that an apply does: described before they are done, and idempotent."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Protocol, runtime_checkable

from desired.frozen import field, frozen
from reconcilers.host.host import Host


class Phase(IntEnum):
    """The order of an apply. Whatever adds comes before `CONFIG`, whatever removes after it."""

    MIGRATE = 0  # An older layout is brought to this one; no engine runs then.
    KEYS = 1
    STORAGE = 2
    PREPARE = 3  # Every process builds the new snapshot aside and probes it.
    RELOCATE = 4
    CONFIG = 5  # From here on there is only forward.
    COMMIT = 6  # All processes swap.
    RETIRE = 7
    MARKER = 8


class Activation(Protocol):
    """The running engine, as an apply sees it. All methods raise `StepError`."""

    def prepare(self, config: bytes) -> None:
        """Every process loads this engine config aside and probes it, or none does."""

    def commit(self) -> None:
        """All processes swap to what was prepared: outbound first, then the doors and inbound."""

    def drop(self) -> None:
        """What was prepared is not wanted any more."""


@frozen
class Hands:
    """What a step may use."""

    host: Host
    activation: Activation


class Operation(Protocol):
    """A frozen description of something to do: plain data, so that a plan can be saved.

    Taking it twice is taking it once. `holds` looks; it never changes anything.
    """

    def take(self, hands: Hands) -> None:
        """Do it, durably unless a closing step of the phase does that; raises `StepError`."""

    def holds(self, hands: Hands) -> bool | None:
        """Whether it is seen to be done: then it is not taken again.

        None where nothing shows it (a sync, a swap of the engine): it is taken and believed.
        """

    def __str__(self) -> str:
        """What it does, in a few words with its path."""


@runtime_checkable
class Joinable(Operation, Protocol):
    """An operation that is taken sooner with others, and looks at what it did by itself."""

    @property
    def likeness(self) -> object:
        """What is equal for those that may be taken together."""

    def take_together(self, alike: Sequence[Any], hands: Hands) -> Sequence[str]:
        """`take` each of them, of its own class and likeness: why one is not seen to be done,
        and nothing where it is."""


@runtime_checkable
class Reversible(Operation, Protocol):
    """An operation of `RELOCATE` that is taken back when the engine config is not written."""

    def undo(self, hands: Hands) -> None:
        """As it was before `take`; raises `StepError`."""


@frozen
class Step:
    """An operation, where it stands in an apply, and what must have been done before."""

    id: str  # `<address>#<number>`, unique in a plan and stable from plan to plan.
    address: str
    phase: Phase
    operation: Operation
    after: tuple[str, ...] = ()  # Ids of steps that stand before this one in the plan.
    closing: bool = False  # Makes its phase durable: if it fails, the phase counts as failed.
    does: str = field(init=False, repr=False, compare=False)  # The operation in its own words.

    def __post_init__(self) -> None:
        # A plan's id, its document and the journal all say it, and of thousands.
        object.__setattr__(self, "does", str(self.operation))
