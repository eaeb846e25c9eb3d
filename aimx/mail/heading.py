"""What a message's header says, decoded once for people and programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from aimx.mail import addresses, dates, parameters, words
from aimx.mail.header import Header

NO_SUBJECT = "(no subject)"

_ID = re.compile(rb"<([^<>]+)>")
_LIST_ID = re.compile(r"<([^<>]*)>\s*\Z")


class Heading(NamedTuple):
    """Empty text: the header does not say."""

    message_id: str  # Without brackets, as all ids.
    thread_id: str
    author: str  # The From field; all of them, should there be several.
    to: str
    cc: str
    reply_to: str
    subject: str
    date: str  # RFC 3339.
    in_reply_to: str
    references: str  # The whole chain, separated by spaces.
    list_id: str
    auto_submitted: str


def heading(fields: Header, moment: datetime, digest: bytes) -> Heading:
    """The date is `moment` where the header has none that can be read."""
    message_ids = ids(fields.values("message-id")[:1])
    in_reply_to = ids(fields.values("in-reply-to"))
    references = ids(fields.values("references"))
    return Heading(
        message_id="".join(message_ids[:1]),
        thread_id=thread_id((*references, *in_reply_to, *message_ids), digest),
        author=addresses.shown(fields.values("from")),
        to=addresses.shown(fields.values("to")),
        cc=addresses.shown(fields.values("cc")),
        reply_to=addresses.shown(fields.values("reply-to")),
        subject=_subject(fields) or NO_SUBJECT,
        date=dates.rfc3339(dates.likely(fields.text("date")) or moment),
        in_reply_to=" ".join(in_reply_to),
        references=" ".join(references),
        list_id=_list_id(fields.text("list-id")),
        auto_submitted=fields.text("auto-submitted"),
    )


def _subject(fields: Header) -> str:
    """What is not encoded is in the text's charset, as far as anybody can tell."""
    value = fields.value("subject")
    if value.isascii():
        return words.text(value)
    declared = parameters.read(fields.value("content-type")).parameters
    return words.text(value, declared.get("charset", ""))


def ids(values: Sequence[bytes]) -> tuple[str, ...]:
    """RFC 5322 3.6.4: the ids in the fields, without brackets; words where nobody wrote any."""
    if not values:
        return ()
    found: list[str] = []
    for value in values:
        # Who has no id to tell writes "<>", and is no relative of others that do.
        marked = _ID.findall(value) or value.replace(b"<>", b" ").split()
        found += ["".join(words.text(one).split()) for one in marked]
    return tuple(filter(None, found))


def thread_id(chain: Sequence[str], digest: bytes) -> str:
    """The same for all messages with one root: the first of the chain.

    A message without any id is a thread of its own, named after its digest.
    """
    root = sha256(chain[0].encode()).digest() if chain else digest
    return root[:8].hex()


def _list_id(text: str) -> str:
    """RFC 2919 3: the id is in angle brackets, after a description."""
    found = _LIST_ID.search(text) if text else None
    return found[1].strip() if found else text
