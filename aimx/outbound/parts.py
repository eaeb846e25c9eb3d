"""What the body of a submission holds: a text, and attachments."""

from __future__ import annotations

import re
from dataclasses import dataclass

import fast_mail_parser
from fast_mail_parser import ParseError, PyMimePart

from aimx.outbound.header import CHARSETS
from aimx.outbound.refusal import malformed
from aimx.outbound.submission import Submission

MOST_ATTACHMENTS = 200
LONGEST_NAME = 200  # Octets.

_TEXT = frozenset({"text/plain", "text/markdown"})
_ANY_TYPE = "application/octet-stream"
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,100}"  # noqa: S105
_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}")
_PARAMETER = re.compile(rf';[ \t]*({_TOKEN})=({_TOKEN}|"[A-Za-z0-9 ._:/+-]{{0,100}}")')
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with the text."""

    name: str  # Without a directory; empty where the author gave none.
    content_type: str  # With its parameters, the name apart.
    content: bytes
    content_id: str = ""  # What `cid:` links of a supplied HTML point to; no brackets.


@dataclass(frozen=True, slots=True)
class Parts:
    """The body, taken apart."""

    text: str  # Lines end in LF.
    attachments: tuple[Attachment, ...] = ()


def parts(submission: Submission) -> Parts:
    """Take the body apart; raises `SubmissionError`."""
    try:
        whole = fast_mail_parser.parse_email_tree(_entity(submission))
    except ParseError as cause:
        raise malformed(f"the body cannot be read: {cause}") from cause
    if whole.content_type != "multipart/mixed":
        return Parts(_text(whole))
    if not whole.children:
        raise malformed("multipart/mixed without parts: is its boundary the right one?")
    first, *rest = whole.children
    if len(rest) > MOST_ATTACHMENTS:
        raise malformed(f"{len(rest)} attachments, where {MOST_ATTACHMENTS} are allowed")
    return Parts(_text(first), tuple(map(_attachment, rest)))


def _entity(submission: Submission) -> bytes:
    """What is said about the content, and the content. Nothing else is for the MIME parser."""
    fields = [
        f"{field.name}: {field.value}\r\n".encode()
        for field in submission.fields
        if field.name.lower() in ("content-type", "content-transfer-encoding")
    ]
    return b"".join([*fields, b"\r\n", submission.body])


def _text(part: PyMimePart) -> str:
    if part.content_type not in _TEXT or part.content is None:
        raise malformed(
            f"the text is {part.content_type}: send text/plain in Markdown, alone or as the"
            " first part of multipart/mixed"
        )
    charset = _parameters(part).get("charset", "utf-8").strip('"').lower()
    if charset not in CHARSETS:
        raise malformed("the text's charset is not one that is read here: send UTF-8")
    try:
        # RFC 2046 4.1.2: ASCII is what a client says that did not think of it. UTF-8 holds it.
        text = part.content.decode("utf-8" if "ascii" in charset else charset)
    except UnicodeDecodeError:
        raise malformed(f"the text is not {charset}") from None
    # CommonMark 2.3: a NUL is shown as U+FFFD.
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def _attachment(part: PyMimePart) -> Attachment:
    if part.content is None:
        raise malformed(f"an attachment is {part.content_type}: only the whole may have parts")
    content_id = part.content_id or ""
    return Attachment(
        name=_file_name(part.filename),
        content_type=_content_type(part),
        content=part.content,
        content_id=content_id if _CONTENT_ID.fullmatch(content_id) else "",
    )


def _file_name(name: str) -> str:
    last = _UNSAFE.sub("_", re.split(r"[/\\]", name)[-1])
    return last.encode(errors="replace")[-LONGEST_NAME:].decode(errors="ignore")


def _content_type(part: PyMimePart) -> str:
    """The type and the parameters that can be carried as they are."""
    # RFC 2046 5.2.1 forbids to encode a message, and unencoded it might not survive the way.
    if not _TYPE.fullmatch(part.content_type) or part.content_type.startswith("message/"):
        return _ANY_TYPE
    kept = [
        f"; {name}={value}"
        for name, value in _parameters(part).items()
        if name not in ("name", "boundary")
    ]
    return part.content_type + "".join(kept[:4])


def _parameters(part: PyMimePart) -> dict[str, str]:
    value = next(
        (values[0] for name, values in part.headers.items() if name.lower() == "content-type"), ""
    )
    return {found[1].lower(): found[2] for found in _PARAMETER.finditer(value[:2000])}
