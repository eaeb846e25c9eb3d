"""The queue of firings, which is the placer's, as the supervisor sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aimx.channel.packets import close_all
from aimx.placing.control import Firing, Idle, Take

# With the message's descriptor, if it can be had, which is the receiver's to close.
Answer: TypeAlias = tuple[Firing | Idle, tuple[int, ...]]


class Queue:
    """Lives as long as the supervisor; placers come and go.

    `ask` sends to the present one, and says whether there is one.
    """

    def __init__(self, ask: Callable[[Take], Awaitable[bool]]) -> None:
        self._ask = ask
        self._answer: asyncio.Future[Answer | None] | None = None

    async def take(self, take: Take) -> Answer | None:
        """What the placer answers; None where there is none or it died over it. One at a time."""
        self._answer = asyncio.get_running_loop().create_future()
        return await self._answer if await self._ask(take) else None

    def heard(self, message: Firing | Idle, descriptors: tuple[int, ...]) -> None:
        """The placer's answer. The descriptors are ours from now on."""
        if self._answer is None or self._answer.done():
            close_all(descriptors)
        else:
            self._answer.set_result((message, descriptors))

    def placer_gone(self) -> None:
        """What it was asked stays unanswered.

        Told when it dies and not when its successor serves: that one may have been asked by then,
        and what it answers has begun, as far as it knows.
        """
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)
