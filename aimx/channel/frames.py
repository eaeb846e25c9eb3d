"""The frames of placing: one request in a packet, several replies in a packet."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

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

# Number, folder, uid, flags, then the octets of domain, name and base, and how many attachments.
_REQUEST = struct.Struct("!IBIBBBBB")
_REPLY = struct.Struct("!IBH")
_FINGERPRINT, _DESCRIPTOR, _DUE, _OVER, _OPENING, _TRACE = 1, 2, 4, 8, 16, 32  # The flags.
_FLAGS = _FINGERPRINT | _DESCRIPTOR | _DUE | _OVER | _OPENING | _TRACE
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
    parts = [_packed_head(request, flags, request.base.encode(), len(request.attachments))]
    parts.append(bytes.fromhex(request.trace))
    if request.over is None:
        _base(request.base.encode())
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
    domain, name = _name(asked.domain.encode()).encode(), _name(asked.name.encode()).encode()
    lengths = (len(domain), len(name), len(base), attachments)
    head = _REQUEST.pack(asked.number, asked.folder, asked.uid, flags, *lengths)
    return b"".join((head, asked.fingerprint or b"", domain, name, base))


def _packed_due(due: Due) -> bytes:
    names = [_name(hook.encode()).encode() for hook in due.hooks]
    counted = [part for name in names for part in (bytes((len(name),)), name)]
    return b"".join((_FIRINGS.pack(len(names), len(due.facts)), *counted, due.facts))


def unpack_request(payload: bytes, descriptors: int) -> Request | Opening:
    """The request that came with so many descriptors, each name in it safe to use."""
    reading = _Reading(payload)
    number, folder, uid, flags, domain, name, base, attachments = reading.header()
    if folder not in (Folder.INBOX, Folder.SENT) or flags & ~_FLAGS:
        raise MalformedError("a placing frame with an unknown folder or flag")
    if flags & _OPENING:
        if flags != _OPENING | _FINGERPRINT or base or attachments or descriptors:
            raise MalformedError("an opening has a fingerprint, and nothing else")
        fingerprint = reading.take(FINGERPRINT_SIZE)
        where = (_name(reading.take(domain)), _name(reading.take(name)))
        opening = Opening(number, Folder(folder), *where, uid, fingerprint)
        _check_end(reading)
        return opening
    request = Request(
        number=number,
        folder=Folder(folder),
        uid=uid,
        fingerprint=reading.take(FINGERPRINT_SIZE) if flags & _FINGERPRINT else None,
        domain=_name(reading.take(domain)),
        name=_name(reading.take(name)),
        base="" if flags & _OVER and not base else _base(reading.take(base)),
        trace=reading.take(trace.OCTETS).hex() if flags & _TRACE else "",
        over=reading.over() if flags & _OVER else None,
        attachments=tuple(reading.names(attachments)),
        due=reading.due() if flags & _DUE else None,
        rest=None if flags & _DESCRIPTOR else reading.rest(),
    )
    _check(request, descriptors, reading)
    return request


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
            replies.append(Reply(number, Outcome(outcome), text))
        except (struct.error, ValueError) as cause:
            raise MalformedError("a reply of the placer cannot be read") from cause
    return replies


class _Reading:
    """A payload and how far it has been read."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def header(self) -> tuple[int, ...]:
        return _REQUEST.unpack(self.take(_REQUEST.size))

    def take(self, length: int) -> bytes:
        part = self._payload[self._at : self._at + length]
        if len(part) != length:
            raise MalformedError("a placing frame is cut short")
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
        return self.take(len(self._payload) - self._at)

    @property
    def ended(self) -> bool:
        return self._at == len(self._payload)


def _check(request: Request, descriptors: int, reading: _Reading) -> None:
    _check_end(reading)
    _check_count(request.attachments)
    if request.over is not None:
        _check_over(request)
    if request.due is not None:
        _check_due(request)
    if request.descriptors != descriptors:
        raise MalformedError("a placing frame without exactly its descriptors")


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


def _base(octets: bytes) -> str:
    """A stem that can stand between quotation marks in TOML as it is."""
    text = _name(octets)
    safe = text.isprintable() and not {'"', "\\"} & set(text)
    if len(octets) > _LONGEST_BASE or not safe:
        raise MalformedError("a placing frame with a stem that cannot be an id")
    return text


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError as cause:
        raise MalformedError("a placing frame with a name that is not UTF-8") from cause
