"""Addresses in a text that nobody marked as links, and that are: GFM's extended autolinks (6.9).

In time linear in the text, which a stranger may have written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

# At the beginning of a line, after white space, or after what delimits.
_BEFORE = r"(?<![^\s*_~(])"
_WEB = rf"{_BEFORE}(?P<web>(?:https?://|www\.)[^\s<]+)"
# RFC 5321 4.5.3.1.1 has no longer local parts; without a bound a run of them would be quadratic.
_MAIL = rf"{_BEFORE}(?P<mail>[A-Za-z0-9.+_-]{{1,64}}@[A-Za-z0-9._-]+)"
_CANDIDATE = re.compile(f"{_WEB}|{_MAIL}", re.IGNORECASE)
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_HOST = re.compile(r"[\w.-]+")
_AFTER = frozenset("?!.,:*_~'\"")  # What ends a sentence is no part of an address.


def linked(tokens: Sequence[Token], reader: MarkdownIt) -> Iterator[Token]:
    """What a paragraph is read as, with its addresses as links; its texts are joined before."""
    depth = 0
    for token in tokens:
        depth += token.nesting if token.type in ("link_open", "link_close") else 0
        if token.type == "text" and not depth:
            yield from _split(token.content, reader)
        else:
            yield token


def _split(text: str, reader: MarkdownIt) -> Iterator[Token]:
    end = 0
    for candidate in _CANDIDATE.finditer(text):
        shown, target = _web(candidate["web"]) if candidate["web"] else _mail(candidate["mail"])
        href = reader.normalizeLink(target)
        if shown and reader.validateLink(href):
            yield from _text(text[end : candidate.start()])
            yield Token("link_open", "a", 1, attrs={"href": href}, info="auto")
            yield from _text(shown)
            yield Token("link_close", "a", -1, info="auto")
            end = candidate.start() + len(shown)
    yield from _text(text[end:])


def _text(content: str) -> Iterator[Token]:
    if content:
        yield Token("text", "", 0, content=content)


def _web(candidate: str) -> tuple[str, str]:
    """What of it is the address, and where that leads; empty where none of it is."""
    shown = _without_end(candidate)
    scheme = _SCHEME.match(shown)
    host = _HOST.match(shown, scheme.end() if scheme else 0)
    if host is None or not _is_domain(host[0]):
        return "", ""
    return shown, shown if scheme else f"http://{shown}"


def _mail(candidate: str) -> tuple[str, str]:
    shown = candidate.rstrip(".")
    domain = shown.rpartition("@")[2]
    if "." not in domain or ".." in domain or domain[-1] in "-_":
        return "", ""
    return shown, f"mailto:{shown}"


def _is_domain(host: str) -> bool:
    labels = host.rstrip(".").split(".")
    return len(labels) > 1 and all(labels) and not any("_" in label for label in labels[-2:])


def _without_end(candidate: str) -> str:
    """Without what belongs to the sentence around it."""
    end, unopened = len(candidate), candidate.count(")") - candidate.count("(")
    while end:
        last = candidate[end - 1]
        if last == ")" and unopened > 0:
            unopened -= 1
        elif last == ";":
            # What looks like an entity reference is one that nobody knew.
            begin = candidate.rfind("&", 0, end)
            if begin < 0 or not candidate[begin + 1 : end - 1].isalnum():
                break
            end = begin + 1
        elif last not in _AFTER:
            break
        end -= 1
    return candidate[:end]
