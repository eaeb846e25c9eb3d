"""Takes out of HTML what no person would see of it, however its sender hides it.

Whoever reads the Markdown sees no style, and would take for the message what nobody ever saw.
It is judged as a browser would show it on a screen, with its style sheets and without its images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from aimx.mail import markup, nesting, style
from aimx.mail.look import Look
from aimx.mail.markup import Tag
from aimx.mail.sheet import ObscureError, Rule, Rules, in_the_end

_MOST_OPEN = 512  # Elements in one another; browsers stop there as well.
_MOST_AGAIN = 20_000  # Elements that go on where what they were in has ended.
_MOST_CSS = 96 * 1024  # Characters of style sheets, and of styles at elements that differ.
_KEPT = 4096  # Attributes of other messages that are remembered.

# What is in these is no part of the text, unless their `open` says so.
_UNSEEN = frozenset(
    (
        *("annotation", "annotation-xml", "audio", "canvas", "datalist", "desc", "dialog"),
        *("metadata", "meter", "progress", "template", "video"),
    )
)
# Of the attributes, Markdown takes these. A title is seen by nobody who does not ask for it.
_TAKEN = frozenset(["href", "src", "alt", "colspan", "rowspan", "start", "type", "checked", "lang"])
# Their content is a part of the text, which the converter does not think.
_RENAMED = {"noscript": "div"}
_JUDGED = ("style", "color", "bgcolor", "background", "text", "hidden", "open")
_SEEN_OPACITY = 0.1
_BEGINNING = Look()
_DOT = 2.0  # Pixels of an image that is there to be fetched, not seen.
# HTML without any of this shows all of its text, and the converter reads it as we would.
_HIDING = (
    *("style", "hidden", "color", "title", "cite", "<!", "<audio", "<canvas", "<datalist"),
    *("<dialog",),
    *("<iframe", "<img", "<math", "<meter", "<no", "<plaintext", "<progress", "<script", "<svg"),
    *("<template", "<textarea", "<video", "<xmp"),
)


def without(source: str) -> str:
    """The same HTML as far as it is seen; raises `ObscureError`."""
    lowered = source.lower()
    if not any(word in lowered for word in _HIDING):
        return source
    try:
        return _Pass(source).text()
    except RecursionError:
        raise ObscureError("its style is nested too deeply") from None


class Said(NamedTuple):
    """What a tag says of its element."""

    attributes: Mapping[str, str]
    classes: frozenset[str]  # In lower case.
    judged: tuple[str | bool | None, ...]  # The attributes that decide how it looks.


class Element:
    """One that is open, or was the last one before another."""

    def __init__(self, name: str, written: str, parent: Element | None) -> None:
        self.last: Element | None = None
        self.children = 0
        self.look: Look = parent.look if parent else _BEGINNING
        self.gone: bool = parent.gone if parent else False  # With all that is in it.
        self.shows_text = True
        self.name = name
        self.written = written
        self.attributes, self.classes, self.judged = _said(written)
        self.parent = parent
        self.before: Element | None = parent.last if parent else None
        self.place: int = parent.children + 1 if parent else 1
        if parent:
            parent.last, parent.children = self, self.place


class _Pass:
    """Once through a document."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._rules = Rules()
        self._css = 0
        self._styles: set[str] = set()
        # The last of it is the look around, which stays alive with its id.
        self._judged: dict[object, tuple[Look, bool, bool, Look]] = {}
        self._open: list[Element] = []  # The first one is the body.
        self._names: list[str] = []  # Of those that are open, but for the body.
        self._going_on: list[tuple[str, str]] = []  # Ended by what is around them, and not over.
        self._begun_again = 0

    def text(self) -> str:
        pieces = list(markup.pieces(self._source))
        self._read_whole(pieces)
        return "".join(part for piece in pieces for part in self._shown(piece))

    def _shown(self, piece: Tag | str) -> Iterator[str]:
        if isinstance(piece, str):
            yield from self._again()
            current = self._open[-1]
            if not current.gone and (current.shows_text or piece.isspace()):
                yield piece.replace("<", "&lt;")
        elif piece.content is not None:
            yield from self._textarea(piece)
        elif piece.is_end:
            yield from self._end(piece.name)
        elif piece.name not in nesting.UNNESTED:
            yield from self._start(piece)

    def _start(self, tag: Tag) -> Iterator[str]:
        yield from self._close(*nesting.ended_by_start(tag.name, self._names), named=tag.name)
        if tag.name not in nesting.SPECIAL:
            yield from self._again()
        element = Element(tag.name, tag.attributes, self._open[-1])
        self._judge(element)
        shown = not element.gone
        if tag.name in nesting.VOID:
            if shown and not _is_unseen_image(element):
                yield _written(element)
            return
        if tag.is_closed and not {"svg", "math"}.isdisjoint(self._names):
            return
        self._push(element)
        if shown:
            yield _written(element)

    def _push(self, element: Element) -> None:
        if len(self._open) >= _MOST_OPEN:
            raise ObscureError("its elements are nested too deeply")
        self._open.append(element)
        self._names.append(element.name)

    def _again(self) -> Iterator[str]:
        """Begin again what goes on, though what it was in has ended."""
        going_on, self._going_on = self._going_on, []
        for name, written in going_on:
            self._begun_again += 1
            if self._begun_again > _MOST_AGAIN:
                raise ObscureError("its elements overlap too often")
            element = Element(name, written, self._open[-1])
            self._judge(element)
            self._push(element)
            if not element.gone:
                yield _written(element)

    def _end(self, name: str) -> Iterator[str]:
        if name in ("br", "p") and name not in self._names:
            yield f"<{name}>" if not self._open[-1].gone else ""
        elif (going_on := self._last_going_on(name)) is not None:
            del self._going_on[going_on]
        elif name in self._names:
            yield from self._close(*nesting.ended_by_end(name, self._names), named=name)

    def _last_going_on(self, name: str) -> int | None:
        places = (at for at, each in enumerate(self._going_on) if each[0] == name)
        return max(places, default=None)

    def _close(self, start: int, end: int, named: str) -> Iterator[str]:
        """The elements at these places, the innermost first; the outermost was named."""
        going_on: list[tuple[str, str]] = []
        for at in range(end - 1, start - 1, -1):
            element = self._open[at + 1]
            if element.name in nesting.SCOPE:
                going_on.clear()
            elif element.name in nesting.FORMATTING and (at > start or element.name != named):
                going_on.append((element.name, element.written))
            if not element.gone:
                yield f"</{_RENAMED.get(element.name, element.name)}>"
        self._going_on += reversed(going_on)
        del self._open[start + 1 : end + 1]
        del self._names[start:end]

    def _read_whole(self, pieces: Iterable[Tag | str]) -> None:
        """What is said of the whole document, wherever it stands."""
        said: dict[str, list[str]] = {"html": [], "body": []}
        for piece in pieces:
            if isinstance(piece, str) or piece.is_end:
                continue
            if piece.name == "style" and piece.content is not None:
                self._spend(piece.content)
                medium = markup.attributes(piece.attributes).get("media", "")
                self._rules.add(piece.content, medium)
            elif piece.name in said:
                # A second tag adds to what the first one says of the same element.
                said[piece.name].append(piece.attributes)
        html = Element("html", " ".join(said["html"]), None)
        self._judge(html)
        body = Element("body", " ".join(said["body"]), html)
        self._judge(body)
        self._open = [body]

    def _textarea(self, tag: Tag) -> Iterator[str]:
        if tag.name in ("textarea", "xmp", "plaintext"):
            element = Element(tag.name, tag.attributes, self._open[-1])
            self._judge(element)
            if not element.gone and element.shows_text:
                yield f"<pre>{(tag.content or '').replace('<', '&lt;')}</pre>"

    def _judge(self, element: Element) -> None:
        rules = self._rules.matching(element)
        outer = element.parent.look if element.parent else _BEGINNING
        # Most elements are like another one.
        key = element.name, element.judged, rules, id(outer)
        known = self._judged.get(key)
        if known is None:
            look, gone = self._judgement(element, rules, outer)
            known = self._judged[key] = look, gone, look.shows_text, outer
        element.look, gone, element.shows_text, _ = known
        element.gone = element.gone or gone

    def _judgement(
        self, element: Element, rules: tuple[Rule, ...], outer: Look
    ) -> tuple[Look, bool]:
        """How its text looks, and whether nothing of it is seen."""
        attributes = element.attributes
        inline = attributes.get("style", "")
        if inline not in self._styles:
            self._styles.add(inline)
            self._spend(inline)
        said = in_the_end(rules, inline)
        if any("var(" in value for value in said.values()):
            own = {name: value for name, value in said.items() if name.startswith("--")}
            said = style.substituted(said, {**outer.variables, **own})
        gone = (
            (element.name in _UNSEEN and "open" not in attributes)
            or ("hidden" in attributes and said.get("display", "none") == "none")
            or style.hides(said)
        )
        look = outer.within(element.name, attributes, said)
        return (outer if look == outer else look), gone or look.opacity < _SEEN_OPACITY

    def _spend(self, css: str) -> None:
        self._css += len(css)
        if self._css > _MOST_CSS:
            raise ObscureError("it has too much style")


@lru_cache(_KEPT)
def _said(written: str) -> Said:
    attributes = markup.attributes(written) if written else {}
    return Said(
        attributes,
        frozenset(attributes.get("class", "").lower().split()),
        ("href" in attributes, *map(attributes.get, _JUDGED)),
    )


def _is_unseen_image(element: Element) -> bool:
    if not element.look.is_visible:
        return True
    if element.name == "input":
        return element.attributes.get("type", "").lower() == "hidden"
    if element.name != "img":
        return False
    sides = (element.attributes.get(side, "") for side in ("width", "height"))
    lengths = (style.length(side.strip().lower()) for side in sides)
    return any(length is not None and length <= _DOT for length in lengths)


def _written(element: Element) -> str:
    taken = [
        f' {name}="{value.replace("&", "&amp;").replace(chr(34), "&quot;")}"'
        for name, value in element.attributes.items()
        if name in _TAKEN
    ]
    return f"<{_RENAMED.get(element.name, element.name)}{''.join(taken)}>"
