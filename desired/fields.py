"""How names and quantities are written in a manifest: strings for pydantic, values for us."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_network
from typing import Annotated, TypeVar

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from desired.desired import Network
from desired.names import (
    Address,
    Domain,
    Glob,
    HookName,
    InvalidNameError,
    Owner,
    Selector,
)
from desired.quantities import DURATION, SIZE, Endpoint, parse_duration, parse_size
from desired.relay import Relay, SecretReference

T = TypeVar("T")


def _text(parse: Callable[[str], T], pattern: str = "") -> tuple[PlainValidator, WithJsonSchema]:
    """How a field reads a string into a value, and what an editor is told about it."""
    # Ten thousand mailboxes have a few owners and patterns, and so share them.
    parse = lru_cache(maxsize=1024)(parse)

    def read(value: object) -> T:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "a string is expected")
        return parse(value)

    described = {"type": "string", "pattern": pattern} if pattern else {"type": "string"}
    return PlainValidator(read), WithJsonSchema(described)


def _size(value: object) -> int:
    if type(value) is int or isinstance(value, str):
        return parse_size(value)
    raise PydanticCustomError("size_type", "a size is expected")


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as cause:
        raise InvalidNameError(
            f"{text!r} is not a network: write '10.0.0.0/8' or '::1/128'"
        ) from cause


def _optional(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """An empty string switches the thing off."""
    return lambda text: parse(text) if text else None


def _absolute(text: str) -> str:
    if not text.startswith("/"):
        raise InvalidNameError(f"{text!r} is not an absolute path")
    return text


def _keep(text: str) -> timedelta | None:
    return None if text == "keep" else parse_duration(text)


def _mailbox(text: str) -> Address:
    """A resource's address, of the one kind that can move or be removed by name."""
    kind, slash, name = text.partition("/")
    if kind != "mailbox" or not slash:
        raise InvalidNameError(f"{text!r} is not a mailbox: write 'mailbox/info@example.com'")
    return Address.parse(name)


_SIZES = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^(?:{SIZE})$"}]
}

DomainText = Annotated[Domain, *_text(Domain.parse)]
MailboxText = Annotated[Address, *_text(_mailbox, "^mailbox/")]
AddressText = Annotated[Address, *_text(Address.parse)]
GlobText = Annotated[Glob, *_text(Glob.parse)]
SelectorText = Annotated[Selector, *_text(Selector.parse, Selector.pattern())]
HookNameText = Annotated[HookName, *_text(HookName.parse, HookName.pattern())]
OwnerText = Annotated[Owner, *_text(Owner.parse, Owner.pattern())]
EndpointText = Annotated[Endpoint, *_text(Endpoint.parse)]
RelayText = Annotated[Relay, *_text(Relay.parse)]
SecretText = Annotated[SecretReference, *_text(SecretReference.parse, "^(?:file:/|env:)")]
NetworkText = Annotated[Network, *_text(_network)]
Duration = Annotated[timedelta, *_text(parse_duration, f"^(?:{DURATION})$")]
Rotation = Annotated[timedelta | None, *_text(_optional(parse_duration), f"^(?:{DURATION})?$")]
Retention = Annotated[timedelta | None, *_text(_keep, f"^(?:keep|{DURATION})$")]
Listening = Annotated[Endpoint | None, *_text(_optional(Endpoint.parse))]
AbsolutePath = Annotated[str, *_text(_absolute, "^/")]
Size = Annotated[int, PlainValidator(_size), WithJsonSchema(_SIZES)]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
Natural = Annotated[int, Field(ge=0, le=2**31 - 1)]
