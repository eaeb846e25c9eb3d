"""What may follow what in a session, as a table to be held against RFC 5321 4.1.4."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from aimx.smtp.replies import HELLO_FIRST, MAIL_FIRST, MAIL_GIVEN, RCPT_FIRST, Reply


class State(Enum):
    """Where a session stands between two commands."""

    GREETED = auto()  # The client has connected, or begun TLS, and not said who it is.
    READY = auto()  # EHLO or HELO is done; no transaction is open.
    SENDER = auto()  # MAIL is done.
    RECIPIENTS = auto()  # At least one RCPT is done.

    # An enumeration's own is Python, and asked for at each command.
    __hash__ = object.__hash__


# Where each command leads once it was accepted, or the reply that it gets there. A command that
# is not in the table comes at any time and leads nowhere.
_NEXT: Mapping[bytes, Mapping[State, State | Reply]] = {
    b"EHLO": dict.fromkeys(State, State.READY),
    b"HELO": dict.fromkeys(State, State.READY),
    b"MAIL": {
        State.GREETED: HELLO_FIRST,
        State.READY: State.SENDER,
        State.SENDER: MAIL_GIVEN,
        State.RECIPIENTS: MAIL_GIVEN,
    },
    b"RCPT": {
        State.GREETED: HELLO_FIRST,
        State.READY: MAIL_FIRST,
        State.SENDER: State.RECIPIENTS,
        State.RECIPIENTS: State.RECIPIENTS,
    },
    b"DATA": {
        State.GREETED: HELLO_FIRST,
        State.READY: MAIL_FIRST,
        State.SENDER: RCPT_FIRST,
        State.RECIPIENTS: State.READY,
    },
    b"RSET": {**dict.fromkeys(State, State.READY), State.GREETED: State.GREETED},
    # RFC 3207 4.2: the client must say again who it is. Between MAIL and DATA it has no place.
    b"STARTTLS": {
        State.GREETED: State.GREETED,
        State.READY: State.GREETED,
        State.SENDER: MAIL_GIVEN,
        State.RECIPIENTS: MAIL_GIVEN,
    },
}


def follow(verb: bytes, state: State) -> State | Reply:
    """Where an accepted command leads, or why it may not come now."""
    row = _NEXT.get(verb)
    return state if row is None else row[state]
