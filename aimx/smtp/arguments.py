"""What follows MAIL and RCPT: a path and parameters (RFC 5321 4.1.1.2, 4.1.1.3, 4.1.2)."""

from __future__ import annotations

import re

from aimx.mail.remembered import remembered
from aimx.smtp.addresses import address
from aimx.smtp.replies import (
    BAD_PARAMETER,
    BAD_RECIPIENT,
    BAD_SENDER,
    MAIL_SYNTAX,
    NEEDS_SMTPUTF8_RECIPIENT,
    NEEDS_SMTPUTF8_SENDER,
    RCPT_SYNTAX,
    UNKNOWN_PARAMETER,
    Reply,
)
from desired.frozen import frozen

# Spaces after the colon are wrong and common. A ">" inside quotes does not end the path.
_PATH = r' *<(?P<path>[^<>"]*(?:"(?:[^"\\]|\\.)*"[^<>"]*)*)>(?P<parameters>(?: +[!-~]+)*) *'
_MAIL = re.compile(f"FROM:{_PATH}", re.IGNORECASE)
_RCPT = re.compile(f"TO:{_PATH}", re.IGNORECASE)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?")
# RFC 1870 4.
_SIZE = re.compile(r"[0-9]{1,20}")


@frozen
class Sender:
    """What MAIL said."""

    address: str  # Empty for the null sender.
    size: int = 0  # 0 where it did not say.
    utf8: bool = False


@frozen
class _Recipient:
    """What RCPT said."""

    path: str
    address: str | None  # None where the path is no address.


@remembered
def sender(argument: str) -> Sender | Reply:
    """Read what follows MAIL, or say what is wrong with it."""
    found = _MAIL.fullmatch(argument)
    if found is None:
        return MAIL_SYNTAX
    said = _parameters(found["parameters"])
    if isinstance(said, Reply):
        return said
    size, utf8 = said.get("SIZE", "0"), "SMTPUTF8" in said
    if refusal := _wrong(said, size):
        return refusal
    path = found["path"]
    if not (path.isascii() or utf8):
        return NEEDS_SMTPUTF8_SENDER
    whom = address(path) if path else ""
    if whom is None:
        return BAD_SENDER
    return Sender(whom, int(size), utf8)


def recipient(argument: str, *, utf8: bool) -> str | Reply:
    """Read what follows RCPT, or say what is wrong with it; `utf8`: MAIL said SMTPUTF8."""
    found = _recipient(argument)
    if isinstance(found, Reply):
        return found
    if not (found.path.isascii() or utf8):
        return NEEDS_SMTPUTF8_RECIPIENT
    return found.address or BAD_RECIPIENT


@remembered
def _recipient(argument: str) -> _Recipient | Reply:
    found = _RCPT.fullmatch(argument)
    if found is None:
        return RCPT_SYNTAX
    said = _parameters(found["parameters"])
    if isinstance(said, Reply):
        return said
    if said:
        return UNKNOWN_PARAMETER
    path = found["path"]
    # RFC 5321 4.1.1.3: the one recipient that needs no domain.
    return _Recipient(path, path if path.lower() == "postmaster" else address(path))


def _parameters(text: str) -> dict[str, str] | Reply:
    """By name in upper case; empty for what has no value."""
    said: dict[str, str] = {}
    for word in text.split():
        found = _PARAMETER.fullmatch(word)
        if found is None or found[1].upper() in said:
            return BAD_PARAMETER
        said[found[1].upper()] = found[2] or ""
    return said


def _wrong(said: dict[str, str], size: str) -> Reply | None:
    if not said:
        return None
    if not said.keys() <= {"SIZE", "BODY", "SMTPUTF8"}:
        return UNKNOWN_PARAMETER
    # RFC 6152 2, RFC 6531 3.4.
    body_is_wrong = said.get("BODY", "7BIT").upper() not in {"7BIT", "8BITMIME"}
    if body_is_wrong or said.get("SMTPUTF8") or not _SIZE.fullmatch(size):
        return BAD_PARAMETER
    return None
