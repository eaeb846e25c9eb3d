"""Whether somebody may have what is asked for: the supervisor knows who that is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aimx.channel.control import Authored

# By the number of what is asked for, the mailbox that it is about, and the uid of its owner.
Permit: TypeAlias = Callable[[int, str, int | None], Awaitable[bool]]


class Permissions:
    """The questions that are open, by number."""

    def __init__(self, say: Callable[[Authored], Awaitable[None]]) -> None:
        self._say = say
        self._open: dict[int, asyncio.Future[bool]] = {}

    async def ask(self, number: int, mailbox: str, owner: int | None) -> bool:
        permission: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._open[number] = permission
        try:
            await self._say(Authored(number, mailbox, owner))
            return await permission
        finally:
            self._open.pop(number, None)

    def decide(self, number: int, *, allowed: bool) -> None:
        permission = self._open.get(number)
        if permission is not None and not permission.done():
            permission.set_result(allowed)
