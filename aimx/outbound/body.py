"""The body of a submission: a text, and attachments."""

from __future__ import annotations

import re

from aimx.mail import charsets, filenames, parts
from aimx.mail import header as reading
from aimx.mail.parts import Part, TooComplexError
from aimx.outbound.refusal import malformed
from aimx.outbound.submission import Submission
from desired.frozen import frozen

MOST_ATTACHMENTS = 200

_TEXT = frozenset({"text/plain", "text/markdown"})
_ANY_TYPE = "application/octet-stream"
_PARAMETER_NAME = re.compile(r"[a-z0-9_-]{1,40}")
_PARAMETER_VALUE = re.compile(r"[A-Za-z0-9 ._:/+-]{1,100}")
_MOST_PARAMETERS = 4


@frozen
class Attachment:
    """A file that goes with the text."""

    name: str  # Safe to show and to open; empty where the author gave none.
    content_type: str  # With its parameters, the name apart.
    content: bytes


@frozen
class Body:
    """What is sent, before it is written as MIME."""

    text: str  # Lines end in LF.
    attachments: tuple[Attachment, ...] = ()


def body(submission: Submission) -> Body:
    """Take the body apart; raises `SubmissionError`."""
    entity = _entity(submission)
    try:
        whole = parts.read(entity, reading.read(entity))
    except TooComplexError as fault:
        raise malformed(str(fault)) from fault
    if whole.content_type != "multipart/mixed":
        return Body(_text(whole))
    first, *rest = whole.children
    if len(rest) > MOST_ATTACHMENTS:
        raise malformed(f"{len(rest)} attachments, where {MOST_ATTACHMENTS} are allowed")
    return Body(_text(first), tuple(map(_attachment, rest)))


def _entity(submission: Submission) -> bytes:
    """What is said about the content, and the content. Nothing else is for the MIME parser."""
    fields = [
        f"{field.name}: {field.value}\r\n".encode()
        for field in submission.fields
        if field.name.lower() in ("content-type", "content-transfer-encoding")
    ]
    return b"".join([*fields, b"\r\n", submission.body])


def _text(part: Part) -> str:
    if part.content_type not in _TEXT or part.is_multipart:
        raise malformed(
            f"the text is {part.content_type}: send text/plain in Markdown, alone or as the"
            " first part of multipart/mixed"
        )
    if "boundary" in part.parameters:
        raise malformed("a multipart without parts: is its boundary the right one?")
    text = _decoded(part, charsets.codec(part.parameters.get("charset", "utf-8")))
    # CommonMark 2.3: a NUL is shown as U+FFFD.
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def _decoded(part: Part, codec: str | None) -> str:
    if codec is None:
        raise malformed("the text's charset is not one that is read here: send UTF-8")
    try:
        # RFC 2046 4.1.2: ASCII is what a client says that did not think of it. UTF-8 holds it.
        text = _octets(part).decode("utf_8" if codec == "ascii" else codec)
    except UnicodeError:
        raise malformed(f"the text is not {codec}") from None
    return charsets.whole(text)


def _attachment(part: Part) -> Attachment:
    if part.is_multipart:
        raise malformed(f"an attachment is {part.content_type}: only the whole may have parts")
    return Attachment(filenames.safe(part.name), _content_type(part), _octets(part))


def _octets(part: Part) -> bytes:
    decoded = part.decoded()
    if decoded.damaged:
        raise malformed("a part's base64 ends early, or has other characters in it")
    return decoded.octets


def _content_type(part: Part) -> str:
    """The type, and the parameters that can be carried as they are."""
    # RFC 2046 5.2.1 forbids to encode a message, and unencoded it might not survive the way.
    if part.content_type.startswith("message/"):
        return _ANY_TYPE
    kept = [
        f'; {name}="{value}"'
        for name, value in part.parameters.items()
        if name not in ("name", "boundary")
        and _PARAMETER_NAME.fullmatch(name)
        and _PARAMETER_VALUE.fullmatch(value)
    ]
    return part.content_type + "".join(kept[:_MOST_PARAMETERS])
