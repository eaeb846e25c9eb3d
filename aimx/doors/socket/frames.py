"""The frames of AIMX/1: bytes to requests, and replies to bytes.

AIMX/1 <VERB>\\n
<Name>: <value>\\n        zero or more
\\n
<Content-Length bytes>[<Html-Body-Length bytes>]
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from aimx.doors.events import LINE
from desired.frozen import frozen

MAX_LINE = 8192  # Octets, without the line end.
MAX_HEADERS = 64
MAX_BODY = 25 * 1024 * 1024
PREFIX = "AIMX/1 "


class Code(StrEnum):
    """The error codes of the protocol; clients match on them."""

    MAILBOX = "MAILBOX"
    DOMAIN = "DOMAIN"
    SIGN = "SIGN"
    DELIVERY = "DELIVERY"
    TEMP = "TEMP"
    MALFORMED = "MALFORMED"
    PROTOCOL = "PROTOCOL"
    NOTFOUND = "NOTFOUND"
    IO = "IO"
    VALIDATION = "VALIDATION"
    NONEMPTY = "NONEMPTY"
    ECONFLICT = "ECONFLICT"
    EACCES = "EACCES"
    ENOENT = "ENOENT"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"


class FrameError(Exception):
    """A frame that cannot be read, and the code that its sender gets."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


@frozen
class Shape:
    """What a verb's frame may carry."""

    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    body: bool = False
    # Where no header is known, any header line is malformed; elsewhere unknown ones are ignored.
    bare: bool = False


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


ROOTS = _names("config-dir", "data-dir", "runtime-dir", "manifest")
VIEW = _names("format", "columns", "color", "allow-removals", "advised", "out")

VERBS: Mapping[str, Shape] = {
    "SEND": Shape(
        required=_names("content-length"),
        optional=_names("text-only", "html-body-length", "idempotency-key", "format"),
        body=True,
    ),
    "QUEUE": Shape(required=_names("do"), optional=ROOTS | _names("name", "for")),
    "VERSION": Shape(bare=True),
    "DOMAIN-LIST": Shape(bare=True),
    "DOMAIN-ADD": Shape(required=_names("domain"), optional=_names("selector")),
    "DOMAIN-REMOVE": Shape(required=_names("domain", "force")),
    "MAILBOX-LIST": Shape(bare=True),
    "MAILBOX-CREATE": Shape(required=_names("name"), optional=_names("owner")),
    "MAILBOX-DELETE": Shape(required=_names("name"), optional=_names("force")),
    "HOOK-LIST": Shape(bare=True),
    "HOOK-CREATE": Shape(
        required=_names("mailbox", "event", "content-length"), optional=_names("name"), body=True
    ),
    "HOOK-DELETE": Shape(required=_names("hook-name")),
    "STATUS": Shape(optional=ROOTS | VIEW | _names("every", "brief")),
    "PLAN": Shape(optional=ROOTS | VIEW | _names("purge", "amend", "replace")),
    "APPLY": Shape(
        optional=ROOTS
        | VIEW
        | _names("plan", "parallelism", "events", "purge", "amend", "replace"),
        body=True,
    ),
    "EXPLAIN": Shape(required=_names("address"), optional=ROOTS | VIEW),
    "GRAPH": Shape(optional=ROOTS | VIEW),
    "LIST": Shape(required=_names("of"), optional=ROOTS | VIEW | _names("address")),
    "DIFF": Shape(optional=ROOTS | VIEW | _names("from", "to")),
    "TOMBSTONES": Shape(
        required=_names("do"), optional=ROOTS | VIEW | _names("name", "plan", "events")
    ),
    "HISTORY": Shape(optional=ROOTS | VIEW | _names("generation")),
    "ROLLBACK": Shape(
        optional=ROOTS | VIEW | _names("generation", "for", "reason", "plan", "events")
    ),
    "SUSPEND": Shape(required=_names("for"), optional=ROOTS | VIEW | _names("reason")),
    "RESUME": Shape(optional=ROOTS | VIEW),
    "APPROVE": Shape(required=_names("plan"), optional=ROOTS | VIEW | _names("events")),
}


@frozen
class Request:
    """The head of a frame: what is asked, and how many bytes follow."""

    verb: str
    headers: Mapping[str, str]  # By lower-case name.
    content_length: int = 0
    html_length: int = 0

    @property
    def body_length(self) -> int:
        return self.content_length + self.html_length

    def flag(self, name: str) -> bool:
        """A header that is `true` or `false`; absent is false."""
        value = self.headers.get(name, "false")
        if value not in ("true", "false"):
            raise malformed(f"{name} must be true or false")
        return value == "true"

    def number(self, name: str, default: int) -> int:
        return _count(self.headers[name], name) if name in self.headers else default


def malformed(detail: str) -> FrameError:
    return FrameError(Code.MALFORMED, f"malformed request: {detail}")


def parse(lines: list[bytes]) -> Request:
    """Read the lines of a head, the empty line that ends it left out; raises `FrameError`."""
    if not lines:
        raise malformed("empty request")
    first = _text(lines[0])
    if not first.startswith(PREFIX):
        raise malformed(f"expected '{PREFIX}<VERB>'")
    verb = first[len(PREFIX) :]
    shape = VERBS.get(verb)
    if shape is None:
        raise FrameError(Code.PROTOCOL, f"unknown verb '{verb}'")
    headers = _headers(lines[1:], shape, verb)
    content = _length(headers, "content-length")
    html = _length(headers, "html-body-length")
    if not shape.body and content:
        raise malformed(f"{verb} takes no body")
    return Request(verb, headers, content, html)


def _text(line: bytes) -> str:
    try:
        return line.removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise malformed("a line is not UTF-8") from None


def _headers(lines: list[bytes], shape: Shape, verb: str) -> dict[str, str]:
    if shape.bare and lines:
        raise malformed(f"{verb} takes no headers")
    if len(lines) > MAX_HEADERS:
        raise malformed(f"more than {MAX_HEADERS} header lines")
    known = shape.required | shape.optional | {"content-length"}
    found: dict[str, str] = {}
    for line in lines:
        name, value = _header(_text(line))
        if name not in known:
            continue
        if name in found:
            raise malformed(f"repeated header '{name}'")
        if not value:
            raise malformed(f"empty header '{name}'")
        found[name] = value
    if missing := sorted(shape.required - found.keys()):
        raise malformed(f"missing header '{missing[0]}'")
    return found


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.strip()
    if not colon or not name or not name.isascii():
        raise malformed("a header line has the form 'Name: value'")
    return name.lower(), value.strip()


def _count(value: str, name: str) -> int:
    # Enough digits for any count that is meant, too few for work on huge numbers.
    if not (value.isascii() and value.isdigit() and len(value) <= 12):
        raise malformed(f"{name} must be a number")
    return int(value)


def _length(headers: Mapping[str, str], name: str) -> int:
    length = _count(headers.get(name, "0"), name)
    if length > MAX_BODY:
        raise malformed(f"{name} is over {MAX_BODY} bytes")
    return length


def _line(text: str) -> str:
    """The text on one line of at most `MAX_LINE`; nothing in it can look like another header."""
    return "".join(c if c.isprintable() else " " for c in text)[: MAX_LINE // 4]


def ok(detail: str = "") -> bytes:
    """Success; `detail` is the Message-ID of a SEND."""
    return f"AIMX/1 OK {_line(detail)}".rstrip().encode() + b"\n"


def event(document: Any) -> bytes:
    """What happens meanwhile, on a line of its own."""
    return LINE + json.dumps(document, separators=(",", ":")).encode() + b"\n"


def ok_json(document: Any) -> bytes:
    """Success with a JSON body."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return b"AIMX/1 OK\nContent-Length: %d\n\n%s" % (len(body), body)


def error(code: Code, reason: str) -> bytes:
    """Refusal; the code stands twice, since the header line is the easier one to parse."""
    return f"AIMX/1 ERR {code} {_line(reason)}\nCode: {code}\n\n".encode()
