"""MIME entities: a text, its HTML, and attachments as bytes that every relay passes unchanged.

Lines end in CRLF and have at most 998 octets, all of them ASCII (RFC 5322 2.1.1, RFC 2045).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from urllib.parse import quote

from aimx.outbound import header
from aimx.outbound.body import Attachment


def entity(text: str, html: str | None, attachments: Sequence[Attachment]) -> bytes:
    """Content fields, a blank line, and the body. Texts have LF line ends."""
    boundary = _boundary(text, html or "", *(attachment.content for attachment in attachments))
    content = _text("plain", text)
    if html is not None:
        content = _multipart("alternative", [content, _text("html", html)], f"{boundary}-a")
    if attachments:
        content = _multipart("mixed", [content, *map(_attached, attachments)], f"{boundary}-m")
    return content


def _boundary(*contents: str | bytes) -> str:
    """No content holds its own digest, whoever wrote it."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content.encode() if isinstance(content, str) else content)
    return f"aimx-{digest.hexdigest()[:32]}"


def _multipart(kind: str, entities: Sequence[bytes], boundary: str) -> bytes:
    opening = header.field("Content-Type", f'multipart/{kind}; boundary="{boundary}"')
    delimiter = f"--{boundary}".encode()
    parts = [delimiter + b"\r\n" + part for part in entities]
    # RFC 2046 5.1.1: the CRLF before a delimiter belongs to it.
    return b"\r\n".join([opening, *parts, delimiter + b"--\r\n"])


def _text(kind: str, text: str) -> bytes:
    lines = text.removesuffix("\n").split("\n")
    content = "\r\n".join([*lines, ""]).encode()
    is_plain = text.isascii() and max(map(len, lines)) <= header.LONGEST_LINE
    if not is_plain:
        content = binascii.b2a_qp(content, istext=True)
    return b"".join(
        [
            header.field("Content-Type", f"text/{kind}; charset=utf-8"),
            header.field("Content-Transfer-Encoding", "7bit" if is_plain else "quoted-printable"),
            b"\r\n",
            content,
        ]
    )


def _attached(attachment: Attachment) -> bytes:
    encoded = base64.encodebytes(attachment.content).replace(b"\n", b"\r\n")
    return b"".join(
        [
            header.field("Content-Type", attachment.content_type),
            header.field("Content-Transfer-Encoding", "base64"),
            header.field("Content-Disposition", _disposition(attachment.name)),
            b"\r\n",
            encoded,
        ]
    )


def _disposition(name: str) -> str:
    if not name:
        return "attachment"
    if name.isascii() and '"' not in name:
        return f'attachment; filename="{name}"'
    # RFC 2231 4.
    return f"attachment; filename*=utf-8''{quote(name, safe='')}"
