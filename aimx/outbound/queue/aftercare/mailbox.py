"""What is owed to a mailbox on its way into it, by way of the placer."""

from __future__ import annotations

import structlog

from aimx.placing.client import NotPlaced, Placed, Placement, PlacingClient

log = structlog.get_logger()


class NotNowError(Exception):
    """A mailbox cannot be written to at the moment; says why."""


async def placed(placements: PlacingClient, placement: Placement) -> str:
    """Its stem; empty where the mailbox is gone. Raises `NotNowError`."""
    match await placements.place(placement):
        case Placed(stem):
            return stem
        case NotPlaced(reason, away=True):
            log.warning("mailbox is away", mailbox=placement.name, reason=reason)
            return ""
        case NotPlaced(reason):
            raise NotNowError(reason)
