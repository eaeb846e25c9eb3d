"""What a host's refusal, or whatever else goes wrong with it, says of the message."""

from __future__ import annotations

import os
import ssl
from dataclasses import replace

from aiosmtplib import SMTPConnectError, SMTPException, SMTPResponseException

from aimx.outbound.outcome import Deferred, Failed, Outcome
from aimx.outbound.session import NoTlsError, Peer

# ValueError: what a host says of itself may be beyond what the library reads.
TROUBLE = (SMTPException, OSError, ValueError)
_LONGEST_REPLY = 300  # Characters of it that are told on.


class UnableError(SMTPException):
    """The host cannot take the message, by what it said of itself."""


def outcome_of(peer: Peer, trouble: Exception) -> Outcome:
    """RFC 5321 4.2.1: 5yz is for good, anything else may change."""
    reason = f"{peer.host}: {said(trouble)}"
    match trouble:
        case UnableError():
            return Failed(reason, elsewhere=True)
        case SMTPResponseException(code=code) if 500 <= code <= 599:
            return Failed(reason)
        case _:
            return Deferred(reason)


def unmet(outcome: Outcome) -> Outcome:
    """The same of a host that nobody has told of the message."""
    match outcome:
        case Deferred():
            return replace(outcome, unreached=True)
        case Failed():
            return replace(outcome, elsewhere=True)
        case _:
            return outcome


def is_reply(trouble: Exception) -> bool:
    """Whether the host and we still agree on who speaks next.

    Who neither agrees nor refuses may answer something else, and be a reply behind, or take for
    content what is said next.
    """
    if isinstance(trouble, SMTPResponseException):
        return 400 <= trouble.code <= 599
    return isinstance(trouble, UnableError)


def said(trouble: Exception) -> str:
    match trouble:
        case NoTlsError(cause=cause):
            return said(cause)
        case SMTPResponseException(code=code, message=message) if code > 0:
            return f"{code} {line(message)}"
        case SMTPResponseException(message=message):
            return line(message)  # No reply as there should be one.
        case TimeoutError():
            return "timed out"
        case SMTPConnectError(__cause__=Exception() as cause):
            return said(cause)  # It tells of a port that it was not given.
        case ssl.SSLError(reason=str(reason)):
            return f"TLS: {reason}"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case _:
            return line(str(trouble)) or type(trouble).__name__


def line(text: str) -> str:
    """What a stranger said, on one line that can do no harm."""
    plain = text.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else " " for c in plain)[:_LONGEST_REPLY].strip()
