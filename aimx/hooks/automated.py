"""Whether no person wrote a message, as far as it says so itself (RFC 3834 2)."""

from __future__ import annotations

from aimx.mail.header import Header

_LISTS = ("list-id", "list-post", "list-unsubscribe")
_BULK = frozenset({"bulk", "list", "junk"})


def automation(header: Header, sender: str) -> str:
    """Why it counts as automated; empty for a message of a person."""
    if not sender:
        return "it is a bounce: its sender is null"
    # RFC 3834 5: a keyword, maybe with parameters; `no` is what a person's message may say.
    keyword = header.text("auto-submitted").partition(";")[0].strip().lower()
    if keyword not in ("", "no"):
        return "it says of itself that it was submitted automatically"
    if any(header.values(name) for name in _LISTS):
        return "it comes from a mailing list"
    if header.text("precedence").strip().lower() in _BULK:
        return "it says of itself that it is bulk mail"
    return ""
