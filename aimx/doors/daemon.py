"""A wish carried out by the daemon, whose controller is the only one that changes anything."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from aimx.controller import amendments
from aimx.controller.loop import Controller
from aimx.controller.pinned import PinError
from aimx.controller.terms import Consent, StaleError, Watched
from aimx.doors import intents
from aimx.doors.answers import against, answering, applied, consent, planned
from aimx.doors.events import Tell
from aimx.doors.following import followed
from aimx.doors.reports import reported, standing, told
from aimx.doors.socket.frames import Code, FrameError
from aimx.doors.tombstones import finished, plan_of, shown
from aimx.doors.unread import Count, counted, uncounted
from aimx.doors.wish import Answer, Errand, Intent, Question, Wish
from desired.problem import ManifestError
from reconcilers.generations import Who


@dataclass(frozen=True, slots=True)
class Daemon:
    """With a daemon: its controller is the only one that changes anything."""

    controller: Controller
    count: Count = uncounted

    async def plan(self, wish: Wish) -> Answer:
        self._check(wish)
        with answering(wish) as answers:
            review = await self.controller.review(consent(wish), amendment=wish.amendment)
            instance = self.controller.instance
            if not wish.amendment:  # What may not go would be left to do.
                await asyncio.to_thread(instance.foresee, review)
            review = await asyncio.to_thread(counted, review, instance, self.count)
            position = await asyncio.to_thread(instance.position)
            shown = planned(review, wish, instance.roots, position)
            said = await asyncio.to_thread(instance.intents)
            answers.append(intents.noticed(shown, said, wish))
        return answers[0]

    async def apply(self, wish: Wish, plan_id: str | None, uid: int, tell: Tell) -> Answer:
        self._check(wish)
        amendment, watched = wish.amendment, followed(tell, wish.parallelism)
        asked = amendments.command(amendment) if amendment else "apply"
        who = self._who(uid, f"aimx {asked}")
        with answering(wish) as answers:
            done = await self.controller.apply(
                plan_id, who, consent(wish), None, watched, amendment
            )
            answers.append(applied(done, wish))
        return answers[0]

    async def apply_saved(self, wish: Wish, content: bytes, uid: int, tell: Tell) -> Answer:
        self._check(wish)
        who = self._who(uid, "aimx apply")
        with answering(wish) as answers:
            saved = await asyncio.to_thread(self.controller.instance.load, content)
            with against(saved):
                agreed = Consent(saved.allow_removals, saved.purge)
                watched = followed(tell, wish.parallelism)
                done = await self.controller.apply(saved.plan_id, who, agreed, saved, watched)
            answers.append(applied(done, wish))
        return answers[0]

    async def intend(self, wish: Wish, intent: Intent, uid: int, tell: Tell) -> Answer:
        self._check(wish)
        who, watched = self._who(uid, f"aimx {intent.verb.lower()}"), followed(tell)
        with answering(wish) as answers:
            match intent.verb:
                case "ROLLBACK" if intent.plan:
                    answers.append(await self._gone_back(wish, intent, who, watched))
                case "ROLLBACK":
                    instance = self.controller.instance
                    pin = await asyncio.to_thread(instance.back, intents.back(intent, uid))
                    review = await self.controller.review(Consent(wish.allow_removals), pin)
                    review = await asyncio.to_thread(counted, review, instance, self.count)
                    answers.append(intents.way_back(review, pin, wish, instance))
                case "SUSPEND":
                    now = self.controller.instance.host.now()
                    suspension = intents.suspension(intent, uid, now)
                    await self.controller.suspend(suspension)
                    answers.append(intents.suspended(suspension))
                case "RESUME":
                    answers.append(intents.resumed(await self.controller.resume(who)))
                case "APPROVE":
                    answers.append(await self._approved(wish, intent, who, watched))
        return answers[0]

    async def _gone_back(self, wish: Wish, intent: Intent, who: Who, watched: Watched) -> Answer:
        consent, back = Consent(wish.allow_removals), intents.back(intent, who.uid)
        done, pin = await self.controller.roll_back(back, intent.plan, who, consent, watched)
        holds = await asyncio.to_thread(self.controller.instance.holds, pin)
        return intents.gone_back(applied(done, wish), pin, wish, holds=holds)

    async def _approved(self, wish: Wish, intent: Intent, who: Who, watched: Watched) -> Answer:
        try:
            return applied(await self.controller.approve(intent.plan, who, watched), wish)
        except StaleError as cause:
            return intents.outdated(cause.plan, wish)

    async def report(self, wish: Wish, question: Question) -> Answer:
        self._check(wish)
        return await asyncio.to_thread(reported, self.controller.instance, wish, question)

    async def tombstones(
        self, wish: Wish, errand: Errand, plan_id: str | None, uid: int, tell: Tell
    ) -> Answer:
        self._check(wish)
        instance = self.controller.instance
        with answering(wish) as answers:
            if plan_id is None:
                answers.append(await asyncio.to_thread(shown, instance, wish, errand))
            else:
                who = self._who(uid, f"aimx tombstones {errand.does}")
                planned = partial(plan_of, instance, errand)
                carry_out = self.controller.carry_out
                answers.append(
                    finished(await carry_out(planned, plan_id, who, followed(tell)), wish)
                )
        return answers[0]

    async def status(self, wish: Wish, uid: int | None) -> dict[str, Any]:
        self._check(wish)
        document = self.controller.state.document(daemon=True)
        document["settled"] = self.controller.is_settled
        if uid is not None:
            return {**_public(document), **self._own(uid)}
        if wish.brief:
            return document
        try:
            review = await self.controller.review(Consent())
        except (ManifestError, PinError):
            return {**document, "resources": [], "unchanged": 0}
        told = await asyncio.to_thread(standing, self.controller.instance, review, wish)
        return {**document, **told}

    def told(self, document: Mapping[str, Any], wish: Wish) -> Answer:
        return told(document, wish)

    def _own(self, uid: int) -> dict[str, Any]:
        """The caller's mailboxes; nobody learns of another's."""
        current = self.controller.current()
        routes = current.snapshot.routes.values() if current else ()
        mine = sorted({route.mailbox for route in routes if route.uid == uid})
        return {"mailboxes": mine, "resources": [], "unchanged": len(mine)}

    def _who(self, uid: int, origin: str) -> Who:
        """Who asks: by name where that is who we run as, as it is without a daemon."""
        user = self.controller.instance.host.user()
        return Who(uid, user.name if uid == user.uid else "", origin)

    def _check(self, wish: Wish) -> None:
        """Refuse a wish that is meant for another instance."""
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
