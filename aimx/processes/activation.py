"""How the running processes come to a new generation: all prepare, then all swap."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from aimx.channel.control import (
    Commit,
    Committed,
    Drop,
    Logging,
    OutboundSecrets,
    Prepare,
    Prepared,
    Refused,
)
from aimx.channel.packets import close_all
from aimx.channel.sealed import sealed
from aimx.controller.compiled import Compiled
from aimx.processes.secret import secret
from aimx.processes.worker import Worker, WorkerGoneError
from desired.frozen import frozen

# How long a process may take to load and probe a snapshot, and to swap to it, in seconds.
PREPARE_SECONDS = 10.0
COMMIT_SECONDS = 5.0

log = structlog.get_logger()


class RefusedError(Exception):
    """A process cannot run on the new generation; the one before goes on."""


@frozen
class Parcel:
    """What one role gets of a generation."""

    generation: int
    snapshot: bytes
    secrets: bytes

    @contextmanager
    def sealed(self) -> Iterator[Sequence[int]]:
        """The descriptors to send, closed afterwards."""
        descriptors = [sealed(self.snapshot)]
        try:
            descriptors.append(sealed(self.secrets))
            yield descriptors
        finally:
            close_all(descriptors)


def parcel(role: str, compiled: Compiled) -> Parcel:
    """Each role its part: DKIM keys for outbound alone, the TLS key for inbound alone."""
    if role == "outbound":
        secrets = OutboundSecrets(compiled.told_keys, secret(compiled.relay_password)).to_bytes()
    else:
        secrets = compiled.certificate or b""
    return Parcel(compiled.snapshot.id.generation, compiled.told, secrets)


def logging(compiled: Compiled) -> Logging:
    return Logging(compiled.log.level, compiled.log.format)


async def prepare(worker: Worker, compiled: Compiled) -> None:
    """Load the generation aside; raises `RefusedError`, or `WorkerGoneError` where it died."""
    parts = parcel(worker.role, compiled)
    with parts.sealed() as descriptors:
        message = Prepare(parts.generation, logging(compiled))
        answer = await worker.ask(message, descriptors, PREPARE_SECONDS)
    match answer:
        case Prepared():
            return
        case Refused(reason):
            raise RefusedError(f"{worker.role} cannot run on the new generation: {reason}")
        case _:
            raise WorkerGoneError(f"{worker.role} answered something else")


async def commit(worker: Worker) -> None:
    """Swap to what it prepared; raises `WorkerGoneError`."""
    if not isinstance(await worker.ask(Commit(), (), COMMIT_SECONDS), Committed):
        raise WorkerGoneError(f"{worker.role} answered something else")


async def drop(workers: Sequence[Worker]) -> None:
    """Whatever they have prepared is forgotten."""
    told = await asyncio.gather(
        *(worker.tell(Drop()) for worker in workers), return_exceptions=True
    )
    for outcome in told:
        if isinstance(outcome, BaseException):
            log.warning("process was gone already", reason=str(outcome))
