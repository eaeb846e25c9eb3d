"""Lists of addresses as RFC 5322 3.4 writes them, read strictly.

There are two forms, `local@domain` and `Name <local@domain>`. Groups, routes, nested comments and
quoted local parts are refused: what is read here decides who sends and who receives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aimx.outbound import header
from aimx.outbound.refusal import SubmissionError, malformed
from desired.names import Domain, InvalidNameError

LONGEST_LOCAL_PART = 64  # Octets: RFC 5321 4.5.3.1.1.

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_TOKEN = re.compile(
    r"""
      (?P<blank>   [ \t]+ )
    | (?P<quoted>  "(?:[^"\\]|\\.)*" )
    | (?P<angle>   <[^<>]*> )
    | (?P<comment> \((?:[^()\\]|\\.)*\) )
    | (?P<comma>   , )
    | (?P<word>    [^ \t"<>(),;:\\]+ )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Someone in a header."""

    address: str  # The domain in lower-case A-labels.
    name: str = ""  # As a reader sees it.

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @property
    def is_international(self) -> bool:
        """Whether only SMTPUTF8 (RFC 6531) can carry it."""
        return not self.address.isascii()

    def __str__(self) -> str:
        return f"{_phrase(self.name)} <{self.address}>" if self.name else self.address

    @property
    def written(self) -> str:
        """As a header carries it."""
        if self.name.isascii():
            return str(self)
        return f"{header.encoded(self.name)} <{self.address}>"


def mailboxes(field: str, text: str, default_domain: str = "") -> tuple[Mailbox, ...]:
    """Everyone in a field's value. A bare local part is of the default domain, if there is one."""
    found = []
    for tokens in _items(field, text):
        if tokens:
            found.append(_mailbox(field, tokens, default_domain))
    return tuple(found)


def _items(field: str, text: str) -> list[list[re.Match[str]]]:
    items: list[list[re.Match[str]]] = [[]]
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise malformed(f"{field}: {_shown(text[at:])} cannot be read as an address")
        at = token.end()
        if token.lastgroup == "comma":
            items.append([])
        elif token.lastgroup not in ("blank", "comment"):
            items[-1].append(token)
    return items


def _mailbox(field: str, tokens: list[re.Match[str]], default_domain: str) -> Mailbox:
    *phrase, last = tokens
    if last.lastgroup == "angle" and not any(token.lastgroup == "angle" for token in phrase):
        name = " ".join(map(_name, phrase))
        return Mailbox(_address(field, last[0][1:-1].strip(), default_domain), name)
    if last.lastgroup == "word" and not phrase:
        return Mailbox(_address(field, last[0], default_domain))
    shown = _shown(" ".join(token[0] for token in tokens))
    raise malformed(f"{field}: {shown} is not an address; write 'Name <local@domain>'")


def _name(token: re.Match[str]) -> str:
    if token.lastgroup == "quoted":
        return re.sub(r"\\(.)", r"\1", token[0][1:-1])
    return header.decoded(token[0])


def _address(field: str, text: str, default_domain: str) -> str:
    local, at, domain = text.rpartition("@")
    if not at:
        local, domain = text, default_domain
    try:
        if not _is_local_part(local) or not domain:
            raise malformed(f"{field}: {_shown(text)} is not a full <local>@<domain> address")
        return f"{local}@{Domain.parse(domain).ascii}"
    except InvalidNameError:
        raise malformed(f"{field}: {_shown(text)} has no valid domain") from None


def _is_local_part(text: str) -> bool:
    fits = len(text.encode()) <= LONGEST_LOCAL_PART
    return fits and text.isprintable() and _LOCAL_PART.fullmatch(text) is not None


def _phrase(name: str) -> str:
    if _PLAIN_NAME.fullmatch(name) and "=?" not in name:
        return name
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def _shown(text: str) -> str:
    return repr(text[:80])


def only(field: str, found: tuple[Mailbox, ...]) -> Mailbox:
    """The one mailbox that there must be."""
    if len(found) != 1:
        raise _not_one(field, len(found))
    return found[0]


def _not_one(field: str, count: int) -> SubmissionError:
    return malformed(f"{field} must hold exactly one address, and it holds {count}")
