"""Reads a DMARC policy record (RFC 9989 4.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

from aimx.verify.verdict import Policy
from desired.frozen import frozen

Request: TypeAlias = Literal["none", "quarantine", "reject"]

# RFC 9989 4.8: the version comes first and is the only case-sensitive word.
_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_REQUESTS: Mapping[str, Request] = {
    "none": "none",
    "quarantine": "quarantine",
    "reject": "reject",
}
_ONE_LESS: Mapping[Request, Request] = {
    "reject": "quarantine",
    "quarantine": "none",
    "none": "none",
}
_URI = re.compile(r"\s*[a-z][a-z0-9+.-]*:[^\s,]+", re.IGNORECASE)


@frozen
class PolicyRecord:
    """What a domain says about mail that it does not stand behind."""

    domain: Policy  # For the domain itself; empty: the record asks for nothing at all.
    subdomains: Policy
    nonexistent: Policy  # For subdomains that do not exist.
    psd: Literal["y", "n", "u"] = "u"  # Whether this is a public suffix.
    strict_dkim: bool = False
    strict_spf: bool = False


def read(texts: Iterable[bytes]) -> PolicyRecord | None:
    """The record among `texts`. None where there is none, or more than one (RFC 9989 4.10)."""
    decoded = (text.decode("ascii", "replace").strip() for text in texts)
    records = [text for text in decoded if _VERSION.match(text)]
    return _record(records[0]) if len(records) == 1 else None


def _tags(text: str) -> Mapping[str, str]:
    """What is no tag is passed over: "syntax errors in the remainder MUST be discarded"."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {tag.strip().lower(): value.strip() for tag, equals, value in pairs if equals}


@lru_cache(maxsize=512)
def _record(text: str) -> PolicyRecord:
    tags = _tags(text)
    domain, subdomains, nonexistent = _requests(tags)
    flags = {tag: tags.get(tag, "").lower() for tag in ("psd", "adkim", "aspf")}
    return PolicyRecord(
        domain=domain,
        subdomains=subdomains,
        nonexistent=nonexistent,
        psd="y" if flags["psd"] == "y" else "n" if flags["psd"] == "n" else "u",
        strict_dkim=flags["adkim"] == "s",
        strict_spf=flags["aspf"] == "s",
    )


def _requests(tags: Mapping[str, str]) -> tuple[Policy, Policy, Policy]:
    """`p`, `sp` and `np`; RFC 9989 4.10.1: one that is no policy spoils all three."""
    words = {tag: tags[tag].lower() for tag in ("p", "sp", "np") if tag in tags}
    if not set(words.values()) <= _REQUESTS.keys():
        wants_reports = any(map(_URI.match, tags.get("rua", "").split(",")))
        return ("none",) * 3 if wants_reports else ("",) * 3
    found = {tag: _REQUESTS[word] for tag, word in words.items()}
    if tags.get("t", "").lower() == "y":  # RFC 9989 4.7: the domain is testing.
        found = {tag: _ONE_LESS[request] for tag, request in found.items()}
    domain = found.get("p", "none")
    subdomains = found.get("sp", domain)
    return domain, subdomains, found.get("np", subdomains)
