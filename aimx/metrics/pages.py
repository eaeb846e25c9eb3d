"""A page that is ready, and which of them a request over HTTP gets (RFC 9112)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from desired.frozen import frozen

LONGEST_REQUEST = 8 * 1024  # Octets, up to the empty line.

_REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.([01])")
# RFC 9112 3.2.2: a server takes the whole address as well.
_ADDRESS = re.compile(rb"https?://[^/?]*", re.I)
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


@frozen
class Page:
    """What one path has to say."""

    path: str
    status: int
    text: str
    content_type: str = "text/plain; charset=utf-8"


BUSY = Page("", 503, "too many ask at once, or nobody is there to answer\n")
_MALFORMED = Page("", 400, "this is no request over HTTP/1.1\n")
_ABSENT = Page("", 404, "there are /metrics, /healthz and /readyz\n")
_READ_ONLY = Page("", 405, "GET and HEAD are all\n")


def answer(request: bytes, pages: Mapping[str, Page]) -> bytes:
    """The whole answer to a request's lines; the connection ends with it."""
    first, _, fields = request.partition(b"\r\n")
    found = _REQUEST.fullmatch(first)
    # RFC 9112 3.2: without Host it is malformed.
    if found is None or (found[3] == b"1" and not re.search(rb"(?im)^host:", fields)):
        return encoded(_MALFORMED)
    method, target = found[1], _ADDRESS.sub(b"", found[2], count=1)
    page = pages.get(target.partition(b"?")[0].decode("latin-1"), _ABSENT)
    if page is not _ABSENT and method not in (b"GET", b"HEAD"):
        page = _READ_ONLY
    return encoded(page, without_text=method == b"HEAD")


def encoded(page: Page, *, without_text: bool = False) -> bytes:
    text = page.text.encode()
    lines = [
        f"HTTP/1.1 {page.status} {_REASONS[page.status]}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(text)}",
        "Cache-Control: no-store",
        "Connection: close",
        *(("Allow: GET, HEAD",) if page is _READ_ONLY else ()),
    ]
    return "\r\n".join((*lines, "", "")).encode() + (b"" if without_text else text)
