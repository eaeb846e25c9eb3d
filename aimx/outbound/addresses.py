"""The addresses of a submission: who sends, who receives, and how a header says so."""

from __future__ import annotations

import re
from dataclasses import replace

from aimx.mail.addresses import AddressError, Correspondent, correspondents
from aimx.outbound import header
from aimx.outbound.refusal import malformed
from desired.names import Domain, InvalidNameError

LONGEST_LOCAL_PART = 64  # Octets: RFC 5321 4.5.3.1.1.

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_BARE = re.compile(r'(?P<name>[^<>]*<)?[ \t]*(?P<local>[^\s<>@",;:()]+)[ \t]*(?(name)>)[ \t]*')


def everyone(field: str, text: str) -> tuple[Correspondent, ...]:
    """All of a field, with domains in A-labels; raises `SubmissionError`."""
    try:
        found = correspondents(text.encode())
    except AddressError as fault:
        raise malformed(f"{field}: {fault}") from fault
    return tuple(_usable(field, correspondent) for correspondent in found)


def one(field: str, text: str, default_domain: str) -> Correspondent:
    """The one address that the field must hold. A bare local part is of the default domain."""
    if bare := _BARE.fullmatch(text):
        name = bare["name"] or ""
        text = f"{name}{bare['local']}@{default_domain}{'>' if name else ''}"
    found = everyone(field, text)
    if len(found) != 1:
        raise malformed(f"{field} must hold exactly one address, and it holds {len(found)}")
    return found[0]


def _usable(field: str, found: Correspondent) -> Correspondent:
    """What SMTP can carry to whomever it names. Quoted local parts are more trouble than use."""
    fits = len(found.local.encode()) <= LONGEST_LOCAL_PART
    if not fits or not found.local.isprintable() or not _LOCAL_PART.fullmatch(found.local):
        raise malformed(
            f"{field}: the local part of {found.address[:80]!r} is not a dot-atom of at most"
            f" {LONGEST_LOCAL_PART} octets"
        )
    try:
        return replace(found, domain=Domain.parse(found.domain).ascii)
    except InvalidNameError:
        raise malformed(f"{field}: {found.address[:80]!r} has no valid domain") from None


def written(correspondent: Correspondent) -> str:
    """As a header carries it."""
    name, address = correspondent.name, correspondent.address
    if not name:
        return address
    if not name.isascii():
        return f"{header.encoded(name)} <{address}>"
    if not _PLAIN_NAME.fullmatch(name):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{name} <{address}>"


def is_international(correspondent: Correspondent) -> bool:
    """Whether only SMTPUTF8 (RFC 6531) can carry it."""
    return not correspondent.address.isascii()
