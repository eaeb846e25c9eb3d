"""What an attachment is called on disk, whatever its sender called it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

BYTES = 200  # Of UTF-8: below every file system's 255, with room for a number.
# Characters of a name that are looked at: bringing a run of combining marks into order takes time
# quadratic in its length.
READ = 1000
RAW = "raw.eml"  # Where a message as it came is kept.

# Control characters, direction marks and other invisible ones, line and paragraph ends, and what
# some system separates folders with.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f/\\\\\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]+"
)
_SPACES = "".join(map(chr, (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)))
_TRIMMED = _SPACES + ".-_"
# What could be taken for stored mail, or be in the way of it.
_LIKE_STORED_MAIL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*\.md", re.IGNORECASE | re.DOTALL)


def distinct(declared: Iterable[str]) -> Iterator[str]:
    """A name for each, in order, none of them twice."""
    taken = {RAW}
    following: dict[str, int] = {}
    for number, name in enumerate(declared, start=1):
        wanted = safe(name) or f"attachment-{number}"
        free = wanted
        while free in taken:
            following[wanted] = following.get(wanted, 0) + 1
            free = _numbered(wanted, following[wanted])
        taken.add(free)
        yield free


def safe(declared: str) -> str:
    """The last part of a path, harmless to show and to open; empty if nothing is left of it."""
    last = re.split(r"[/\\]", declared.rstrip("/\\"))[-1]
    plain = _UNSAFE.sub("_", unicodedata.normalize("NFC", last[:READ])).strip(_TRIMMED)
    name = _fitted(plain)
    return _fitted(f"attachment-{name}") if _LIKE_STORED_MAIL.fullmatch(name) else name


def _numbered(name: str, number: int) -> str:
    return _fitted(name, f"-{number}")


def _fitted(name: str, number: str = "") -> str:
    """`name`, or `name-1.ext`, within the bytes and with all of its extension."""
    start, dot, extension = name.rpartition(".")
    if not dot or not start or len(extension.encode()) > 20:
        start, dot, extension = name, "", ""
    tail = f"{number}{dot}{extension}"
    return _cut(start, BYTES - len(tail.encode())) + tail


def _cut(name: str, limit: int) -> str:
    octets = name.encode()
    return name if len(octets) <= limit else octets[:limit].decode(errors="ignore").rstrip(_TRIMMED)
