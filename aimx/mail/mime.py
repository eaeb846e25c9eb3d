"""A message's content -> its document: the text to read, and the files beside it.

Whatever the content is, it becomes a document. What cannot be taken apart within bounds is shown
as it came.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from itertools import chain

from aimx.mail import charsets, flowed, header, invisible, markdown, markup, parts
from aimx.mail.header import Header
from aimx.mail.parts import Part, TooComplexError
from desired.frozen import frozen

HTML_FILE = "message.html"

# Forms of a text, beside plain text and HTML, that only some program shows instead of these.
_FORMS = frozenset({"text/x-amp-html", "text/watch-html", "text/enriched", "text/richtext"})

# Control characters, which a terminal may obey. Line ends and tabs are not among them.
_CONTROL = [*map(chr, (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)))]
_A_BLANK = 512  # Octets, however it is encoded.
_PIECE = 256 * 1024  # Characters that are copied at a time, of a text that may be large.
_ASCII_CONTROL = bytes(code for code in range(128) if chr(code) in _CONTROL)


@frozen
class File:
    """A part that is no text to read: an attachment, an inline image, an invitation."""

    name: str  # As the sender called it: never to be used as a file's name.
    content_type: str
    content: bytes
    content_id: str = ""  # What HTML beside it calls it by (RFC 2392); empty if it has none.


@frozen
class Document:
    body: str  # LF line ends; ends with one, if there is anything.
    files: tuple[File, ...] = ()
    notes: tuple[str, ...] = ()  # What a reader must know about how body and files were made.


@frozen
class _Selection:
    texts: tuple[Part, ...] = ()  # In reading order.
    files: tuple[Part, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether there is something to read that needs no conversion."""
        return any(part.content_type != "text/html" and _says_a_word(part) for part in self.texts)

    @property
    def has_html(self) -> bool:
        return any(part.content_type == "text/html" for part in self.texts)

    @property
    def is_blank(self) -> bool:
        return not any(map(_says_a_word, self.texts))


def document(content: bytes, fields: Header | None = None) -> Document:
    fields = fields or header.read(content)
    try:
        selection = _select(parts.read(content, fields), alone=True)
    except TooComplexError as fault:
        note = f"{fault}, so it is shown as it came".capitalize()
        return Document(tidy(charsets.guess(content)), notes=(note,))
    return _document(selection)


def tidy(text: str) -> str:
    """Text as it is stored: LF line ends, one at the end, nothing that a terminal obeys
    and nothing that only a program reads."""
    text = _with_lf(text).rstrip("\n")
    # Most texts are ASCII without any, which is seen ten times as fast as by searching.
    if not text.isascii():
        text = invisible.without(text)
    if not text.isascii() or _has_ascii_control(text):
        # One by one is faster than an expression for all, which would also keep every other
        # thread waiting until it is through the whole text.
        for character in _CONTROL:
            text = text.replace(character, "\ufffd")
    return text + "\n" if text else ""


def _with_lf(text: str) -> str:
    if len(text) > _PIECE:
        return text.replace("\r\n", "\n").replace("\r", "\n")
    # A third of the time.
    return io.IncrementalNewlineDecoder(None, translate=True).decode(text, final=True)


def _has_ascii_control(text: str) -> bool:
    for at in range(0, len(text), _PIECE):
        octets = text[at : at + _PIECE].encode()
        if len(octets.translate(None, _ASCII_CONTROL)) < len(octets):
            return True
    return False


def _select(part: Part, *, alone: bool = False) -> _Selection:
    if part.content_type == "multipart/alternative":
        return _alternative([_select(child) for child in part.children])
    if part.is_multipart:
        selections = [_select(child) for child in part.children]
        return _Selection(
            tuple(text for selection in selections for text in selection.texts),
            tuple(file for selection in selections for file in selection.files),
        )
    return _Selection(texts=(part,)) if _is_text(part, alone=alone) else _Selection(files=(part,))


def _alternative(selections: list[_Selection]) -> _Selection:
    """RFC 2046 5.1.4: the same in several forms, the best last. Plain text is read best by whom
    we serve.

    The other forms of the text go; files among them (an invitation, an image) stay, and all does
    where no form can be shown.
    """
    last_first = selections[::-1]
    chosen = next(
        chain(
            (each for each in last_first if each.is_plain and not each.has_html),
            (each for each in last_first if each.is_plain),
            (each for each in last_first if not each.is_blank),
        ),
        _Selection(),
    )
    files = tuple(file for selection in selections for file in selection.files)
    if chosen.texts:
        files = tuple(file for file in files if file.content_type not in _FORMS or file.name)
    return _Selection(chosen.texts, files)


def _is_text(part: Part, *, alone: bool) -> bool:
    if part.disposition == "attachment":
        return False
    if part.content_type not in ("text/plain", "text/html", "text/markdown"):
        return False
    # Some agents name the only text there is.
    return alone or not part.name


def _says_a_word(part: Part) -> bool:
    """Some agents write a form of the text because there should be one, with a blank in it."""
    raw = part.raw.strip()
    if not raw or len(raw) > _A_BLANK:
        return bool(raw)
    text = charsets.decode(part.decoded().octets, part.parameters.get("charset", ""))
    return bool(invisible.without(text).strip())


@dataclass(slots=True)
class _Writing:
    """A document while it is made."""

    texts: list[str] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    room: int = markdown.LIMIT  # Characters of HTML that may still be converted.

    def text(self, part: Part) -> None:
        decoded = part.decoded()
        if decoded.damaged:
            self.notes.append(f"A text {_damage(part)}")
        # Not by name, so that of a large text no more is in memory than must be.
        self.texts.append(tidy(self._read(part, decoded.octets)))

    def _read(self, part: Part, octets: bytes) -> str:
        charset = part.parameters.get("charset", "")
        if part.content_type == "text/html":
            return self._converted(_html(octets, charset), octets)
        text = charsets.decode(octets, charset)
        if part.parameters.get("format", "").lower() == "flowed":
            return flowed.joined(text, delsp=part.parameters.get("delsp", "").lower() == "yes")
        return text

    def _converted(self, html: str, octets: bytes) -> str:
        converted = markdown.markdown(html, self.room)
        self.room = max(0, self.room - len(html))
        if not converted.complete:
            self.files.append(File(HTML_FILE, "text/html", octets))
            self.notes.append(f"HTML that could not all be turned into Markdown is in {HTML_FILE}")
        return converted.text

    def file(self, part: Part) -> None:
        decoded = part.decoded()
        self.files.append(File(part.name, part.content_type, decoded.octets, part.content_id))
        if decoded.damaged:
            self.notes.append(f"A file {_damage(part)}")


def _html(octets: bytes, charset: str) -> str:
    if charsets.codec(charset):
        return charsets.decode(octets, charset)
    likely = markup.charset(octets)
    # Japanese may be written with nothing but ASCII.
    return charsets.decode(octets, likely) if octets.isascii() else charsets.guess(octets, likely)


def _damage(part: Part) -> str:
    return f"is damaged: its {part.encoding} ends early, or has other characters in it"


def _document(selection: _Selection) -> Document:
    writing = _Writing()
    for part in selection.texts:
        writing.text(part)
    for part in selection.files:
        writing.file(part)
    body = "\n".join(filter(None, writing.texts))
    return Document(body, tuple(writing.files), tuple(dict.fromkeys(writing.notes)))
