"""HTML -> tags and the text between them, cut where a browser cuts (WHATWG HTML 13.2.5).

Whoever cuts elsewhere takes for text what nobody sees, or the other way round.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

# Possessive throughout: whatever does not fit is found out in one pass. A quote is one only where
# a value begins, and what is not closed takes all that follows.
_ATTRIBUTE = r"""
    ([^\s/>][^\s/>=]*+)
    (?:\s*+=\s*+(?:"([^"]*+)(?:"|\Z)|'([^']*+)(?:'|\Z)|([^\s"'>][^\s>]*+))?+)?+
"""
_UNNAMED = re.sub(r"\((?!\?)", "(?:", _ATTRIBUTE)
_TAG = re.compile(rf"<(/?)([a-zA-Z][^\s/>]*+)((?:[\s/]++|{_UNNAMED})*+)>", re.VERBOSE)
_NAMED = re.compile(_ATTRIBUTE, re.VERBOSE)
_COMMENT_END = re.compile(r"--!?>")

# Their content is no markup, up to their own end.
_RAW = frozenset(
    ("style", "script", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext")
)
_RAW_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _RAW}

_META = re.compile(rb"<meta\s[^>]*?charset\s*=\s*[\"']?([a-z0-9_.:-]{1,40})", re.IGNORECASE)
_PRESCAN = 1024  # Octets: WHATWG HTML 13.2.3.2.


def charset(octets: bytes) -> str:
    """What a document says of itself; empty if it does not, or what it cannot be."""
    found = _META.search(octets, 0, _PRESCAN)
    label = found[1].decode() if found else ""
    # What has been read as ASCII so far is in none of these but UTF-8, which is known without.
    return "" if label.lower().startswith(("utf", "ucs", "unicode")) else label


class Tag(NamedTuple):
    name: str  # In lower case.
    attributes: str  # As they stand there.
    is_end: bool = False
    content: str | None = None  # Of an element whose content is no markup; it has no end tag.

    @property
    def is_closed(self) -> bool:
        """It says of itself that nothing is in it, which counts in SVG and MathML."""
        return self.attributes.endswith("/")


def pieces(source: str) -> Iterator[Tag | str]:
    """Text as it is written, never empty; comments and what looks like one are left out."""
    end = len(source)
    begun = at = 0
    while (at := source.find("<", at)) >= 0:
        follows = source[at + 1 : at + 3]
        if not follows[:1].isascii() or not (
            follows[:1].isalpha() or follows[:1] in ("/", "!", "?")
        ):
            at += 1
            continue
        if begun < at:
            yield source[begun:at]
        if follows[:1].isalpha() or (
            follows[:1] == "/" and follows[1:].isascii() and follows[1:].isalpha()
        ):
            found = _TAG.match(source, at)
            if found is None:  # Nothing ends it, and all the rest is in it.
                return
            at = found.end()
            name = found[2].lower()
            if name in _RAW and not found[1]:
                stop, at = _raw_end(name, source, at)
                yield Tag(name, found[3], content=source[found.end() : stop])
            else:
                yield Tag(name, found[3], is_end=bool(found[1]))
        else:
            at = _comment_end(source, at)
        begun = at
    if begun < end:
        yield source[begun:]


def attributes(written: str) -> Mapping[str, str]:
    """By lower-case name; of equal ones the first counts."""
    found: dict[str, str] = {}
    for name, *values in _NAMED.findall(written):
        found.setdefault(name.lower(), html.unescape("".join(values)))
    return found


def _comment_end(source: str, at: int) -> int:
    if source.startswith("<!--", at):
        if source.startswith((">", "->"), at + 4):
            return source.index(">", at + 4) + 1
        end = _COMMENT_END.search(source, at + 4)
        return end.end() if end else len(source)
    return source.find(">", at) + 1 or len(source)


def _raw_end(name: str, source: str, at: int) -> tuple[int, int]:
    """Where the content of such an element ends, and what follows its end tag begins."""
    end = None if name == "plaintext" else _RAW_END[name].search(source, at)
    if end and name == "script" and "<!--" in source[at : end.start()]:
        # There, a script may stand in the script, with an end of its own.
        end = _RAW_END[name].search(source, max(source.find("-->", at), end.end()))
    if end is None:
        return len(source), len(source)
    return end.start(), source.find(">", end.end()) + 1 or len(source)
