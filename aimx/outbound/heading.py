"""The header of an outgoing message: what it says, and its fields as they will be signed.

A field that RFC 5322 3.6 allows once and that stands twice is refused: readers and verifiers
would disagree on which one counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from email.utils import format_datetime

from aimx.mail import dates, words
from aimx.mail.addresses import Correspondent
from aimx.outbound import header
from aimx.outbound.addresses import everyone, is_international, one, written
from aimx.outbound.refusal import malformed
from aimx.outbound.submission import Field, Submission
from desired.frozen import frozen

# RFC 5321 4.5.3.1.8: as many as every host takes with one message.
MOST_RECIPIENTS = 100

# Made anew, or not for others to see, or (RFC 5321 4.4) not for us to write.
_DROPPED = frozenset(
    {"bcc", "resent-bcc", "return-path", "sender", "mime-version", "dkim-signature"}
)
_PEOPLE = frozenset({"from", "to", "cc", "reply-to"})
_PARENTS = frozenset({"in-reply-to", "references"})
_ASCII = frozenset({"message-id", "in-reply-to", "references", "date"})
# RFC 5322 3.6.4, without looking closer at the characters on both sides of the first @.
_ID = re.compile(r"<([!-;=?A-~]+@[!-;=?-~]+)>")
_LONGEST_ID = 250  # Of ours.
_PARENT = re.compile(rf"\([^()]*\)|{_ID.pattern}")  # Or a comment.


@frozen
class Heading:
    """What a message says about itself. Ids are without brackets."""

    author: Correspondent
    to: tuple[Correspondent, ...]
    cc: tuple[Correspondent, ...]
    bcc: tuple[Correspondent, ...]
    reply_to: tuple[Correspondent, ...]
    subject: str
    message_id: str
    date: datetime
    in_reply_to: str
    references: tuple[str, ...]
    fields: bytes  # With CRLF after each; those of MIME are not among them.

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everyone who gets it, once."""
        everyone = [*self.to, *self.cc, *self.bcc]
        return tuple({box.address.lower(): box.address for box in everyone}.values())

    @property
    def is_international(self) -> bool:
        """Whether an address that it shows needs SMTPUTF8 (RFC 6531), whoever gets it."""
        shown = (self.author, *self.to, *self.cc, *self.reply_to)
        return any(map(is_international, shown))


def heading(
    submission: Submission,
    *,
    domains: Sequence[str],
    now: datetime,
    message_id: Callable[[str], str],
) -> Heading:
    """Read the header and write it anew; raises `SubmissionError`.

    `message_id` is asked with the author's domain where the submission has none.
    """
    author = submission.author(domains)
    to, cc, bcc, reply_to = (
        everyone(name, submission.value(name)) for name in ("To", "Cc", "Bcc", "Reply-To")
    )
    _check_recipients(to, cc, bcc)
    _check_sender(submission.value("Sender"), author)
    given = submission.value("Message-ID")
    own = _id(given) if given else message_id(author.domain)
    date = submission.value("Date")
    added = [] if date else [Field("Date", format_datetime(now))]
    added += [] if given else [Field("Message-ID", f"<{own}>")]
    return Heading(
        author=author,
        to=to,
        cc=cc,
        bcc=bcc,
        reply_to=reply_to,
        subject=words.text(submission.value("Subject").encode()),
        message_id=own,
        date=_date(date) if date else now,
        in_reply_to=next(iter(_ids("In-Reply-To", submission)), ""),
        references=_ids("References", submission),
        fields=b"".join(_lines([*submission.fields, *added], author)),
    )


def _check_recipients(*lists: Sequence[Correspondent]) -> None:
    if not lists[0]:
        raise malformed("no recipient in To")
    if sum(map(len, lists)) > MOST_RECIPIENTS:
        raise malformed(f"more than {MOST_RECIPIENTS} recipients")


def _check_sender(text: str, author: Correspondent) -> None:
    """RFC 5322 3.6.2: Sender tells who sends for the author; here that is always the author."""
    if text:
        sender = one("Sender", text, author.domain)
        if sender.address.lower() != author.address.lower():
            raise malformed("Sender is not the address in From: leave it out")


def _id(text: str) -> str:
    found = _ID.fullmatch(text)
    if not found or len(found[1]) > _LONGEST_ID:
        raise malformed("Message-ID is not one id in angle brackets")
    return found[1]


def _ids(name: str, submission: Submission) -> tuple[str, ...]:
    """The messages that this one answers."""
    text = submission.value(name)
    if _PARENT.sub("", text).strip(" \t"):
        raise malformed(
            f"{name} is not a list of message ids like <left@right> (RFC 5322 3.6.4):"
            " copy the ids as they stand in the message that is answered, or leave it out"
        )
    return tuple(filter(None, _PARENT.findall(text)))


def _date(text: str) -> datetime:
    found = dates.read(text)
    if found is None:
        raise malformed("Date is not a date as RFC 5322 3.3 writes it: leave it out")
    return found


def _lines(fields: Sequence[Field], author: Correspondent) -> Iterator[bytes]:
    for field in fields:
        name = field.name.lower()
        if name in _DROPPED or name.startswith("content-"):
            continue
        value = _value(name, field, author)
        # RFC 5322 3.6.3, 3.6.4: a list of addresses is not empty, nor one of ids.
        if value or name not in _PEOPLE | _PARENTS:
            yield header.field(field.name, value)


def _value(name: str, field: Field, author: Correspondent) -> str:
    if name == "from":
        return written(author)
    if name in _PEOPLE:
        return ", ".join(map(written, everyone(field.name, field.value)))
    if name in _ASCII and not field.value.isascii():
        raise malformed(f"{field.name} holds characters outside ASCII")
    return header.unstructured(field.value)
