"""The addresses of a From, To, Cc or Reply-To field (RFC 5322 3.4), in one pass over its tokens.

A display name is never taken for an address (CVE-2023-27043): where angle brackets stand, only
what is between them is one, and a field with anything that is not understood has none at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aimx.mail import charsets, words
from aimx.mail.error import MailError
from aimx.mail.remembered import remembered
from desired.frozen import frozen

LIMIT = 16 * 1024  # Octets of a field, or of all fields of one name, that are parsed.
COMMENT_DEPTH = 10

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)
    |"(?P<quoted>(?:[^"\\\x00-\x08\x0a-\x1f]|\\[^\x00-\x08\x0a-\x1f])*)"
    |(?P<literal>\[[!-Z^-~]*\])
    |(?P<special>[<>,:;@.(])
    |(?P<atom>[^\x00-\x20"()\[\]<>,:;@.\\\x7f-\xa0]+)""",
    re.VERBOSE,
)
_COMMENT_MARK = re.compile(r"\\.|[()]")
_ESCAPED = re.compile(r"\\(.)")
_RAW_WORD = re.compile(rb"=\?[^?\s=]{1,64}\?[Qq]\?[^?]*\?=")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_DOT_ATOM = re.compile(r"[^\s\"()\[\]<>,:;@\\]+")
_NEEDS_QUOTES = re.compile(r"[()<>\[\]:;@\\,\"]")

# By far the most fields: atoms, then one address in angle brackets, or that address alone.
_ADDRESS = rb"([A-Za-z0-9_+=-]+(?:\.[A-Za-z0-9_+=-]+)*)@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)(?(1)>)"
_USUAL = re.compile(rb"(?:([A-Za-z0-9 .!#$%&'*+/_-]*)<|)" + _ADDRESS)
# Most of the others: one of a list, whose name may be quoted or encoded.
_ATOMS = rb"[A-Za-z0-9 \t.!#$%&'*+/=?^_`{|}~-]*"
_QUOTED = rb'"[^"\\\x00-\x08\x0a-\x1f\x7f-\xff]*"'
_ONE_OF_MANY = re.compile(
    rb"(?:(%b(?:%b%b)*)<|[ \t]*)%b[ \t]*(?:,|\Z)" % (_ATOMS, _QUOTED, _ATOMS, _ADDRESS)
)


class AddressError(MailError):
    """The field is not a list of addresses that can be read in only one way."""


@frozen
class Correspondent:
    """One address, and whom it is said to be."""

    name: str  # Decoded; empty if there is none.
    local: str  # As in the field; quotes only where they are needed.
    domain: str  # Lower case.

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}"

    def __str__(self) -> str:
        if not self.name:
            return self.address
        if not _NEEDS_QUOTES.search(self.name):
            return f"{self.name} <{self.address}>"
        return f"{_quoted(self.name)} <{self.address}>"


@remembered
def correspondents(value: bytes) -> tuple[Correspondent, ...]:
    """All of a field. Groups (RFC 5322 3.4) and routes (4.4) are refused."""
    if usual := _USUAL.fullmatch(value):
        name = (usual[1] or b"").strip().decode()
        return (Correspondent(name, usual[2].decode(), usual[3].lower().decode()),)
    if len(value) > LIMIT:
        raise AddressError("the list of addresses is too long")
    return _listed(value) or _parsed(value)


def _listed(value: bytes) -> tuple[Correspondent, ...]:
    """What `_parsed` makes of it, sooner; nothing if that must be asked."""
    found: list[Correspondent] = []
    end = 0
    while end < len(value):
        one = _ONE_OF_MANY.match(value, end)
        if not one:
            return ()
        name = words.text(one[1].replace(b'"', b"")) if one[1] else ""
        found.append(Correspondent(name, one[2].decode(), one[3].lower().decode()))
        end = one.end()
    return tuple(found)


def _parsed(value: bytes) -> tuple[Correspondent, ...]:
    found: list[Correspondent] = []
    tokens: list[_Token] = []
    for token in (*_tokens(charsets.guess(_escaped(value))), _Token("special", ",")):
        if token != _COMMA:
            tokens.append(token)
        # RFC 5322 4.4: empty places in a list are obsolete, and mean nothing.
        elif any(kept.kind != "space" for kept in tokens):
            found.append(_correspondent(tokens))
            tokens = []
    return tuple(found)


def _escaped(value: bytes) -> bytes:
    """With what should have been encoded in encoded words, whose charset the field's is not."""
    if b"=?" not in value or value.isascii():
        return value
    return _RAW_WORD.sub(lambda word: _BEYOND_ASCII.sub(_as_hexadecimal, word[0]), value)


def _as_hexadecimal(octet: re.Match[bytes]) -> bytes:
    return b"=%02X" % octet[0][0]


def shown(values: Sequence[bytes]) -> str:
    """The fields for people, decoded, as one line that names no address that is not in them.

    Mail has one field of a name (RFC 5322 3.6): of many that are too much, the first are parsed.
    """
    if not values:
        return ""
    octets = 0
    texts = []
    for value in values:
        octets += len(value)
        texts.append(_shown(value) if octets <= LIMIT else words.text(value))
    return ", ".join(filter(None, texts))


@remembered
def _shown(value: bytes) -> str:
    try:
        return ", ".join(map(str, correspondents(value)))
    except AddressError:
        return words.text(value)


class _Token(NamedTuple):
    kind: str
    text: str


_COMMA = _Token("special", ",")
_AT = _Token("special", "@")
_OPEN = _Token("special", "<")
_CLOSE = _Token("special", ">")
_DOT = _Token("special", ".")
_NEVER_IN_NAME = (_CLOSE, _Token("special", ":"), _Token("special", ";"))


def _tokens(text: str) -> Iterator[_Token]:
    """Comments (RFC 5322 3.2.2) count as white space."""
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match or not match.lastgroup:
            raise AddressError("the list of addresses has a character that may not stand there")
        if match[0] == "(":
            place = _after_comment(text, place)
            yield _Token("space", " ")
        else:
            place = match.end()
            yield _Token(match.lastgroup, match[match.lastgroup])


def _after_comment(text: str, start: int) -> int:
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(mark[0], 0)
        if depth > COMMENT_DEPTH:
            raise AddressError("comments are nested too deeply")
        if not depth:
            return mark.end()
    raise AddressError("a comment does not end")


def _correspondent(tokens: Sequence[_Token]) -> Correspondent:
    if _OPEN not in tokens:
        return _bare("", tokens)
    opened = tokens.index(_OPEN)
    address = [token for token in tokens[opened + 1 :] if token.kind != "space"]
    if not address or address.pop() != _CLOSE:
        raise AddressError("something stands after an address in angle brackets")
    return _bare(_name(tokens[:opened]), address)


def _bare(name: str, tokens: Sequence[_Token]) -> Correspondent:
    solid = [token for token in tokens if token.kind != "space"]
    if solid.count(_AT) != 1:
        raise AddressError("an address has no @, or more than one")
    at = solid.index(_AT)
    return Correspondent(name, _local(solid[:at]), _domain(solid[at + 1 :]))


def _local(tokens: Sequence[_Token]) -> str:
    """Words with dots between them; more dots than RFC 5322 allows are in use in Japan."""
    follows_word = False
    for token in tokens:
        is_word = token.kind in ("atom", "quoted")
        if not (is_word or token == _DOT) or (is_word and follows_word):
            raise AddressError("an address has something in its local part that is no word")
        follows_word = is_word
    local = "".join(
        _ESCAPED.sub(r"\1", token.text) if token.kind == "quoted" else token.text
        for token in tokens
    )
    if not tokens:
        raise AddressError("an address has no local part")
    return local if _DOT_ATOM.fullmatch(local) else _quoted(local)


def _domain(tokens: Sequence[_Token]) -> str:
    if len(tokens) == 1 and tokens[0].kind == "literal":
        return tokens[0].text.lower()
    atoms, dots = tokens[::2], tokens[1::2]
    is_name = len(atoms) == len(dots) + 1 and all(token == _DOT for token in dots)
    if not is_name or any(token.kind != "atom" for token in atoms):
        raise AddressError("an address has a domain that is no name")
    return ".".join(token.text for token in atoms).lower()


def _name(tokens: Sequence[_Token]) -> str:
    """A phrase. An unquoted @ in it is forbidden and seen; between brackets stands the address."""
    if any(token.kind == "literal" or token in _NEVER_IN_NAME for token in tokens):
        raise AddressError("a display name has a character that may not stand there")
    text = "".join(
        _ESCAPED.sub(r"\1", token.text) if token.kind == "quoted" else token.text
        for token in tokens
    )
    return words.text(text.encode())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
