"""The verbs of AIMX/1 that list and change domains, mailboxes and hooks.

Each is an amendment or a list, as the commands state them; only the form of the answer is the
protocol's own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aimx.controller.amendments import (
    AddDomain,
    Amendment,
    CreateHook,
    CreateMailbox,
    DeleteHook,
    DeleteMailbox,
    RemoveDomain,
)
from aimx.doors.authorize import Action, Caller
from aimx.doors.events import unheard
from aimx.doors.exits import Exit
from aimx.doors.socket import frames
from aimx.doors.socket.frames import Code, FrameError, Request
from aimx.doors.wish import Administration, Answer, Question, Wish
from desired.frozen import frozen
from desired.names import Domain, InvalidNameError

# Who may; of mailboxes and hooks so far whoever administers the server.
ACTIONS: Mapping[str, Action] = {
    **dict.fromkeys(("DOMAIN-LIST", "DOMAIN-ADD", "DOMAIN-REMOVE"), Action.DOMAIN_CRUD),
    **dict.fromkeys(("MAILBOX-LIST", "MAILBOX-CREATE", "MAILBOX-DELETE"), Action.SYSTEM),
    **dict.fromkeys(("HOOK-LIST", "HOOK-CREATE", "HOOK-DELETE"), Action.SYSTEM),
}

# What is listed, and the members of a row that the protocol has.
_LISTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "DOMAIN-LIST": (
        "domains",
        (
            *("domain", "default", "dkim_loaded", "dkim_selector"),
            *("mailbox_count", "unread", "overrides"),
        ),
    ),
    "MAILBOX-LIST": (
        "mailboxes",
        (
            *("name", "address", "inbox_path", "sent_path"),
            *("total", "unread", "sent_count", "registered"),
        ),
    ),
    "HOOK-LIST": (
        "hooks",
        (*("name", "mailbox", "event", "cmd"), *("fire_on_untrusted", "timeout_secs")),
    ),
}
_COUNTS = frozenset({"total", "unread", "sent_count"})


@frozen
class Crud:
    """One request, and who carries it out."""

    administration: Administration
    request: Request
    caller: Caller
    content: bytes  # The body.

    async def answer(self) -> bytes:
        """The reply; raises `FrameError`."""
        verb = self.request.verb
        if verb in _LISTS:
            of, members = _LISTS[verb]
            return frames.ok_json([_row(row, members) for row in await self._listed(of)])
        if verb == "DOMAIN-REMOVE":
            return await self._domain_removed()
        refused = _refused(await self._amended(_AMENDMENTS[verb](self)))
        return refused or frames.ok()

    async def _amended(self, amendment: Amendment) -> Answer:
        wish = Wish(amendment=amendment)
        return await self.administration.apply(wish, None, self.caller.uid, unheard)

    async def _listed(self, of: str) -> list[dict[str, Any]]:
        answer = await self.administration.report(Wish(view="json"), Question("LIST", of=of))
        if answer.exit != Exit.DONE:
            raise FrameError(Code.IO, "it cannot be listed; `aimx validate` may tell why")
        rows: list[dict[str, Any]] = json.loads(answer.output)[of]
        return rows

    async def _domain_removed(self) -> bytes:
        """What is in the way is no error: whoever asked is to show it."""
        name, force = _ascii(self.request.headers["domain"]), self.request.flag("force")
        domain = next((it for it in await self._listed("domains") if it["domain"] == name), None)
        boxes = [row["address"] for row in await self._listed("mailboxes") if row["registered"]]
        here = sorted(box for box in boxes if box.rpartition("@")[2] == name)
        answer = await self._amended(RemoveDomain(name, force))
        blocked = not force and bool(here) and answer.code == Code.DOMAIN
        refused = _refused(answer)
        if domain is None or (refused and not blocked):
            return refused or frames.error(Code.IO, "the domain came and went meanwhile")
        return frames.ok_json(
            {
                "outcome": "blocked_by_mailboxes" if blocked else "removed",
                "blocking_mailboxes": here if blocked else [],
                "cascaded_mailboxes": [] if blocked else here,
                "storage_tree_removed": not os.path.lexists(domain["storage_tree"]),
                "dkim_dir": domain["dkim_dir"],
            }
        )

    def _hook(self) -> CreateHook:
        said, headers = _body(self.content), self.request.headers
        return CreateHook(
            mailbox=headers["mailbox"],
            event=headers["event"],
            cmd=tuple(said["cmd"]),
            name=headers.get("name", ""),
            timeout_secs=said.get("timeout_secs", 60),
            fire_on_untrusted=said.get("fire_on_untrusted", False),
        )

    def _mailbox(self) -> CreateMailbox:
        owner = self.request.headers.get("owner", "")
        if not owner:
            raise FrameError(Code.VALIDATION, "MAILBOX-CREATE requires an Owner: header")
        return CreateMailbox(self.request.headers["name"], owner)


_AMENDMENTS: Mapping[str, Callable[[Crud], Amendment]] = {
    "DOMAIN-ADD": lambda it: AddDomain(
        it.request.headers["domain"], it.request.headers.get("selector", "")
    ),
    "MAILBOX-CREATE": Crud._mailbox,
    "MAILBOX-DELETE": lambda it: DeleteMailbox(
        it.request.headers["name"], it.request.flag("force")
    ),
    "HOOK-CREATE": Crud._hook,
    "HOOK-DELETE": lambda it: DeleteHook(it.request.headers["hook-name"]),
}


def _refused(answer: Answer) -> bytes | None:
    """Why it was not done; None where it was, whatever else of the plan is blocked."""
    if answer.exit == Exit.DONE or (answer.exit == Exit.PARTIAL and not answer.failed):
        return None
    code = Code(answer.code) if answer.code else Code.IO
    return frames.error(code, answer.output)


def _row(row: Mapping[str, Any], members: Iterable[str]) -> dict[str, Any]:
    """What nobody could count is nothing to the protocol, which knows numbers alone."""
    return {name: 0 if name in _COUNTS and row[name] is None else row[name] for name in members}


def _ascii(text: str) -> str:
    try:
        return Domain.parse(text).ascii
    except InvalidNameError:
        return text  # Which whoever removes it says.


_HOOK_MEMBERS: Mapping[str, type] = {
    "cmd": list,
    "fire_on_untrusted": bool,
    "type": str,
    "timeout_secs": int,
}


def _body(content: bytes) -> dict[str, Any]:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise _unshaped("it is no object in JSON")
    for name, value in said.items():
        kind = _HOOK_MEMBERS.get(name)
        if kind is None:
            raise _unshaped(f"unknown field `{name}`")
        if type(value) is not kind:
            raise _unshaped(f"`{name}` is of another type")
    if not all(isinstance(word, str) for word in said.get("cmd", [None])):
        raise _unshaped("`cmd` must be there, and a list of strings")
    if said.get("type", "cmd") != "cmd":
        raise FrameError(
            Code.VALIDATION, f"unsupported type '{said['type']}': only `cmd` is supported"
        )
    return said


def _unshaped(why: str) -> FrameError:
    return FrameError(Code.PROTOCOL, f"invalid HOOK-CREATE body: {why}")
