"""A submission made into the message that will be signed and sent, and what is known about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum

from aimx.outbound import assembly, header, markdown
from aimx.outbound.body import Attachment, body
from aimx.outbound.heading import Heading, heading
from aimx.outbound.refusal import Code, SubmissionError, malformed
from aimx.outbound.submission import read
from desired.frozen import frozen


class Format(StrEnum):
    """What the recipient gets to see."""

    MARKDOWN = "markdown"  # The source, and HTML rendered from it.
    TEXT = "text"
    HTML = "html"  # The text, and HTML that the author supplied.


@frozen
class HandedIn:
    """What a caller hands in."""

    content: bytes
    html: bytes | None = None
    text_only: bool = False
    trace: str = ""  # What the log calls the message, in every process.

    @property
    def format(self) -> Format:
        if self.text_only:
            return Format.TEXT
        return Format.MARKDOWN if self.html is None else Format.HTML


@frozen
class Composed:
    """A message ready to be signed."""

    heading: Heading
    format: Format
    source: str  # The body as handed in, without the signature; lines end in LF.
    attachments: tuple[Attachment, ...]
    wire: bytes


def compose(
    handed_in: HandedIn,
    *,
    domains: Sequence[str],
    signature_for: Callable[[str], str],
    now: datetime,
    message_id: Callable[[str], str],
) -> Composed:
    """Make the message; raises `SubmissionError`.

    The first of `domains` is the default. `signature_for` and `message_id` are asked with the
    author's domain; the id comes without brackets.
    """
    submission = read(handed_in.content)
    head = heading(submission, domains=domains, now=now, message_id=message_id)
    content = body(submission)
    text = _with_signature(content.text, signature_for(head.author.domain))
    entity = assembly.entity(text, _html(handed_in, text), content.attachments)
    return Composed(
        heading=head,
        format=handed_in.format,
        source=content.text,
        attachments=content.attachments,
        wire=b"".join([head.fields, header.field("MIME-Version", "1.0"), entity]),
    )


def _with_signature(text: str, signature: str) -> str:
    return text.rstrip("\n") + "\n\n" + signature if signature else text


def _html(handed_in: HandedIn, text: str) -> str | None:
    match handed_in.format:
        case Format.TEXT:
            return None
        case Format.HTML:
            return _supplied(handed_in.html or b"")
        case Format.MARKDOWN:
            return _rendered(text)


def _supplied(html: bytes) -> str:
    try:
        return html.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise malformed("the HTML body is not UTF-8") from None


def _rendered(text: str) -> str:
    if len(text.encode()) > markdown.LARGEST_SOURCE:
        raise SubmissionError(
            Code.BODY_TOO_LARGE,
            "markdown body exceeds 5 MiB; use --html-body for pre-rendered large documents or"
            " --attachment for sending the document as a file",
        )
    return markdown.html(text)
