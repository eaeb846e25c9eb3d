"""Jobs about an instance, and what they may use.

A job is plain data, so that it can be done in a thread of this process or by another one; and what
comes of it is small, however large the manifest is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from aimx.controller.account import Account
from aimx.controller.instance import Instance
from aimx.controller.watched import UNWATCHED, Watched
from desired.frozen import frozen
from reconcilers.step import Activation
from reconcilers.unread import Count, uncounted

if TYPE_CHECKING:
    from aimx.controller.memory import Memory

R_co = TypeVar("R_co", covariant=True)


class Engagement(Activation, Protocol):
    """The running engine, as whoever applies sees it, also apart from a step."""

    def refresh(self) -> str:
        """It learns what is in no engine config: a key that is back, a new owner's uid.

        Gives why it cannot run on it; empty where it does. Raises `ReconcileError`.
        """


@frozen
class Workplace:
    """What a job may use."""

    instance: Instance
    engine: Engagement
    watched: Watched = UNWATCHED
    count: Count = uncounted
    is_served: bool = True  # By a daemon, which takes up what is applied.
    memory: Memory | None = None  # None: all is looked at each time.


class Job(Protocol[R_co]):
    """Something to do about an instance. What goes wrong in a way that is foreseen is a value."""

    def done(self, at: Workplace) -> R_co:
        """Do it, and tell what came of it."""


class Changed(Protocol):
    """What comes of a job that may change the instance."""

    @property
    def account(self) -> Account | None:
        """Of the apply, where there was one."""

    @property
    def refused(self) -> str:
        """Why the engine does not run on what it could run on; empty where it does."""
