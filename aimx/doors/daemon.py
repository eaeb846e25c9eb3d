"""A wish carried out by the daemon, whose controller is the only one that changes anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import structlog

from aimx.controller.loop import Controller
from aimx.controller.planner import PlannerGoneError, UndoneError
from aimx.doors.events import Tell
from aimx.doors.exits import Exit
from aimx.doors.following import followed
from aimx.doors.refusal import refused
from aimx.doors.reports import told
from aimx.doors.socket.frames import Code, FrameError
from aimx.doors.wish import Answer, Errand, Intent, Question, Wish
from aimx.doors.wished import About, Apply, ApplySaved, Look, Standing, Tombstones, Wished
from desired.frozen import frozen, replace

log = structlog.get_logger()


@frozen
class Daemon:
    """With a daemon: its controller is the only one that changes anything."""

    controller: Controller

    async def plan(self, wish: Wish) -> Answer:
        return await self._look(wish, Look())

    async def apply(self, wish: Wish, plan_id: str | None, uid: int, tell: Tell) -> Answer:
        return await self._change(wish, Apply(plan_id), uid, tell)

    async def apply_saved(self, wish: Wish, content: bytes, uid: int, tell: Tell) -> Answer:
        saved = ApplySaved(content.decode(errors="replace"))
        return await self._change(wish, saved, uid, tell)

    async def intend(self, wish: Wish, intent: Intent, uid: int, tell: Tell) -> Answer:
        if intent.verb == "ROLLBACK" and not intent.plan:
            return await self._look(wish, intent, uid)
        if intent.verb == "SUSPEND":  # An apply under way goes on to its end.
            answer = await self._look(wish, intent, uid)
            self.controller.nudge()
            return answer
        return await self._change(wish, intent, uid, tell)

    async def report(self, wish: Wish, question: Question) -> Answer:
        return await self._look(wish, question)

    async def tombstones(
        self, wish: Wish, errand: Errand, plan_id: str | None, uid: int, tell: Tell
    ) -> Answer:
        about = Tombstones(errand, plan_id)
        if plan_id is None:
            return await self._look(wish, about, uid)
        return await self._change(wish, about, uid, tell)

    async def status(self, wish: Wish, uid: int | None) -> dict[str, Any]:
        self.check(wish)
        document = self.controller.state.document(daemon=True)
        document["settled"] = self.controller.is_settled
        if uid is not None:
            return {**_public(document), **self._own(uid)}
        if wish.brief:
            return document
        stood = await self._look(replace(wish, view="text"), Standing(wish.every))
        if stood.exit != Exit.DONE:
            log.error("resources not looked at", reason=stood.output)
            return {**document, "resources": [], "unchanged": 0}
        return {**document, **json.loads(stood.output)}

    def told(self, document: Mapping[str, Any], wish: Wish) -> Answer:
        return told(document, wish)

    def _own(self, uid: int) -> dict[str, Any]:
        """The caller's mailboxes; nobody learns of another's."""
        current = self.controller.current()
        mine = list(current.owned.get(str(uid), ())) if current else []
        return {"mailboxes": mine, "resources": [], "unchanged": len(mine)}

    async def _look(self, wish: Wish, about: About, uid: int = 0) -> Answer:
        """Beside whatever else is done."""
        self.check(wish)
        try:
            return (await self.controller.look(self._wished(wish, about, uid))).answer
        except (PlannerGoneError, UndoneError) as cause:
            return refused(Exit.ERROR, f"nobody can tell now: {cause}. Try it again", wish.view)

    async def _change(self, wish: Wish, about: About, uid: int, tell: Tell) -> Answer:
        self.check(wish)
        wished, watched = self._wished(wish, about, uid), followed(tell, wish.parallelism)
        try:
            return (await self.controller.change(wished, watched)).answer
        except PlannerGoneError as cause:
            code = Exit.PARTIAL if cause.taken else Exit.ERROR
            told = f"Apply INCOMPLETE: {cause}."  # Something may have been begun.
            return replace(refused(code, told, wish.view), refusal=False)
        except UndoneError as cause:
            return refused(Exit.ERROR, str(cause), wish.view)

    def _wished(self, wish: Wish, about: About, uid: int) -> Wished:
        """Who asks: by name where that is who we run as, as it is without a daemon."""
        user = self.controller.instance.host.user()
        return Wished(wish, about, uid, user.name if uid == user.uid else "")

    def check(self, wish: Wish) -> None:
        instance = self.controller.instance
        roots = instance.roots
        ours = {
            "config-dir": (roots.config,),
            # A manifest of the older system may say where the mail is; a client has not read it.
            "data-dir": (roots.data, instance.named),
            "runtime-dir": (roots.runtime,),
            "manifest": (roots.manifest,),
        }
        for name, path in wish.roots.items():
            if PurePosixPath(path) not in ours[name]:
                raise FrameError(Code.ECONFLICT, f"this daemon's {name} is {ours[name][0]}")


_PUBLIC = ("format", "format_version", "daemon", "generation", "engine_generation")


def _public(document: dict[str, Any]) -> dict[str, Any]:
    """What anybody may know: that it runs, and how well; not why, nor with which manifest."""
    conditions = [{**each, "message": ""} for each in document["conditions"]]
    return {**{name: document[name] for name in _PUBLIC}, "conditions": conditions}
