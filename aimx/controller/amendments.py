"""What a command or a verb wants changed in the manifest: plain values, which a frame can carry.

They hold what somebody typed. What it means is for `edits` to say, which knows the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from desired.frozen import asdict, frozen


@frozen
class AddDomain:
    """A domain comes, behind the others."""

    domain: str
    selector: str = ""  # Empty: the one that all domains have.


@frozen
class RemoveDomain:
    """A domain goes, with its table."""

    domain: str
    force: bool = False  # Its mailboxes go with it.


@frozen
class SetDefault:
    """A domain that is listed becomes the default one."""

    domain: str


@frozen
class SetSelector:
    """A domain signs with the key of another selector, which is there."""

    domain: str
    selector: str


@frozen
class MakeKey:
    """A domain gets a DKIM key; the manifest stays as it is."""

    domain: str = ""  # Empty: the default one.
    selector: str = ""  # Empty: the one that it signs with.
    force: bool = False  # Also in the place of one that is there.


@frozen
class CreateMailbox:
    """A mailbox comes."""

    name: str  # An address, or a local part of the default domain.
    owner: str


@frozen
class DeleteMailbox:
    """A mailbox goes."""

    name: str
    force: bool = False  # Also one that holds mail.


@frozen
class CreateHook:
    """A mailbox gets a command."""

    mailbox: str
    event: str
    cmd: tuple[str, ...]
    name: str = ""  # Empty: derived from what it does.
    timeout_secs: int = 60
    fire_on_untrusted: bool = False


@frozen
class DeleteHook:
    """A command goes from its mailbox."""

    name: str


Amendment: TypeAlias = (
    AddDomain
    | RemoveDomain
    | SetDefault
    | SetSelector
    | MakeKey
    | CreateMailbox
    | DeleteMailbox
    | CreateHook
    | DeleteHook
)

# The command that asks for each, which is also what its frame says.
COMMANDS: Mapping[str, type[Amendment]] = {
    "domains add": AddDomain,
    "domains remove": RemoveDomain,
    "domains set-default": SetDefault,
    "domains rotate-dkim": SetSelector,
    "dkim-keygen": MakeKey,
    "mailboxes create": CreateMailbox,
    "mailboxes delete": DeleteMailbox,
    "hooks create": CreateHook,
    "hooks delete": DeleteHook,
}


def command(amendment: Amendment) -> str:
    """Which command asks for it, as history tells."""
    return next(words for words, kind in COMMANDS.items() if isinstance(amendment, kind))


def to_text(amendment: Amendment) -> str:
    """One line of ASCII; `from_text` gives the amendment again."""
    return json.dumps({"amend": command(amendment), **asdict(amendment)}, separators=(",", ":"))


def from_text(text: str) -> Amendment:
    """Raises `ValueError` for anything but what `to_text` gives."""
    said = json.loads(text)
    if type(said) is not dict:
        raise ValueError("it is not an object")
    kind = COMMANDS.get(str(said.pop("amend", "")))
    if kind is None:
        raise ValueError(f"amend must be one of {', '.join(COMMANDS)}")
    known = kind.__annotations__
    try:
        return kind(**{name: _typed(name, value, known) for name, value in said.items()})
    except TypeError:
        raise ValueError("something is missing") from None


def _typed(name: str, value: Any, known: Mapping[str, str]) -> Any:
    match known.get(name), value:
        case ("str", str()) | ("bool", bool()):
            return value
        case "int", int() if not isinstance(value, bool):
            return value
        case "tuple[str, ...]", list() if all(isinstance(word, str) for word in value):
            return tuple(value)
        case None, _:
            raise ValueError(f"there is no `{name}`")
        case _:
            raise ValueError(f"`{name}` is of another type")
