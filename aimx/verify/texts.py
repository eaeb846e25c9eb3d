"""Reads the DNS message that mail brings about most: the texts of a name, and nothing before them.

dnspython makes an object of all that it reads, which takes ten times as long. It reads every
message that is not of this kind, however little it differs.
"""

from __future__ import annotations

import struct

import dns.rdataclass
import dns.rdatatype

from aimx.verify.resolver import Records

# RFC 1035 4.1.1: flags, questions, answers.
_HEADER = struct.Struct("!2xHHH4x")
# Of the flags, those that say what kind of message it is, whether it is whole, and how it went.
_KIND = 0xFA0F
_WHOLE_ANSWER = 0x8000
# RFC 1035 4.1.2, behind the name.
_QUESTION = struct.Struct("!HH")
_TEXT = dns.rdatatype.TXT, dns.rdataclass.IN
_LONGEST_LABEL = 63  # Octets: RFC 1035 3.1. What is more is no label.
# RFC 1035 4.1.3: the name, type, class, lifetime, octets of what it holds. The name is said to
# stand in the question (4.1.4).
_RECORD = struct.Struct("!HHHIH")
_THERE = 0xC000 + _HEADER.size
_NEGATIVE = 1 << 31  # RFC 2181 8: a lifetime with this bit is none.


class _UnusualError(Exception):
    """It is of another kind, or no message at all."""


def read(message: bytes) -> Records | None:
    """The texts; None: it has to be read as any other message."""
    try:
        flags, questions, answers = _HEADER.unpack_from(message)
        if (flags & _KIND, questions) != (_WHOLE_ANSWER, 1) or not answers:
            return None
        return _texts(message, _after_question(message), answers)
    except (_UnusualError, struct.error, IndexError):
        return None


def _after_question(message: bytes) -> int:
    at = _HEADER.size
    while octets := message[at]:
        if octets > _LONGEST_LABEL:
            raise _UnusualError
        at += 1 + octets
    if _QUESTION.unpack_from(message, at + 1) != _TEXT:
        raise _UnusualError
    return at + 1 + _QUESTION.size


def _texts(message: bytes, at: int, count: int) -> Records:
    # By what each record holds: a set has nothing twice (RFC 2181 5).
    texts: dict[bytes, bytes] = {}
    lifetimes = []
    for _ in range(count):
        name, *kind, lifetime, octets = _RECORD.unpack_from(message, at)
        at += _RECORD.size + octets
        if name != _THERE or (*kind,) != _TEXT or at > len(message):
            raise _UnusualError
        held = message[at - octets : at]
        texts[held] = _joined(held)
        lifetimes.append(0 if lifetime & _NEGATIVE else lifetime)
    return Records(tuple(texts.values()), min(lifetimes))


def _joined(held: bytes) -> bytes:
    """RFC 1035 3.3.14: strings, each after its length, which fill the record."""
    strings, at = [], 0
    while at < len(held):
        strings.append(held[at + 1 : at + 1 + held[at]])
        at += 1 + held[at]
    if not strings or at != len(held):
        raise _UnusualError
    return b"".join(strings)
