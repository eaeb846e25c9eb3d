"""Older shapes, and what they mean today."""

from __future__ import annotations

from desired.finding import Pattern
from desired.names import Address, Domain, InvalidNameError, LocalPart

_HOOK = ("mailboxes", "*", "hooks", "*")
_FIELD = "hook '{name}' carries removed field "

# Keys that an older schema had, and what became of them. `{name}` is the hook's, or the mailbox's.
REMOVED: tuple[tuple[Pattern, str], ...] = (
    (
        ("hook_template",),
        "`[[hook_template]]` was removed: write the command into each hook's `cmd`",
    ),
    (
        ("mailboxes", "*", "on_receive"),
        "mailbox '{name}' carries removed field 'on_receive': write [[mailboxes.\"{name}\".hooks]]"
        ' with `event = "on_receive"`',
    ),
    (
        (*_HOOK, "stdin"),
        _FIELD + "'stdin' — remove this line and restart aimx serve;"
        " the email is always piped to hooks",
    ),
    (
        (*_HOOK, "run_as"),
        _FIELD + "'run_as' — remove this line: a hook runs as its mailbox's owner",
    ),
    ((*_HOOK, "origin"), _FIELD + "'origin' — remove this line"),
    (
        (*_HOOK, "dangerously_support_untrusted"),
        _FIELD + "'dangerously_support_untrusted' — it is called `fire_on_untrusted` now",
    ),
    ((*_HOOK, "template"), _FIELD + "'template' — write the command into `cmd`"),
    ((*_HOOK, "params"), _FIELD + "'params' — write the command into `cmd`"),
)


def address(key: str, written: str | None, default: Domain | None) -> Address:
    """The address that a mailbox's table means: its key, or for a key without `@` its `address`.

    Raises `InvalidNameError` where that is no address.
    """
    if "@" in key:
        found = Address.parse(key)
        if written is not None and _normal(written) != str(found):
            raise InvalidNameError(
                f'mailbox `[mailboxes."{key}"]` has `address = "{written}"` which does not match'
                f" its key (expected '{found}'); rename the key or update the address"
            )
        return found
    if written is not None:
        return _full(key, written)
    if default is None:
        raise InvalidNameError(f"mailbox '{key}' has no domain")
    return Address(LocalPart.parse(key), default)


def _normal(written: str) -> str:
    try:
        return str(Address.parse(written))
    except InvalidNameError:
        return written


def _full(key: str, written: str) -> Address:
    local, _, domain = written.rpartition("@")
    if not local or not domain:
        raise InvalidNameError(
            f"mailbox '{key}' has `address = \"{written}\"`"
            " which is not a full <local>@<domain> address"
        )
    return Address.parse(written)


def mentioned(text: str, default: Domain | None) -> Address:
    """The mailbox that a list of mailboxes means: a bare local part is on the default domain."""
    return address(text, None, default)
