"""Control messages: frozen dataclasses as JSON objects, read back strictly.

What is not one of the vocabulary's messages, with exactly its fields and types, is malformed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from enum import StrEnum
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from aimx.channel.packets import MalformedError

_TAG = "message"
_BEYOND = 2**64  # Nothing that we count comes near; what does, no float or column could hold.
_PLAIN = (str, int, float, bool, NoneType)
_NO_NAMES: Mapping[str, Any] = MappingProxyType({})


class Vocabulary:
    """The messages that one channel speaks.

    Fields may be `str`, `int`, `float`, `bool`, `None`, a `StrEnum`, a `Literal`, a dataclass, and
    tuples (`tuple[X, ...]`), mappings (`Mapping[str, X]`) and unions of these. Anything else fails
    here, at import, and not in a running engine.
    """

    def __init__(self, *messages: type, names: Mapping[str, Any] = _NO_NAMES) -> None:
        """`names`: types that a message's module itself does not import."""
        self._readers = {
            message.__name__: _dataclass_reader(message, names) for message in messages
        }
        # Of those that hold nothing that holds something: `asdict` would look into each field.
        self._writers = {
            message: _flat_writer(message)
            for message in messages
            if all(kind in _PLAIN for kind in get_type_hints(message, localns=names).values())
        }

    def encode(self, message: object) -> bytes:
        """The payload; a message of another vocabulary is a `TypeError`."""
        write = self._writers.get(type(message))
        if write is not None:
            return write(message)
        name = type(message).__name__
        if not is_dataclass(message) or isinstance(message, type) or name not in self._readers:
            raise TypeError(f"{name} is no message of this vocabulary")
        return _ENCODER.encode({_TAG: name, **asdict(message)}).encode()

    def decode(self, payload: bytes) -> Any:
        """The message, for a `match`; `MalformedError` for anything else."""
        found = _json(payload)
        if not isinstance(found, dict):
            raise MalformedError("a control message is no object")
        tag = found.pop(_TAG, None)
        reader = self._readers.get(tag) if isinstance(tag, str) else None
        if reader is None:
            raise MalformedError("a control message of an unknown type")
        return reader(found)


_Reader = Callable[[Any], Any]
_Writer = Callable[[Any], bytes]


def _flat_writer(message: type) -> _Writer:
    """Writes field by field: an object takes the encoder several times as long as its texts."""
    opening = f'{{"{_TAG}":"{message.__name__}"'
    keys = [(field.name, f',"{field.name}":') for field in fields(message)]

    def write(told: Any) -> bytes:
        parts = [opening]
        for name, key in keys:
            value = getattr(told, name)
            parts += key, _WRITTEN.get(type(value), _ENCODER.encode)(value)
        return f"{''.join(parts)}}}".encode()

    return write


def _json(payload: bytes) -> Any:
    try:
        return _DECODER.decode(payload.decode())
    except (ValueError, RecursionError) as cause:
        raise MalformedError("a control message is no JSON") from cause


def _no_constant(name: str) -> Any:
    raise MalformedError(f"a control message holds {name}")


# Made once: `json.dumps` and `json.loads` would make them for each message.
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_no_constant)
# What needs no encoder.
_WRITTEN: Mapping[type, Callable[[Any], str]] = {
    int: repr,
    bool: {True: "true", False: "false"}.__getitem__,
}


def _reader(kind: Any, names: Mapping[str, Any]) -> _Reader:
    """What turns a decoded JSON value into a field of this type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return _plain_reader(kind)
    if origin is Literal:
        return _member_reader(arguments)
    if origin in (Union, UnionType):
        return _union_reader(arguments, names)
    if origin is tuple and arguments[1:] == (...,):
        return _tuple_reader(arguments[0], names)
    if origin is Mapping and arguments[0] is str:
        return _mapping_reader(arguments[1], names)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _enum_reader(kind)
    return _dataclass_reader(kind, names)


def _plain_reader(kind: type) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) in (int, float) and not -_BEYOND < value < _BEYOND:
            raise MalformedError("a field holds a number that is out of bounds")
        if kind is float and type(value) is int:
            return float(value)
        # Not `isinstance`: `True` is no number here.
        if type(value) is not kind:
            raise MalformedError(f"a field holds {type(value).__name__} instead of {kind.__name__}")
        return value

    return read


def _member_reader(members: tuple[Any, ...]) -> _Reader:
    def read(value: Any) -> Any:
        for member in members:
            if type(member) is type(value) and member == value:
                return member
        raise MalformedError("a field holds none of its values")

    return read


def _enum_reader(kind: type[StrEnum]) -> _Reader:
    known = _member_reader(tuple(member.value for member in kind))
    return lambda value: kind(known(value))


def _union_reader(kinds: tuple[Any, ...], names: Mapping[str, Any]) -> _Reader:
    readers = [_reader(kind, names) for kind in kinds]

    def read(value: Any) -> Any:
        for reader in readers:
            try:
                return reader(value)
            except MalformedError:
                continue
        raise MalformedError("a field holds none of its types")

    return read


def _tuple_reader(kind: Any, names: Mapping[str, Any]) -> _Reader:
    item = _reader(kind, names)

    def read(value: Any) -> Any:
        if type(value) is not list:
            raise MalformedError("a field holds no list")
        return tuple(item(member) for member in value)

    return read


def _mapping_reader(kind: Any, names: Mapping[str, Any]) -> _Reader:
    item = _reader(kind, names)

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise MalformedError("a field holds no object")
        return {name: item(member) for name, member in value.items()}

    return read


def _dataclass_reader(kind: Any, names: Mapping[str, Any]) -> _Reader:
    if not is_dataclass(kind) or not isinstance(kind, type):
        raise TypeError(f"{kind!r} cannot be a part of a control message")
    hints = get_type_hints(kind, localns=dict(names))
    readers = {field.name: _reader(hints[field.name], names) for field in fields(kind)}

    def read(value: Any) -> Any:
        if type(value) is not dict or value.keys() != readers.keys():
            raise MalformedError(f"a {kind.__name__} has not exactly its fields")
        return kind(**{name: reader(value[name]) for name, reader in readers.items()})

    return read
