"""A number of things as a person says it: 1 message, 2 messages, 1,000 messages."""

from __future__ import annotations


def counted(number: int, thing: str, several: str = "") -> str:
    """`several`: what more than one are called, where an s is not enough."""
    return f"{number:,} {thing if number == 1 else several or f'{thing}s'}"
