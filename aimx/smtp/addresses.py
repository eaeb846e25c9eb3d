"""The grammar of RFC 5321 4.1.2: what stands between the angle brackets of MAIL and RCPT."""

from __future__ import annotations

import re

import idna

# RFC 6531 3.3: UTF-8 beyond ASCII may stand wherever an atom, a quoted text or a label may; so
# classes name what may not stand there. C1 controls may not, whatever the RFC says.
_ATOM = r'[^\0- ()<>\[\]:;@\\,."\x7f-\x9f]+'
_DOTTED = rf"{_ATOM}(?:\.{_ATOM})*"
_QUOTED = r'"(?:[^\0-\x1f"\\\x7f-\x9f]|\\[ -~])*"'
# RFC 5321 4.1.2 knows no underscore, but hosts that send mail have it in their names.
_EDGE = r"[^\0-/:-@\[-^`{-\x9f]"
_INNER = r"[^\0-,./:-@\[-^`{-\x9f]"  # With the hyphen.
_LABEL = rf"{_EDGE}(?:{_INNER}{{0,61}}{_EDGE})?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_LITERAL = r"\[[!-Z^-~]+\]"
_ROUTE = rf"@{_DOMAIN}(?:,@{_DOMAIN})*:"

_MAILBOX = re.compile(
    rf"(?:{_ROUTE})?(?P<local>{_DOTTED}|{_QUOTED})@(?P<domain>{_DOMAIN}|{_LITERAL})"
)
_DOT_STRING = re.compile(_DOTTED)
_ESCAPED = re.compile(r"\\(.)")
_TO_ESCAPE = re.compile(r'(["\\])')
_LONGEST_DOMAIN = 255


def address(path: str) -> str | None:
    """The address in a path; None where it is none.

    A source route is dropped (RFC 5321 C), needless quoting is undone, since it does not make
    another address (4.1.2), and a domain beyond ASCII becomes its A-labels. The local part has
    no limit but the line's: bounce addresses outgrow the 64 octets of 4.5.3.1.1.
    """
    found = _MAILBOX.fullmatch(path)
    if found is None:
        return None
    local, domain = found["local"], found["domain"]
    if local[0] == '"':
        local = _plain(local)
    if not domain.isascii():
        domain = _ascii(domain)
    if not 0 < len(domain) <= _LONGEST_DOMAIN:
        return None
    return f"{local}@{domain}"


def _plain(quoted: str) -> str:
    content = _ESCAPED.sub(r"\1", quoted[1:-1])
    if _DOT_STRING.fullmatch(content):
        return content
    return '"' + _TO_ESCAPE.sub(r"\\\1", content) + '"'


def _ascii(domain: str) -> str:
    """The domain in A-labels; empty where it has none."""
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return ""
