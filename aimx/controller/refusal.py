"""Why nothing that somebody asked for was begun: after each of these nothing was written."""

from __future__ import annotations

from reconcilers.host.host import ReconcileError
from reconcilers.plan import Plan


class StaleError(Exception):
    """Something changed since the plan was made; nothing was written."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("the machine or the manifest changed since this plan was made")
        self.plan = plan  # What it is now.


class SpentError(Exception):
    """The saved plan was applied before; nothing was written."""


class MachineError(ReconcileError):
    """The machine lets nobody begin; nothing was written."""


class PinError(ReconcileError):
    """A generation cannot be gone back to, or what is pinned cannot be had; nothing is changed."""


class EditError(MachineError):
    """The manifest cannot be changed as somebody asked; it is as it was."""

    def __init__(self, told: str, code: str = "VALIDATION") -> None:
        super().__init__(told)
        self.code = code  # Which of the socket's says it.


class HinderedError(EditError):
    """What somebody asked for could be written down, and not be carried out; nothing was."""
