"""The grammar of RFC 5321 4.1.2: what stands between the angle brackets of MAIL and RCPT."""

from __future__ import annotations

import re

import idna

# RFC 6531 3.3: UTF-8 beyond ASCII may stand wherever an atom, a quoted text or a label may.
_WIDE = "\xa0-\ud7ff\ue000-\U0010ffff"
_ATOM = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_WIDE}-]+"
_DOTTED = rf"{_ATOM}(?:\.{_ATOM})*"
_QUOTED = rf'"(?:[ !#-\[\]-~{_WIDE}]|\\[ -~])*"'
# RFC 5321 4.1.2 knows no underscore, but hosts that send mail have it in their names.
_LABEL = rf"[A-Za-z0-9_{_WIDE}](?:[A-Za-z0-9_{_WIDE}-]{{0,61}}[A-Za-z0-9_{_WIDE}])?"
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
