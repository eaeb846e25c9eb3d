"""Which inbound process takes the next client, and how many one may have."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

from aimx.processes.privileges import open_files
from aimx.processes.worker import Worker

_ENOUGH = 16  # Connections that keep a worker busy.


def next_to_serve(candidates: Iterable[Worker]) -> Worker | None:
    """Who takes the next client: one worker until it has enough to do, then the least busy.

    Waking two processes for what one could do costs more than it gains. Nobody is given a client
    whose connection it could not take over for want of descriptors: it would die of that, and with
    it all of its clients.
    """
    room = most_clients(open_files())
    having = [(worker.connections.total(), worker) for worker in candidates]
    having = sorted((each for each in having if each[0] < room), key=itemgetter(0))
    for clients, worker in reversed(having):
        if clients < _ENOUGH:
            return worker
    return having[0][1] if having else None


def most_clients(files: int) -> int:
    """How many clients a worker takes that may have so many files open.

    Each is a connection and perhaps a message in the spool; a quarter is for all else.
    """
    return files * 3 // 8
