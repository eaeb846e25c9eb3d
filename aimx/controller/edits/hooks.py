"""A command comes to a mailbox, or goes from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aimx.controller.amendments import CreateHook, DeleteHook
from aimx.controller.edits.edits import Edits
from aimx.controller.edits.manifest import Manifest
from aimx.controller.refusal import EditError
from desired.edit import Append, Remove
from desired.names import Address, InvalidNameError
from desired.problem import KeyPath


def created(it: CreateHook, manifest: Manifest) -> Edits:
    name, path, address = _mailbox(it.mailbox, manifest)
    if address.is_catchall:
        raise EditError(
            f"mailbox '{address}' is the catchall; hooks on the catchall are forbidden", "MAILBOX"
        )
    return Edits(((name, Append((*path, "hooks"), _table(it))),))


def _mailbox(text: str, manifest: Manifest) -> tuple[str, KeyPath, Address]:
    try:
        address = manifest.address(text)
    except InvalidNameError:
        address = None
    for name, path, each, _ in manifest.mailboxes():
        if each == address:
            return name, path, each
    raise EditError(f"mailbox '{text}' does not exist", "ENOENT")


def _table(it: CreateHook) -> dict[str, Any]:
    """As a person would write it: without what holds anyway."""
    if not all(map(_is_text, it.cmd)):
        raise EditError("`cmd` holds octets that are no text in UTF-8", "VALIDATION")
    told: dict[str, Any] = {"event": it.event, "cmd": list(it.cmd)}
    if it.name:
        told["name"] = it.name
    if it.timeout_secs != CreateHook.__dataclass_fields__["timeout_secs"].default:
        told["timeout_secs"] = it.timeout_secs
    if it.fire_on_untrusted:
        told["fire_on_untrusted"] = True
    return told


def _is_text(word: str) -> bool:
    """Not so for what a shell was given that is none, or for half a character in JSON."""
    return not any("\ud800" <= each <= "\udfff" for each in word)


def deleted(it: DeleteHook, manifest: Manifest) -> Edits:
    for address, mailbox in manifest.desired.mailboxes.items():
        for index, hook in enumerate(mailbox.hooks):
            if hook.name.text == it.name:
                name, path, table = _hook(address, index, manifest)
                return Edits(((name, Remove((*path, "hooks"), table)),))
    raise EditError(f"hook '{it.name}' not found; `aimx hooks list` lists them", "ENOENT")


def _hook(address: str, index: int, manifest: Manifest) -> tuple[str, KeyPath, Mapping[str, Any]]:
    """The hook as it is written: those of a mailbox are desired in the order of the file."""
    standing: Iterator[tuple[str, KeyPath, Mapping[str, Any]]] = (
        (name, path, table["hooks"][index])
        for name, path, each, table in manifest.mailboxes()
        if str(each) == address
    )
    return next(standing)
