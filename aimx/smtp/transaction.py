"""One message on its way in: everything that RSET forgets (RFC 5321 4.1.1.5)."""

from __future__ import annotations

import structlog
from aiosmtpd.smtp import Envelope

from aimx.channel import trace
from aimx.smtp import replies
from aimx.smtp.arguments import Sender
from aimx.smtp.content import Content, Malformed
from aimx.smtp.replies import Reply
from aimx.smtp.spool import Spool
from aimx.snapshot import Limits, Route, Snapshot, Unrouted

log = structlog.get_logger()


class Transaction(Envelope):
    """aiosmtpd's envelope with what it leads to, under the snapshot that MAIL found."""

    def __init__(self, snapshot: Snapshot, sender: Sender) -> None:
        super().__init__()
        self.snapshot = snapshot
        self.trace = trace.fresh()
        self.sender = self.mail_from = sender.address
        self.smtp_utf8 = sender.utf8
        self.routes: list[tuple[str, Route]] = []
        self._put_off: set[Reply] = set()  # What some recipients were told to come later with.

    def add(self, recipient: str) -> Reply:
        """Take one more recipient, or say why not."""
        # RFC 5321 4.5.3.1.10: 452 and not 552, so that the client sends the message again for the
        # others instead of giving up on them.
        if len(self.routes) >= self.snapshot.limits.recipients:
            return replies.TOO_MANY_RECIPIENTS
        route = self.snapshot.route(recipient)
        if route is Unrouted.FOREIGN:
            return replies.RELAYING
        if route is Unrouted.UNKNOWN:
            return replies.unknown_recipient(recipient)
        if route.uid is None:
            return replies.OWNER_MISSING
        self.rcpt_tos.append(recipient)
        self.routes.append((recipient, route))
        return replies.RECIPIENT_OK

    def is_news(self, outcome: Reply) -> bool:
        """Whether the log is to have what a recipient was told.

        A session ends after some errors. What is none has no end: one line stands for all that
        were put off with the same words.
        """
        if outcome.accepts or outcome in self._put_off:
            return False
        if outcome.code < 500:
            self._put_off.add(outcome)
        return True


class Arrival:
    """The content of a transaction while it comes in; to be closed, whatever becomes of it."""

    __slots__ = ("_content", "_failed", "_spool")

    def __init__(self, limits: Limits, directory: int) -> None:
        self._content = Content(limits.message_size, limits.text_line)
        self._spool = Spool(directory)
        self._failed = False

    @property
    def refusal(self) -> Reply | None:
        """What is to be said at the end instead of keeping the message."""
        return self._content.refusal or (replies.STORAGE_FULL if self._failed else None)

    @property
    def on_disk(self) -> int:
        """Octets that wait on disk; 0 where it is all in memory."""
        return self._spool.on_disk

    def feed(self, block: bytes) -> bytes | Malformed | None:
        """Take what arrived; gives what came behind the end, None while the end is not there."""
        piece = self._content.feed(block)
        if isinstance(piece, Malformed):
            return piece
        if self.refusal is None:
            self._keep(piece.text)
        else:
            self._spool.close()
        return piece.rest

    def content(self, most: int = -1) -> bytes:
        """All of it, or no more than so many octets from its beginning."""
        return self._spool.content(most)

    def close(self) -> None:
        self._spool.close()

    def _keep(self, text: bytes) -> None:
        try:
            self._spool.keep(text)
        except OSError as failure:
            self._failed = True
            log.error("spool failed", reason=failure.strerror)
            self._spool.close()
