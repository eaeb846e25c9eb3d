"""What a mail exchanger to rehearse with says instead of accepting everything.

It goes by command; each answer is used once, in order, and after the last one all is well:

    {"RCPT": ["450 4.2.0 Greylisted"]}               the first recipient waits, the next does not
    {"RCPT": repeat("450 4.2.0 Greylisted")}         nobody ever gets in
    {"RCPT": ["550 5.1.1 No such user", OK]}         the first of two recipients is unknown
    {"MAIL": [...], "DATA": [...], "EHLO": [...], "STARTTLS": [...]}   likewise
    {"END": ["554 5.7.1 Spam"]}                      what it says to the final dot
    {"CONNECT": ["421 4.3.2 Too busy"]}              what it says to a connection
    {"END": [DISCONNECT]}, {"DATA": [DISCONNECT]}    it hangs up instead of answering
    {"CONNECT": [SILENCE]}                           it never says a word, as a slow banner does
    {"RCPT": ["AFTER 2.5 250 OK"]}                   it takes its time, in seconds
    {"STARTTLS": [GARBLED]}                          it agrees to TLS, and then speaks nonsense
    {"AUTH": ["535 5.7.8 Who are you?"]}             with "AUTH PLAIN" among the extensions
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

OK = "OK"  # As without a script.
DISCONNECT = "DISCONNECT"
SILENCE = "SILENCE"
GARBLED = "GARBLED"
AFTER = "AFTER "

_USUAL = {
    "CONNECT": "220 exchanger.test ESMTP",
    "AUTH": "235 2.7.0 Come in",
    "MAIL": "250 2.1.0 OK",
    "RCPT": "250 2.1.5 OK",
    "DATA": "354 Go ahead",
    "END": "250 2.0.0 Kept",
    "STARTTLS": "220 2.0.0 Ready",
    "RSET": "250 2.0.0 OK",
    "QUIT": "221 2.0.0 Bye",
}


class Script:
    """The answers that are left."""

    def __init__(self, answers: Mapping[str, Iterable[str]]) -> None:
        self._left: dict[str, Iterator[str]] = {
            command: iter(several) for command, several in answers.items()
        }

    def answer(self, command: str, usual: str = "") -> str:
        """What is said to a command, once."""
        scripted = next(self._left.get(command, iter(())), OK)
        return (usual or _USUAL.get(command, "500 5.5.1 Unknown")) if scripted == OK else scripted
