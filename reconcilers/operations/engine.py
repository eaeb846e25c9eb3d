"""The engine: what it is asked for in the course of an apply."""

from __future__ import annotations

from desired.frozen import frozen
from reconcilers.step import Hands


@frozen
class Prepare:
    """Every process of the engine has this engine config aside, probed."""

    config: bytes

    def take(self, hands: Hands) -> None:
        hands.activation.prepare(self.config)

    def holds(self, hands: Hands) -> None:
        """Only the engine knows."""

    def __str__(self) -> str:
        return "prepare the engine"


@frozen
class Commit:
    """Every process of the engine runs what was prepared."""

    def take(self, hands: Hands) -> None:
        hands.activation.commit()

    def holds(self, hands: Hands) -> None:
        """Only the engine knows."""

    def __str__(self) -> str:
        return "swap the engine to it"
