"""The TOML on top of stored mail, between lines that are exactly `+++`.

Every value is written on one line, with its line ends escaped: whatever a message says, no such
line can come out of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import tomli

from aimx.mail.error import MailError

LIMIT = 8 * 1024 * 1024  # Octets of frontmatter that are read. Ours are far below.

# The order of the keys that we write. Others come after them.
ORDER = {
    key: place
    for place, key in enumerate(
        (
            *("id", "message_id", "thread_id", "from", "to", "cc", "reply_to", "delivered_to"),
            *("envelope_from", "subject", "date", "received_at", "received_from_ip"),
            *("size_bytes", "in_reply_to", "references", "list_id", "auto_submitted"),
            *("dkim", "spf", "dmarc", "trusted", "trusted_reason", "mailbox"),
            *("read", "read_at", "labels"),
            *("outbound", "outbound_format", "delivery_status", "bcc", "delivered_at"),
            "delivery_details",
        )
    )
}

# Of these, those that a new file has only where there is something to say.
OPTIONAL = frozenset(
    (
        *("cc", "reply_to", "received_from_ip", "in_reply_to", "references", "list_id"),
        *("auto_submitted", "trusted_reason", "bcc", "delivered_at", "delivery_details"),
    )
)

_MARK = b"+++\n"
_MOST_BITS = 8192  # Of a number that Python writes as a decimal one.
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# What TOML wants escaped, and what changes how the text around it looks.
_ESCAPED = re.compile(
    '["\\\\\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]'
)
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class FrontmatterError(MailError):
    """The file does not begin with frontmatter that can be read."""


def split(raw: bytes) -> tuple[dict[str, Any], bytes]:
    """A file of stored mail -> its keys, in their order, and its body."""
    # The line end before the closing mark may be the opening mark's own.
    end = raw.find(b"\n" + _MARK, len(_MARK) - 1, LIMIT)
    if not raw.startswith(_MARK) or end < 0:
        raise FrontmatterError("it does not begin with a part between two lines +++")
    try:
        keys = tomli.loads(raw[len(_MARK) : end + 1].decode())
    except (ValueError, RecursionError) as cause:
        raise FrontmatterError("what stands between its lines +++ is not TOML") from cause
    return keys, raw[end + 1 + len(_MARK) :].removeprefix(b"\n")


def join(keys: Mapping[str, Any], body: bytes) -> bytes:
    """The whole file: the inverse of `split`, in the order of our keys, and unknown ones kept."""
    ordered = sorted(keys, key=lambda key: ORDER.get(key, len(ORDER)))
    plain = [(key, keys[key]) for key in ordered if not _is_tables(keys[key])]
    tables = ((key, keys[key]) for key in ordered if _is_tables(keys[key]))
    return (
        _MARK + _keys(plain) + b"".join(_tables(key, value) for key, value in tables) + _end(body)
    )


def rest(
    keys: Iterable[tuple[str, str | int]],
    attachments: Sequence[Mapping[str, str | int]],
    body: bytes,
) -> bytes:
    """A new file from after its line `id = …`, which whoever finds a free name writes."""
    said = [key for key in keys if key[1] or key[0] not in OPTIONAL]
    # One copy of the body, which may be large.
    return b"".join((_keys(said), _tables("attachments", attachments), _MARK, b"\n", body))


def _keys(keys: Sequence[tuple[str, Any]]) -> bytes:
    # Most of them are plain, which is seen at once of all together.
    plain = _is_plain("".join([found for _, found in keys if isinstance(found, str)]))
    lines = []
    for key, found in keys:
        is_plain = isinstance(found, str) and (plain or _is_plain(found))
        written = f'"{found}"' if is_plain else value(found)
        lines.append(f"{key if key in ORDER else _key(key)} = {written}\n")
    return "".join(lines).encode()


def _tables(key: str, tables: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(b"\n[[%s]]\n%s" % (_key(key).encode(), _keys([*t.items()])) for t in tables)


def _end(body: bytes) -> bytes:
    return _MARK + b"\n" + body


def _is_tables(found: object) -> bool:
    return isinstance(found, list) and bool(found) and all(isinstance(x, dict) for x in found)


def _key(key: str) -> str:
    return key if key in ORDER or _BARE_KEY.fullmatch(key) else text(key)


def value(found: Any) -> str:
    """Any value that TOML has, on one line."""
    match found:
        case str():
            return text(found)
        case bool():
            return "true" if found else "false"
        case int() if found.bit_length() > _MOST_BITS:
            return hex(found)  # As it was read: of decimal ones that many digits are none.
        case int() | float():
            return str(found)
        case datetime() | date() | time():
            return found.isoformat()
        case Mapping():
            return "{" + ", ".join(f"{_key(k)} = {value(v)}" for k, v in found.items()) + "}"
        case _:
            return "[" + ", ".join(map(value, found)) + "]"


def text(found: str) -> str:
    """A basic string (TOML 1.0)."""
    return f'"{found if _is_plain(found) else _ESCAPED.sub(_escape, found)}"'


def _is_plain(found: str) -> bool:
    return found.isprintable() and '"' not in found and "\\" not in found


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"  # Half a surrogate pair: no file can hold it.
    return _SHORT.get(character) or f"\\u{ord(character):04x}"
