"""What a kind desires or observes of a resource, as named texts that may be shown.

No content of a file is in them: a digest tells one content from another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import PurePath
from typing import Any

from desired.frozen import fields
from reconcilers.host.host import Access, Nature

# What is a word among programmers, said in full.
_NAMES = {
    "coming": "comes from elsewhere",
    "earlier": "signs of an earlier layout",
    "flaw": "flaw of the private key",
    "follows": "public key belongs to the private key",
    "here": "on the file system of the data directory",
    "labelled": "named after its selector",
    "managed": "the last generation signs with it",
    "recorded": "its generation is on record",
}


def facts(value: Any) -> tuple[tuple[str, str], ...]:
    """Every part of it by name, in the order of its type."""
    return tuple(_parts("", value))


def _parts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    named = _named(value)
    if named is None:
        yield name, _text(value)
        return
    for part, below in named.items():
        yield from _parts(_NAMES.get(part, part.replace("_", " ")), below)


def _named(value: Any) -> Mapping[str, Any] | None:
    """The parts of a value that is no text by itself."""
    if isinstance(value, Mapping):
        return {str(key): value[key] for key in sorted(value, key=str)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        found: Mapping[str, Any] = value._asdict()
        return found
    if isinstance(value, Access):
        return None
    # What is not compared never makes a difference.
    compared = (name for name, part in fields(value).items() if part.compare)
    return {name: getattr(value, name) for name in compared} or None


def _text(value: Any) -> str:
    match value:
        case Access():
            return _access(value)
        case None:
            return "not there"
        case bool():
            return "yes" if value else "no"
        case Nature():
            return str(value)
        case bytes():
            return f"{len(value):,} octets, sha256 {sha256(value).hexdigest()[:12]}"
        case tuple() | frozenset():
            return ", ".join(map(_text, value)) or "none"
        case PurePath() | str():
            return str(value) or "none"
        case _:
            return str(value)


def _access(access: Access) -> str:
    if access.uid < 0:
        return f"{access.mode:04o}, of a user whom this machine does not know"
    return f"{access.mode:04o}, uid {access.uid}, gid {access.gid}"
