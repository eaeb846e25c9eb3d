"""What may be meant by a word that nobody knows: the one that is written most like it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

# How much a misspelling has in common with what is meant: example.org has less with example.com.
_AS_DOMAIN = 0.85
_COMPARED = 100  # Of more domains a comparison with each would take its time.


def nearest(word: str, known: Iterable[str]) -> str:
    """Empty where none is near."""
    return next(iter(get_close_matches(word, known, n=1)), "")


@lru_cache
def nearest_domain(name: str, listed: frozenset[str]) -> str:
    """The listed domain of which it may be a misspelling; empty where there is none."""
    if len(listed) > _COMPARED:
        return ""
    return next(iter(get_close_matches(name, sorted(listed), n=1, cutoff=_AS_DOMAIN)), "")
