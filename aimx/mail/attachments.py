"""A document's files, under the names that they get beside a message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote

from aimx.mail import filenames
from aimx.mail.mime import Document
from desired.frozen import frozen

MOST = 200  # Files beside a message, each of them an open descriptor on its way there.


# Where Markdown points to a part of the message (RFC 2392).
_CID = re.compile(r"\]\(cid:([^\s()<>]{1,250})(?=[\s)])")
_BREAKS_A_LINK = re.compile(r"[\s()<>]")


@frozen
class Attachment:
    """A file beside the message."""

    name: str  # Safe to create, and no other of the message is called so.
    content_type: str
    content: bytes


def attachments(document: Document, *, room: int = MOST) -> tuple[Attachment, ...]:
    """The document's files under the names that they get, as many as there is room for."""
    if not document.files:
        return ()
    kept = document.files[:room]
    names = filenames.distinct(file.name for file in kept)
    return tuple(
        Attachment(name, file.content_type, file.content)
        for name, file in zip(names, kept, strict=True)
    )


def body(document: Document, *, room: int = MOST) -> bytes:
    """The text, and below it what became of what is not in it."""
    text = _linked(document, room)
    for note in _notes(document, room):
        text += f"\n[{note}.]\n" if text else f"[{note}.]\n"
    return text.encode("utf-8", "replace")


def _linked(document: Document, room: int) -> str:
    """The text, which calls each file beside it by its name."""
    if not document.files or "](cid:" not in document.body:
        return document.body
    kept = document.files[:room]
    names = filenames.distinct(file.name for file in kept)
    found = {file.content_id: name for file, name in zip(kept, names, strict=True)}

    def link(cid: re.Match[str]) -> str:
        name = found.get(unquote(cid[1]))
        return cid[0] if name is None else f"]({_destination(name)}"

    return _CID.sub(link, document.body)


def _destination(name: str) -> str:
    """CommonMark 6.3."""
    if not _BREAKS_A_LINK.search(name):
        return name
    return "<" + name.replace("<", "\\<").replace(">", "\\>") + ">"


def _notes(document: Document, room: int) -> Iterable[str]:
    yield from document.notes
    if left_out := document.files[room:]:
        names = ", ".join(filenames.safe(file.name) or file.content_type for file in left_out)
        yield f"The message has {len(left_out)} more files, which were not kept: {names}"


def tables(kept: Sequence[Attachment]) -> list[Mapping[str, str | int]]:
    """The frontmatter's `[[attachments]]`; a path is relative to the message's file."""
    return [
        {
            "filename": attachment.name,
            "content_type": attachment.content_type,
            "size": len(attachment.content),
            "path": attachment.name,
        }
        for attachment in kept
    ]
