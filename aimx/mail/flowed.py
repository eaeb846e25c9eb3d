"""Text whose paragraphs a sender has cut into lines, put together again (RFC 3676)."""

from __future__ import annotations

from collections.abc import Iterator

MOST_LINES = 100_000  # Each takes a microsecond; nobody writes so many.
_SIGNATURE = "-- "  # RFC 3676 4.3: it ends in a space, and is a line of its own.


def joined(text: str, *, delsp: bool) -> str:
    """The text as it was typed: a line that ends in a space goes on in the next.

    `delsp`: that space is not part of the text (RFC 3676 4.5). A text with too many lines is
    left as it came.
    """
    if text.count("\n") > MOST_LINES:
        return text
    return "\n".join(_paragraphs(text, delsp=delsp))


def _paragraphs(text: str, *, delsp: bool) -> Iterator[str]:
    pieces: list[str] = []  # Of a paragraph that goes on.
    depth = 0
    for line in text.split("\n"):
        quotes, content = _quoted(line.removesuffix("\r"))
        is_signature = content == _SIGNATURE
        # RFC 3676 4.5: nothing goes on at another depth, or in a signature. Nor in an empty line,
        # which the rule would swallow: senders who are careless with spaces mean it.
        if pieces and (quotes != depth or is_signature or not content):
            yield _written(depth, pieces)
            pieces = []
        depth = quotes
        goes_on = content.endswith(" ") and not is_signature
        pieces.append(content[:-1] if goes_on and delsp else content)
        if not goes_on:
            yield _written(depth, pieces)
            pieces = []
    if pieces:
        yield _written(depth, pieces)


def _quoted(line: str) -> tuple[int, str]:
    """How deep the line is quoted, and its content without the space that stuffs it."""
    content = line.lstrip(">")
    return len(line) - len(content), content.removeprefix(" ")


def _written(depth: int, pieces: list[str]) -> str:
    content = "".join(pieces)
    return f"{'>' * depth} {content}" if depth and content else ">" * depth + content
