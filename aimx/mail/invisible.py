"""Characters that nobody sees, and a program reads: they carry text past whoever looks at it.

Tags (U+E0000) and variation selectors can spell anything at all; a direction override shows text in
another order than it is written in. Of these a mark is left. What has no width and no use but
between two letters goes without a trace.
"""

from __future__ import annotations

import re

_MARK = "\ufffd"
# England, Scotland and Wales are a black flag and tags: no others than these make a picture.
_FLAG = "\U0001f3f4"
_COUNTRY = re.compile("[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
_ORDER = "\u202d\u202e\ufff9\ufffa\ufffb"  # And what stands in an annotation of other text.
_NO_WIDTH = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u200b\u2060\u2061\u2062\u2063"
    "\u2064\u2065\u206a\u206b\u206c\u206d\u206e\u206f\u3164\ufeff\uffa0"
)
_TAGS = re.compile("[\U000e0000-\U000e007f]+")
# One of these chooses the form of the character before it, and more of them choose nothing.
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}")
# One of these joins or parts two letters, in Persian, in Hindi and in emoji.
_JOINERS = re.compile("[\u200c\u200d]{2,}")
_PIECE = 256 * 1024  # Characters at a time, so that no other thread waits long.


def without(text: str) -> str:
    """The text as it can be seen; it is the same for nearly all there is."""
    if text.isascii():
        return text
    for character in _NO_WIDTH:
        text = text.replace(character, "")
    for character in _ORDER:
        text = text.replace(character, _MARK)
    if len(text) <= _PIECE:
        return _piece(text)
    return "".join(_piece(text[at : at + _PIECE]) for at in range(0, len(text), _PIECE))


def _piece(text: str) -> str:
    # Where UTF-8 has none of their first octets there are none, which is seen at once.
    octets = text.encode("utf-8", "surrogatepass")
    if b"\xe2\x80\x8c" in octets or b"\xe2\x80\x8d" in octets:
        text = _JOINERS.sub("", text)
    if b"\xef\xb8" in octets or b"\xf3\xa0" in octets:
        text = _TAGS.sub(_tagged, _SELECTORS.sub(_MARK, text))
    return text


def _tagged(found: re.Match[str]) -> str:
    follows_flag = found.string[found.start() - 1 : found.start()] == _FLAG
    return found[0] if follows_flag and _COUNTRY.fullmatch(found[0]) else _MARK
