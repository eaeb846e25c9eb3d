"""A bounce as mail that came in: read, judged and placed like any other, for hooks as well."""

from __future__ import annotations

from aimx.hooks import received
from aimx.mail.author import author
from aimx.mail.envelope import Client, Envelope, Incoming
from aimx.mail.reading import read
from aimx.mail.stored import Judged, stored
from aimx.outbound.queue.aftercare.bounce import Undelivered, bounce
from aimx.placing.client import Placement
from aimx.snapshot import Route, Snapshot

_UNTRUSTED = "it is a bounce that was made here, and nobody signed it"


def returned(snapshot: Snapshot, route: Route, undelivered: Undelivered) -> Placement:
    """Into the inbox of its author."""
    to = undelivered.message.author
    envelope = Envelope("", (to,), Client("", snapshot.hostname))
    content = bounce(undelivered, snapshot.hostname)
    reading = read(Incoming(envelope, content, undelivered.at))
    trusts = route.trust != "none"
    judged = Judged(
        *("none", "none", "none"), "false" if trusts else "none", _UNTRUSTED if trusts else ""
    )
    copy = stored(reading, route, (to,), judged)
    choice = received.choice(snapshot.hooks_on("on_receive", route.mailbox), reading, judged)
    name = undelivered.message.id
    facts = received.facts(reading, judged, author(reading.incoming.header), name)
    return Placement(
        domain=route.domain,
        folder="inbox",
        name=route.folder,
        uid=route.uid or 0,
        base=copy.base,
        rest=copy.rest,
        attachments=copy.attachments,
        fingerprint=copy.fingerprint,
        due=received.due(choice, facts),
        trace=name,
    )
