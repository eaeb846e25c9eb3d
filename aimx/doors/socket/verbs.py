"""What each verb of the socket means: authorised first, then carried out by who can."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal, Protocol

import structlog

from aimx.controller.amendments import Amendment, from_text
from aimx.doors.authorize import Action, Caller, Decision, authorize
from aimx.doors.events import Tell, unheard
from aimx.doors.socket import frames
from aimx.doors.socket.crud import ACTIONS, Crud
from aimx.doors.socket.frames import Code, Request
from aimx.doors.wish import (
    LASTING,
    LISTED,
    MOST_LANES,
    Administration,
    Errand,
    Intent,
    Question,
    Wish,
)
from desired.frozen import frozen
from desired.quantities import parse_duration

_LONGEST_HOLD = 366 * 86400  # Seconds: beyond that nobody means a moment.

log = structlog.get_logger()


@frozen
class Submitted:
    """A message that somebody on this machine wants sent; `content` is a descriptor."""

    content: int
    content_length: int
    html_length: int
    text_only: bool
    uid: int  # Of the caller.
    idempotency_key: str  # Empty: none.


@frozen
class Accepted:
    """The message is delivered, or in the queue."""

    message_id: str  # In angle brackets.
    queued: str = ""  # Its name in the queue; empty: everybody's host has it.

    def document(self) -> dict[str, str]:
        return {
            "format": "aimx.sent",
            "format_version": "1.0",
            "state": "queued" if self.queued else "delivered",
            "message_id": self.message_id.removeprefix("<").removesuffix(">"),
            "id": self.queued,
        }


@frozen
class Steering:
    """What is wanted of the queue, or of one message in it."""

    does: Literal["list", "show", "hold", "release", "retry", "cancel"]
    name: str  # Of the message; empty: all of the caller's.
    uid: int | None  # Of the caller; None: an administrator, whose everybody's are.
    seconds: int = 0  # For which it is to be held; 0: until it is released.


@frozen
class Steered:
    """It was done; what there is to tell."""

    document: Any


@frozen
class Declined:
    """The message is not sent, and the code that says whose fault it is."""

    code: Code
    reason: str


class Permission(Protocol):
    """Asked by the outbound side once it has read the author."""

    def __call__(self, owner: int | None) -> bool:
        """Whether the caller may send as a mailbox of this owner; None: there is none."""


class Submission(Protocol):
    """The outbound side, as the doors see it."""

    async def submit(self, submitted: Submitted, permission: Permission) -> Accepted | Declined:
        """Send a message if its author's mailbox may be used."""

    async def steer(self, steering: Steering, permission: Permission) -> Steered | Declined:
        """Do it, if the mailbox that a named message is from is the caller's."""


@frozen
class Verbs:
    """The dispatch from a request to who carries it out."""

    administrator: int  # The uid that the daemon runs as.
    version: str
    administration: Administration
    submission: Submission

    async def answer(
        self, request: Request, caller: Caller, body: int, tell: Tell = unheard
    ) -> bytes:
        match request.verb:
            case "VERSION":
                return frames.ok_json({"tag": self.version})
            case "SEND":
                return await self._send(request, caller, body)
            case "QUEUE":
                return await self._queue(request, caller)
            case "STATUS":
                return await self._status(request, caller)
            case verb if verb in ACTIONS:
                return await self._crud(request, caller, body)
            case _:
                told = tell if request.flag("events") else unheard
                return await self._administer(request, caller, body, told)

    async def _administer(self, request: Request, caller: Caller, body: int, tell: Tell) -> bytes:
        if not self._permits(request, caller, Action.SYSTEM):
            return frames.error(Code.EACCES, "not authorized")
        wish = _wish(request)
        if request.verb == "PLAN":
            answer = await self.administration.plan(wish)
        elif body >= 0:
            content = os.pread(body, request.content_length, 0)
            answer = await self.administration.apply_saved(wish, content, caller.uid, tell)
        elif request.verb == "TOMBSTONES":
            plan_id, errand = request.headers.get("plan"), _errand(request)
            answer = await self.administration.tombstones(wish, errand, plan_id, caller.uid, tell)
        elif intent := _intent(request):
            answer = await self.administration.intend(wish, intent, caller.uid, tell)
        elif question := _question(request):
            answer = await self.administration.report(wish, question)
        else:
            plan_id = request.headers.get("plan")
            answer = await self.administration.apply(wish, plan_id, caller.uid, tell)
        return frames.ok_json(answer.document())

    async def _crud(self, request: Request, caller: Caller, body: int) -> bytes:
        if not self._permits(request, caller, ACTIONS[request.verb]):
            return frames.error(Code.EACCES, "not authorized")
        content = os.pread(body, request.content_length, 0) if body >= 0 else b""
        return await Crud(self.administration, request, caller, content).answer()

    async def _status(self, request: Request, caller: Caller) -> bytes:
        self._permits(request, caller, Action.STATUS)
        is_administrator = caller.uid in (0, self.administrator)
        wish = _wish(request)
        document: dict[str, Any] = await self.administration.status(
            wish, None if is_administrator else caller.uid
        )
        if "format" in request.headers:
            return frames.ok_json(self.administration.told(document, wish).document())
        return frames.ok_json(document)

    async def _send(self, request: Request, caller: Caller, body: int) -> bytes:
        if body < 0:
            raise frames.malformed("SEND comes with a message")
        submitted = Submitted(
            content=body,
            content_length=request.content_length,
            html_length=request.html_length,
            text_only=request.flag("text-only"),
            uid=caller.uid,
            idempotency_key=request.headers.get("idempotency-key", ""),
        )
        if submitted.text_only and submitted.html_length:
            raise frames.malformed(
                "AIMX/1 SEND: --text-only and --html-body are mutually exclusive"
            )

        def permission(owner: int | None) -> bool:
            return self._permits(request, caller, Action.SEND_AS, owner)

        match await self.submission.submit(submitted, permission):
            case Accepted() as accepted if request.headers.get("format") == "json":
                return frames.ok_json(accepted.document())
            case Accepted(message_id):
                return frames.ok(message_id)
            case Declined(code, reason):
                return frames.error(code, reason)

    async def _queue(self, request: Request, caller: Caller) -> bytes:
        self._permits(request, caller, Action.QUEUE)
        self.administration.check(_wish(request))
        is_administrator = caller.uid in (0, self.administrator)
        steering = _steering(request, None if is_administrator else caller.uid)

        def permission(owner: int | None) -> bool:
            return self._permits(request, caller, Action.STEER, owner)

        match await self.submission.steer(steering, permission):
            case Steered(document):
                return frames.ok_json(document)
            case Declined(code, reason):
                return frames.error(code, reason)

    def _permits(
        self, request: Request, caller: Caller, action: Action, owner: int | None = None
    ) -> bool:
        decision = authorize(caller, action, administrator=self.administrator, owner=owner)
        _record(request.verb, caller, decision)
        return decision.allowed


def _record(verb: str, caller: Caller, decision: Decision) -> None:
    facts = {"verb": verb, "uid": caller.uid, "pid": caller.pid, "reason": decision.reason}
    if decision.allowed:
        log.info("socket request", **facts, decision="allowed")
    else:
        log.warning("socket request", **facts, decision="denied")


# The forms of what a verb tells; the first one is told where none is named.
_VIEWS: Mapping[str, tuple[str, ...]] = {
    "GRAPH": ("mermaid", "dot"),
    "PLAN": ("text", "json", "markdown"),
}


def _question(request: Request) -> Question | None:
    """What the request wants to be told; None where it wants something else."""
    match request.verb:
        case "EXPLAIN":
            return Question("EXPLAIN", address=request.headers["address"])
        case "GRAPH":
            return Question("GRAPH")
        case "LIST":
            return _listing(request)
        case "DIFF":
            return Question("DIFF", generations=_numbers(request, "from", "to"))
        case "HISTORY":
            return Question("HISTORY", generations=_numbers(request, "generation"))
        case _:
            return None


def _listing(request: Request) -> Question:
    of, address = request.headers["of"], request.headers.get("address", "")
    if of not in LISTED:
        raise frames.malformed(f"of must be one of {', '.join(LISTED)}")
    return Question("LIST", address, of)


def _steering(request: Request, uid: int | None) -> Steering:
    does, name = request.headers["do"], request.headers.get("name", "")
    lasting = request.headers.get("for", "")
    if lasting and (does != "hold" or not re.fullmatch(LASTING, lasting)):
        raise frames.malformed("for must be a duration such as 2h or 1d, with do: hold alone")
    match does:
        case "list" if not name:
            return Steering(does, "", uid)
        case "hold" if lasting and name:
            seconds = int(parse_duration(lasting).total_seconds())
            return Steering(does, name, uid, min(seconds, _LONGEST_HOLD))
        case "retry":
            return Steering(does, name, uid)
        case "show" | "hold" | "release" | "cancel" if name:
            return Steering(does, name, uid)
        case _:
            raise frames.malformed(
                "do must be list or retry, or show, hold, release, retry or cancel with a name"
            )


def _errand(request: Request) -> Errand:
    does, name = request.headers["do"], request.headers.get("name", "")
    match does:
        case "list" if "plan" not in request.headers:
            return Errand(does)
        case "restore" | "purge" if name:
            return Errand(does, name)
        case _:
            raise frames.malformed("do must be list, or restore or purge with a name")


def _intent(request: Request) -> Intent | None:
    """What the request wants to hold from now on; None where it wants something else."""
    lasting = request.headers.get("for", "")
    if lasting and not re.fullmatch(LASTING, lasting):
        raise frames.malformed("for must be a duration such as 2h or 1d")
    said = request.headers.get
    match request.verb:
        case "ROLLBACK":
            number = request.number("generation", 0) if said("generation") else None
            return Intent("ROLLBACK", said("plan", ""), number, lasting, said("reason", ""))
        case "SUSPEND":
            return Intent("SUSPEND", lasting=lasting, reason=said("reason", ""))
        case "RESUME":
            return Intent("RESUME")
        case "APPROVE":
            return Intent("APPROVE", said("plan", ""))
        case _:
            return None


def _numbers(request: Request, *names: str) -> tuple[int, ...]:
    """What the headers say: all of them or none."""
    said = [name for name in names if name in request.headers]
    if said and len(said) < len(names):
        raise frames.malformed(f"{' and '.join(names)} come together")
    return tuple(request.number(name, 0) for name in said)


def _lanes(request: Request) -> int:
    number = request.number("parallelism", 0)
    if number > MOST_LANES:
        raise frames.malformed(f"parallelism is {MOST_LANES} at most")
    return number


def _amendment(request: Request) -> Amendment | None:
    try:
        return from_text(request.headers["amend"]) if "amend" in request.headers else None
    except (ValueError, RecursionError) as cause:
        raise frames.malformed(f"amend: {cause}") from cause


def _wish(request: Request) -> Wish:
    """The request's headers as a wish; raises `FrameError` for one that makes no sense."""
    views = _VIEWS.get(request.verb, ("text", "json"))
    view = request.headers.get("format", views[0])
    if view not in views:
        raise frames.malformed(f"format must be {' or '.join(views)}")
    return Wish(
        roots={
            name: request.headers[name] for name in sorted(frames.ROOTS) if name in request.headers
        },
        view=view,
        columns=request.number("columns", 80),
        color=request.flag("color"),
        allow_removals=request.number("allow-removals", 0),
        purge=request.flag("purge"),
        replace=request.headers.get("replace", ""),
        amendment=_amendment(request),
        every=request.flag("every"),
        brief=request.flag("brief"),
        advised=request.headers.get("advised") != "false",
        parallelism=_lanes(request),
        out=request.headers.get("out", ""),
    )
