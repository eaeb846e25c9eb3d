"""Every reply that we give, named once, with its RFC 3463 code."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from desired.frozen import field, frozen

# RFC 5321 4.5.3.1.5, without the line end.
_LONGEST_LINE = 510
# Replies to clients who come again: to make one takes longer than to send it.
_REMEMBERED = 256


@frozen
class Reply:
    """One reply; a text of several lines becomes a reply of several lines."""

    code: int
    enhanced: str  # RFC 2034 4: empty for the greeting, HELO and EHLO, and for what is no outcome.
    text: str
    encoded: bytes = field(init=False, compare=False, repr=False)  # As it goes over the wire.
    # The command was taken, so that the session moves on.
    accepts: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoded", b"".join(self._lines()))
        object.__setattr__(self, "accepts", self.code < 400)

    def __str__(self) -> str:
        return self.encoded.decode().rstrip("\r\n")

    def about(self, trace: str) -> Reply:
        """With what finds the message in our log."""
        return Reply(self.code, self.enhanced, f"{self.text} (reference {trace})")

    def _lines(self) -> Sequence[bytes]:
        *others, last = self.text.split("\n")
        lead = f"{self.enhanced} " if self.enhanced else ""
        # RFC 5321 4.2.1: a hyphen behind the code says that another line follows.
        more = [_line(f"{self.code}-{lead}{line}") for line in others]
        return [*more, _line(f"{self.code} {lead}{last}")]


def _line(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > _LONGEST_LINE:
        encoded = encoded[:_LONGEST_LINE].decode(errors="ignore").encode()
    return encoded + b"\r\n"


# Going on.

OK = Reply(250, "2.0.0", "OK")
SENDER_OK = Reply(250, "2.1.0", "OK")
RECIPIENT_OK = Reply(250, "2.1.5", "OK")
ACCEPTED = Reply(250, "2.0.0", "OK message accepted")
START_CONTENT = Reply(354, "", "Start mail input; end with <CRLF>.<CRLF>")
START_TLS = Reply(220, "2.0.0", "Ready to start TLS")
CANNOT_VERIFY = Reply(252, "2.0.0", "Cannot VRFY user, but will accept message for delivery")
HELP = Reply(214, "2.0.0", "Commands: EHLO HELO MAIL RCPT DATA RSET NOOP VRFY STARTTLS QUIT")
BYE = Reply(221, "2.0.0", "Bye")

# The end of the session, not by the client's wish.

TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Too many connections, try again later")
SERVER_BUSY = Reply(421, "4.3.2", "Service not available, try again later")
SHUTTING_DOWN = Reply(421, "4.3.2", "Service shutting down, try again later")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors")
IDLE_TIMEOUT = Reply(421, "4.4.2", "Idle timeout exceeded")
CONTENT_TIMEOUT = Reply(421, "4.4.2", "Timeout during DATA")
# RFC 7504 gives the code its meaning: nothing more will be accepted from this client here.
MALFORMED = Reply(521, "5.5.2", "Bare CR, bare LF or NUL: lines end in CRLF (RFC 5321 2.3.8)")
NOT_HTTP = Reply(521, "5.5.1", "This is a mail server")

# Not now.

OWNER_MISSING = Reply(450, "4.2.1", "Mailbox has no owner at present, try again later")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients")
NOT_KEPT = Reply(451, "4.3.0", "Temporary failure, please retry")
PARTLY_KEPT = Reply(451, "4.3.0", "Temporary failure on partial accept; please retry")
MAILBOX_FULL = Reply(452, "4.2.2", "Mailbox full")
MAILBOX_AWAY = Reply(451, "4.2.1", "Mailbox is not available at present, try again later")
POLICY_UNKNOWN = Reply(451, "4.7.0", "The DMARC policy could not be looked up, please retry")
STORAGE_FULL = Reply(452, "4.3.1", "Insufficient system storage")

# A command that is not one, or not of ours.

UNRECOGNIZED = Reply(500, "5.5.1", "Unrecognized command")
COMMAND_TOO_LONG = Reply(500, "5.5.2", "Line too long")
NOT_UTF8 = Reply(501, "5.5.2", "Command is not UTF-8")
NO_ARGUMENTS = Reply(501, "5.5.4", "Command takes no arguments")
EHLO_SYNTAX = Reply(501, "5.5.4", "EHLO requires domain argument")
HELO_SYNTAX = Reply(501, "5.5.4", "HELO requires domain argument")
MAIL_SYNTAX = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address>")
RCPT_SYNTAX = Reply(501, "5.5.4", "Syntax: RCPT TO:<address>")
VRFY_SYNTAX = Reply(501, "5.5.4", "Syntax: VRFY address")
BAD_SENDER = Reply(501, "5.1.7", "Sender address is malformed")
BAD_RECIPIENT = Reply(501, "5.1.3", "Recipient address is malformed")
BAD_PARAMETER = Reply(501, "5.5.4", "Parameter is malformed or repeated")
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "Parameter not recognized or not implemented")
NOT_OFFERED = Reply(502, "5.5.1", "Command not implemented")
TLS_NOT_OFFERED = Reply(502, "5.5.1", "STARTTLS not available")

# A command out of its order.

HELLO_FIRST = Reply(503, "5.5.1", "Send EHLO/HELO first")
MAIL_FIRST = Reply(503, "5.5.1", "Send MAIL FROM first")
MAIL_GIVEN = Reply(503, "5.5.1", "MAIL FROM already given")
RCPT_FIRST = Reply(503, "5.5.1", "Send RCPT TO first")
TLS_ACTIVE = Reply(503, "5.5.1", "TLS already active")

# A message or a recipient that is refused.

RELAYING = Reply(550, "5.7.1", "relay not permitted")
NO_AUTHOR = Reply(550, "5.7.1", "The From field must name one author (RFC 5322 3.6.2)")
TEXT_LINE_TOO_LONG = Reply(550, "5.6.0", "Text line too long")
TOO_LARGE = Reply(552, "5.3.4", "Message exceeds maximum size")
# RFC 6531 3.5: an address beyond ASCII, and MAIL did not say SMTPUTF8.
NEEDS_SMTPUTF8_SENDER = Reply(553, "5.6.7", "Sender address needs SMTPUTF8")
NEEDS_SMTPUTF8_RECIPIENT = Reply(553, "5.6.7", "Recipient address needs SMTPUTF8")


@lru_cache(_REMEMBERED)
def greeting(hostname: str) -> Reply:
    return Reply(220, "", f"{hostname} ESMTP aimx")


@lru_cache(_REMEMBERED)
def hello(hostname: str, client: str, extensions: tuple[str, ...] = ()) -> Reply:
    """The answer to EHLO, or without extensions to HELO."""
    return Reply(250, "", "\n".join((f"{hostname} Hello {client}", *extensions)))


def unknown_recipient(address: str) -> Reply:
    return Reply(550, "5.1.1", f"<{address}>: Recipient address rejected: User unknown")


def rejected_by_policy(domain: str) -> Reply:
    """RFC 7372 3.2: neither SPF nor DKIM vouches, and the domain asks to refuse such mail."""
    return Reply(550, "5.7.26", f"Refused, as the DMARC policy of {domain} asks (RFC 9989)")


# Something of ours broke. The log has more under a reference.
INTERNAL_ERROR = Reply(451, "4.3.0", "Internal error, try again later")
