"""What each verb of the socket means: authorised first, then carried out by who can."""

from __future__ import annotations

import os
from typing import Any

import structlog

from aimx.doors.authorize import Action, Caller, Decision, authorize
from aimx.doors.events import Tell, unheard
from aimx.doors.socket import frames, headers
from aimx.doors.socket.crud import ACTIONS, Crud
from aimx.doors.socket.frames import Code, Request
from aimx.doors.socket.submission import Accepted, Declined, OutboundSide, Steered, Submitted
from aimx.doors.wish import Administration
from desired.frozen import frozen

log = structlog.get_logger()


@frozen
class Verbs:
    """The dispatch from a request to who carries it out."""

    administrator: int  # The uid that the daemon runs as.
    version: str
    administration: Administration
    outbound: OutboundSide

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
        wish = headers.wish(request)
        if request.verb == "PLAN":
            answer = await self.administration.plan(wish)
        elif body >= 0:
            content = os.pread(body, request.content_length, 0)
            answer = await self.administration.apply_saved(wish, content, caller.uid, tell)
        elif request.verb == "TOMBSTONES":
            plan_id, errand = request.headers.get("plan"), headers.errand(request)
            answer = await self.administration.tombstones(wish, errand, plan_id, caller.uid, tell)
        elif intent := headers.intent(request):
            answer = await self.administration.intend(wish, intent, caller.uid, tell)
        elif question := headers.question(request):
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
        wish = headers.wish(request)
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

        match await self.outbound.submit(submitted, permission):
            case Accepted() as accepted if request.headers.get("format") == "json":
                return frames.ok_json(accepted.document())
            case Accepted(message_id):
                return frames.ok(message_id)
            case Declined(code, reason):
                return frames.error(code, reason)

    async def _queue(self, request: Request, caller: Caller) -> bytes:
        self._permits(request, caller, Action.QUEUE)
        self.administration.check(headers.wish(request))
        is_administrator = caller.uid in (0, self.administrator)
        steering = headers.steering(request, None if is_administrator else caller.uid)

        def permission(owner: int | None) -> bool:
            return self._permits(request, caller, Action.STEER, owner)

        match await self.outbound.steer(steering, permission):
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
