"""A message as its author hands it in: header fields and a body, before anything is decided.

Lines end in CRLF, or all of them in LF; a line end of the other kind, or any other control
character in the header, is a header that somebody tries to hide, and refused.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace

from aimx.mail.addresses import Correspondent
from aimx.outbound import addresses
from aimx.outbound.refusal import Code, SubmissionError, malformed
from desired.frozen import frozen

LARGEST_HEADER = 64 * 1024

_NAME = re.compile(r"[!-9;-~]+")  # RFC 5322 2.2.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@frozen
class Field:
    """One header field, unfolded."""

    name: str  # As written.
    value: str


@frozen
class Submission:
    """Header and body, apart."""

    fields: tuple[Field, ...]
    body: bytes  # Line ends as they came.

    def value(self, name: str) -> str:
        """The value of a field that may stand once (RFC 5322 3.6); empty where it is absent."""
        found = [field.value for field in self.fields if field.name.lower() == name.lower()]
        if len(found) > 1:
            raise malformed(f"{len(found)} {name} headers, where one is allowed")
        return found[0] if found else ""

    def author(self, domains: Sequence[str]) -> Correspondent:
        """Who sends: the one address in From, in one of our domains. The first is the default.

        In lower case, as mailboxes are named.
        """
        text = self.value("From")
        if not text:
            raise malformed("no From header: it must name the mailbox that sends")
        author = addresses.one("From", text, domains[0])
        if author.domain not in domains:
            known = ", ".join(f'"{domain}"' for domain in domains)
            raise SubmissionError(
                Code.DOMAIN, f"sender domain '{author.domain}' is not in `domains = [{known}]`"
            )
        return replace(author, local=author.local.lower())


def author_of(submission: bytes, domains: Sequence[str]) -> Correspondent:
    """Who sends, read before anything else is; raises `SubmissionError`."""
    return read(submission).author(domains)


def read(submission: bytes) -> Submission:
    """Split a message into header fields and body; raises `SubmissionError`."""
    line_end = b"\r\n" if submission.partition(b"\n")[0].endswith(b"\r") else b"\n"
    head, blank_line, body = submission.partition(line_end * 2)
    if len(head) > LARGEST_HEADER:
        raise malformed("outbound request header block is too large")
    if not blank_line:
        raise malformed("outbound request body has no header/body separator (expected blank line)")
    try:
        lines = head.decode().split(line_end.decode())
    except UnicodeDecodeError:
        raise malformed("the header is not UTF-8") from None
    return Submission(tuple(map(_field, itertools.count(1), _unfolded(lines))), body)


def _unfolded(lines: Sequence[str]) -> list[str]:
    """RFC 5322 2.2.3, without what would be quadratic for a field of many lines."""
    gathered: list[list[str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and gathered:
            gathered[-1].append(line)
        else:
            gathered.append([line])
    return ["".join(parts) for parts in gathered]


def _field(number: int, text: str) -> Field:
    name, colon, value = text.partition(":")
    name = name.rstrip(" \t")
    if not colon or not _NAME.fullmatch(name):
        raise malformed(f"header field {number} does not have the form 'Name: value'")
    if found := _CONTROL.search(value):
        what = "CRLF" if found[0] in "\r\n" else "control"
        raise malformed(f"Header '{name}' contains {what} characters. Possible header injection")
    return Field(name, value.strip(" \t"))
