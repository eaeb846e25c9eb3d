"""Quantities as people write them: durations, sizes in octets, and endpoints.

Every parser raises `InvalidNameError` with one sentence that says what is expected.
"""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from desired.frozen import ordered
from desired.names import InvalidNameError

DURATION = "[0-9]{1,15}(?:ms|s|m|h|d)"
SIZE = "[0-9]{1,15}(?:[KMGT]iB)?"

_DURATION = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)")
_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_BINARY = {"TiB": 1 << 40, "GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}
_ENDPOINT = re.compile(r"(?:\[([^\[\]]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")


def parse_duration(text: str) -> timedelta:
    """Read `"90s"`, `"5m"`, `"24h"`, `"30d"` or `"100ms"`."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise InvalidNameError(f"{text!r} is not a duration: write '90s', '5m', '24h' or '30d'")
    try:
        return int(found[1]) * _UNITS[found[2]]
    except OverflowError as cause:
        raise InvalidNameError(f"{text!r} is not a duration that ends") from cause


def write_duration(duration: timedelta) -> str:
    """The inverse of `parse_duration`, in the largest unit that is exact."""
    for unit, length in _UNITS.items():
        if not duration % length:
            return f"{duration // length}{unit}"
    raise InvalidNameError(f"{duration} is finer than a millisecond")


def parse_size(text: int | str) -> int:
    """Read a number of octets, or `"25MiB"`."""
    found = re.fullmatch(r"([0-9]{1,15})([KMGT]iB)?", str(text))
    if not found:
        raise InvalidNameError(f"{text!r} is not a size: write octets, or '64KiB', '25MiB', '1GiB'")
    return int(found[1]) * _BINARY.get(found[2], 1)


_WRITTEN = "write it as '127.0.0.1:25' or '[::1]:25'"


@ordered
class Endpoint:
    """Where to listen or whom to call: a host and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        found = _ENDPOINT.fullmatch(text)
        if not found or int(found[3]) > 65535:
            raise InvalidNameError(f"{text!r} is not host:port", _WRITTEN)
        host = found[2] or _ipv6(found[1], text)
        if not host.strip("0123456789."):
            _require_ipv4(host, text)
        return cls(host, int(found[3]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _require_ipv4(host: str, text: str) -> None:
    """What is all digits and dots is no name, and a daemon that listens there would not start."""
    try:
        IPv4Address(host)
    except AddressValueError as cause:
        raise InvalidNameError(f"{text!r}: {host!r} is not an IPv4 address", _WRITTEN) from cause


def _ipv6(host: str, text: str) -> str:
    try:
        return IPv6Address(host).compressed
    except AddressValueError as cause:
        raise InvalidNameError(f"{text!r}: {host!r} is not an IPv6 address", _WRITTEN) from cause
