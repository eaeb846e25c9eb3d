"""An inbound process: SMTP sessions, MIME, verification, Markdown; it holds no mail and no key."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import sys
from contextlib import suppress

from aimx.channel.control import FROM_INBOUND, TO_INBOUND, Connection, Departures, Scrape
from aimx.channel.departures import Departing
from aimx.channel.packets import Channel, MalformedError, close_all
from aimx.mail import charsets
from aimx.placing.client import PlacingClient
from aimx.processes.answering import Answering
from aimx.processes.asking import Asking
from aimx.processes.lazy import DNS
from aimx.processes.post import Post, UnloadableError
from aimx.processes.start import Arrival, run, settle_in
from aimx.smtp.certificate import CertificateError, context
from aimx.smtp.greeter import Greeter
from aimx.smtp.reception import Reception
from aimx.smtp.replies import Reply
from aimx.smtp.service import Received, Service
from aimx.smtp.turn import Turn
from aimx.snapshot import Snapshot
from aimx.verify.caching import CachingResolver
from aimx.verify.judge import Judge
from desired.frozen import frozen

# How long sessions may take to come to an end when the process leaves, in seconds.
_DRAIN_SECONDS = 25.0
# Nearly everything dies young here; the rest need not be looked at often.
_COLLECT = (20_000, 50, 100)
# How long the thread that loads a generation may compute while a client waits; Python says 5 ms.
_TURN = 0.001  # Seconds.


@frozen
class Generation:
    """What a transaction runs on."""

    snapshot: Snapshot
    tls: ssl.SSLContext | None
    reception: Reception


class Inbound:
    """The sessions of one process."""

    def __init__(self, control: Channel, spool: int) -> None:
        self._placements = PlacingClient(spool)
        self._resolver = Asking()
        self._answering = Answering()
        self._departing: Departing | None = None  # There before the first client is.
        self._judge: tuple[CachingResolver, Judge] | None = None
        self._certificate: tuple[bytes, ssl.SSLContext] | None = None
        self._post: Post[Generation] = Post(
            control,
            speaks=FROM_INBOUND,
            understands=TO_INBOUND,
            load=self._load,
            placements=self._placements,
            heard=self._heard,
        )
        self._greeter = Greeter(
            Service(
                current=lambda: self._post.current.snapshot,
                tls=lambda: self._post.current.tls,
                receive=self._receive,
                closed=self._closed,
                spool=spool,
                foresee=self._foresee,
                turn=Turn(spool),
            )
        )

    async def run(self) -> None:
        """Serve until told to leave, then let sessions come to an end."""
        await self._post.arrived()
        waits = [asyncio.create_task(e.wait()) for e in (self._post.leaving, self._post.gone)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if self._post.gone.is_set():
            # At once: what is in hand has got no 250, and half a process could only stumble.
            os._exit(os.EX_OK)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._greeter.drain(), _DRAIN_SECONDS)
        await self._post.part()

    async def _receive(self, received: Received) -> Reply:
        return await self._post.current.reception.receive(received)

    async def _foresee(self, received: Received) -> None:
        await self._post.current.reception.foresee(received)

    def _load(self, snapshot: Snapshot, secrets: bytes) -> Generation:
        resolver = self._resolver.of(snapshot)
        if self._judge is None or self._judge[0] is not resolver:
            self._judge = resolver, Judge(resolver)
        reception = Reception(self._judge[1], self._placements)
        return Generation(snapshot, self._tls(secrets), reception)

    def _tls(self, pem: bytes) -> ssl.SSLContext | None:
        """The context of these bytes; one that is known is kept, with its session tickets."""
        if not pem:
            return None
        if self._certificate is None or self._certificate[0] != pem:
            try:
                self._certificate = pem, context(pem)
            except CertificateError as cause:
                raise UnloadableError(str(cause)) from cause
        return self._certificate[1]

    def _closed(self, peer: str) -> None:
        assert self._departing is not None
        self._departing.tell(peer)

    def _heard(
        self, message: Departures | Connection | Scrape, descriptors: tuple[int, ...]
    ) -> None:
        """Somebody was accepted by the supervisor, which also says where to tell who has left."""
        if len(descriptors) != 1:
            close_all(descriptors)
            raise MalformedError("a client comes with its connection, as the pipe does")
        match message:
            case Connection(peer):
                self._greeter.adopt(socket.socket(fileno=descriptors[0]), peer)
            case Scrape(pages):
                self._answering.adopt(socket.socket(fileno=descriptors[0]), pages)
            case Departures():
                self._departing = Departing(descriptors[0])


def main() -> None:
    run("inbound", serve)


def serve(arrival: Arrival) -> None:
    charsets.warm()
    settle_in(arrival, (*DNS, "idna"))
    asyncio.run(_serve(arrival))


async def _serve(arrival: Arrival) -> None:
    inbound = Inbound(arrival.channel("control"), arrival.descriptors["spool"])
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    sys.setswitchinterval(_TURN)
    await inbound.run()


if __name__ == "__main__":
    main()
