"""The frames of placing: one request in a packet, several replies in a packet."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache

from aimx.channel import trace
from aimx.channel.packets import MalformedError
from aimx.channel.placing import (
    FINGERPRINT_SIZE,
    MOST_ATTACHMENTS,
    MOST_FACTS,
    Due,
    Folder,
    Opening,
    Outcome,
    Over,
    Reply,
    Request,
    Seen,
)

_LONGEST_NAME = 255  # Octets, as file systems have it.
_LONGEST_BASE = 200  # Leaves room for a suffix and `.md`.
_KNOWN = 1024  # Domains and names that need not be looked at again, and likewise shapes of frames.

# Number, folder, uid, flags, then the octets of domain, name and base, and how many attachments.
_REQUEST = struct.Struct("!IBIBBBBB")
_REPLY = struct.Struct("!IBH")
_FINGERPRINT, _DESCRIPTOR, _DUE, _OVER, _OPENING, _TRACE = 1, 2, 4, 8, 16, 32  # The flags.
_FLAGS = _FINGERPRINT | _DESCRIPTOR | _DUE | _OVER | _OPENING | _TRACE
_FOLDERS = {int(folder): folder for folder in Folder}
_OUTCOMES = {int(outcome): outcome for outcome in Outcome}
_SEEN = struct.Struct("!QqQ")
# Of what is due: how many hooks, and the octets of what they are told.
_FIRINGS = struct.Struct("!BH")


def pack_request(request: Request) -> bytes:
    """The payload; `MalformedError` where the placer would not let a name or number through."""
    _check_count(request.attachments)
    flags = (_FINGERPRINT if request.fingerprint else 0) | (
        _DESCRIPTOR if request.rest is None else 0
    )
    flags |= (_DUE if request.due else 0) | (_OVER if request.over else 0)
    flags |= _TRACE if request.trace else 0
    base = request.base.encode()
    parts = [_packed_head(request, flags, base, len(request.attachments))]
    parts.append(bytes.fromhex(request.trace))
    if request.over is None:
        _base(base)
    else:
        _check_over(request)
        seen = request.over.seen
        parts += (request.over.origin, _SEEN.pack(seen.inode, seen.modified, seen.size))
    for attachment in request.attachments:
        name = _name(attachment.encode()).encode()
        parts += (bytes((len(name),)), name)
    if request.due is not None:
        _check_due(request)
        parts.append(_packed_due(request.due))
    return b"".join((*parts, request.rest or b""))


def pack_opening(opening: Opening) -> bytes:
    """The payload; raises as `pack_request`."""
    return _packed_head(opening, _FINGERPRINT | _OPENING, b"", 0)


def _packed_head(asked: Request | Opening, flags: int, base: bytes, attachments: int) -> bytes:
    """What both have: the mailbox, and the fingerprint."""
    domain, name = _octets(asked.domain), _octets(asked.name)
    lengths = (len(domain), len(name), len(base), attachments)
    head = _REQUEST.pack(asked.number, asked.folder, asked.uid, flags, *lengths)
    return b"".join((head, asked.fingerprint or b"", domain, name, base))


def _packed_due(due: Due) -> bytes:
    names = [_name(hook.encode()).encode() for hook in due.hooks]
    counted = [part for name in names for part in (bytes((len(name),)), name)]
    return b"".join((_FIRINGS.pack(len(names), len(due.facts)), *counted, due.facts))


def unpack_request(payload: bytes, descriptors: int) -> Request | Opening:
    """The request that came with so many descriptors, each name in it safe to use."""
    try:
        number, below, uid, flags, *lengths, attachments = _REQUEST.unpack_from(payload)
        folder = _FOLDERS.get(below)
        if folder is None or flags & ~_FLAGS:
            raise MalformedError("a placing frame with an unknown folder or flag")
        head = _head(flags, *lengths)
        fingerprint, domain, name, base, traced = head.unpack_from(payload, _REQUEST.size)
    except struct.error as cause:
        raise _cut_short() from cause
    reading = _Reading(payload, _REQUEST.size + head.size)
    if flags & _OPENING:
        if flags != _OPENING | _FINGERPRINT or base or attachments or descriptors:
            raise MalformedError("an opening has a fingerprint, and nothing else")
        _check_end(reading)
        return Opening(number, folder, _part(domain), _part(name), uid, fingerprint)
    over = reading.over() if flags & _OVER else None
    names = tuple(reading.names(attachments)) if attachments else ()
    due = reading.due() if flags & _DUE else None
    rest = None if flags & _DESCRIPTOR else reading.rest()
    request = Request(  # To name what is given takes as long again.
        number,
        folder,
        _part(domain),
        _part(name),
        uid,
        "" if over and not base else _base(base),
        rest,
        fingerprint or None,
        names,
        due,
        over,
        traced.hex(),
    )
    _check(request, descriptors, reading)
    return request


@lru_cache(_KNOWN)
def _head(flags: int, domain: int, name: int, base: int) -> struct.Struct:
    """What every request has behind its numbers: fingerprint, domain, name, base and trace."""
    fingerprint = FINGERPRINT_SIZE if flags & _FINGERPRINT else 0
    traced = trace.OCTETS if flags & _TRACE else 0
    return struct.Struct(f"!{fingerprint}s{domain}s{name}s{base}s{traced}s")


def pack_replies(replies: Iterable[Reply]) -> bytes:
    parts: list[bytes] = []
    for reply in replies:
        text = reply.text.encode()
        parts += (_REPLY.pack(reply.number, reply.outcome, len(text)), text)
    return b"".join(parts)


def unpack_replies(payload: bytes) -> list[Reply]:
    replies, offset = [], 0
    while offset < len(payload):
        try:
            number, outcome, length = _REPLY.unpack_from(payload, offset)
            offset += _REPLY.size + length
            if offset > len(payload):
                raise MalformedError("a reply of the placer is cut short")
            text = payload[offset - length : offset].decode()
            replies.append(Reply(number, _OUTCOMES[outcome], text))
        except (struct.error, KeyError, ValueError) as cause:
            raise MalformedError("a reply of the placer cannot be read") from cause
    return replies


class _Reading:
    """A payload and how far it has been read."""

    def __init__(self, payload: bytes, at: int) -> None:
        self._payload = payload
        self._at = at

    def take(self, length: int) -> bytes:
        part = self._payload[self._at : self._at + length]
        if len(part) != length:
            raise _cut_short()
        self._at += length
        return part

    def names(self, count: int) -> Iterator[str]:
        for _ in range(count):
            yield _name(self.take(self.take(1)[0]))

    def due(self) -> Due:
        hooks, facts = _FIRINGS.unpack(self.take(_FIRINGS.size))
        return Due(tuple(self.names(hooks)), self.take(facts))

    def over(self) -> Over:
        origin = self.take(FINGERPRINT_SIZE)
        return Over(origin, Seen(*_SEEN.unpack(self.take(_SEEN.size))))

    def rest(self) -> bytes:
        begun, self._at = self._at, len(self._payload)
        return self._payload[begun:]

    @property
    def ended(self) -> bool:
        return self._at == len(self._payload)


def _check(request: Request, descriptors: int, reading: _Reading) -> None:
    _check_end(reading)
    if request.attachments:
        _check_count(request.attachments)
    if request.over is not None:
        _check_over(request)
    if request.due is not None:
        _check_due(request)
    if request.descriptors != descriptors:
        raise MalformedError("a placing frame without exactly its descriptors")


def _cut_short() -> MalformedError:
    return MalformedError("a placing frame is cut short")


def _check_end(reading: _Reading) -> None:
    if not reading.ended:
        raise MalformedError("a placing frame with more than it announces")


def _check_over(request: Request) -> None:
    if request.base or request.attachments or request.fingerprint is None:
        raise MalformedError("what takes the place of a file has a fingerprint, and no name")


def _check_count(attachments: tuple[str, ...]) -> None:
    if len(attachments) > MOST_ATTACHMENTS:
        raise MalformedError("a placing frame with too many attachments")
    if len(set(attachments)) != len(attachments):
        raise MalformedError("a placing frame with two attachments of one name")


def _check_due(request: Request) -> None:
    assert request.due is not None
    if not request.due.hooks or len(request.due.facts) > MOST_FACTS:
        raise MalformedError("a placing frame with firings of no hook, or with too long ones")
    if request.fingerprint is None:
        raise MalformedError("a placing frame with firings and without a fingerprint")
    _text(request.due.facts)


def _name(octets: bytes) -> str:
    """The name of one entry in a directory; never one of ours, which begin with a dot."""
    text = _text(octets)
    if not 0 < len(octets) <= _LONGEST_NAME or text[0] == "." or "/" in text or "\0" in text:
        raise MalformedError("a placing frame with a name that no file may have")
    return text


# Many messages come to one mailbox.
_part = lru_cache(_KNOWN)(_name)


@lru_cache(_KNOWN)
def _octets(part: str) -> bytes:
    """The inverse of `_part`, which lets through no more."""
    return _name(part.encode()).encode()


def _base(octets: bytes) -> str:
    """A stem that can stand between quotation marks in TOML as it is."""
    text = _name(octets)
    safe = text.isprintable() and '"' not in text and "\\" not in text
    if len(octets) > _LONGEST_BASE or not safe:
        raise MalformedError("a placing frame with a stem that cannot be an id")
    return text


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError as cause:
        raise MalformedError("a placing frame with a name that is not UTF-8") from cause
