"""What a planner has the engine do, in the supervisor; dropped again where the planner is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from aimx.channel.control import Commit, Drop, Prepare
from aimx.channel.packets import MalformedError, close_all
from aimx.channel.sealed import unseal
from aimx.controller.activation import Engine, EngineError
from aimx.controller.compiled import Compiled
from aimx.controller.packed import Packed, packed, unpacked
from aimx.processes.planning import MOST_PART, Current, Engaged

_PARTS = 3  # Of what an engine runs on.


@dataclass(slots=True, eq=False)
class Engaging:
    """One thing at a time, for one planner."""

    engine: Engine
    current: Callable[[], Compiled | None]  # What the engine runs on.
    _known: Compiled | None = None  # What the planner believes that it runs on.
    _prepared: bool = False
    _gone: bool = False
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_under_way(self) -> bool:
        return self._turn.locked()

    async def answer(
        self, message: Prepare | Commit | Drop, descriptors: tuple[int, ...]
    ) -> Engaged | None:
        """Have the engine do it, and say how that went; None: for who is gone nothing is done."""
        async with self._turn:
            if self._gone:
                close_all(descriptors)
                return None
            try:
                await self._engage(message, descriptors)
            except (EngineError, MalformedError) as cause:
                return Engaged(str(cause) or type(cause).__name__)
            return Engaged()

    async def tell(self, send: Callable[[Current, Sequence[bytes]], Awaitable[None]]) -> None:
        """Say what the engine runs on by now, where somebody else brought it there."""
        current = self.current()
        if current is None or current is self._known:
            return
        parts = await asyncio.to_thread(packed, current)
        await send(Current(), parts.parts)
        self._known = current

    def leave(self) -> None:
        """The planner is gone: what it asks for now is not done any more."""
        self._gone = True

    async def undo(self) -> None:
        """What it had the engine prepare is dropped."""
        async with self._turn:
            if self._prepared:
                await self._drop()

    async def _engage(self, message: Prepare | Commit | Drop, descriptors: tuple[int, ...]) -> None:
        match message:
            case Prepare():
                wanted = await asyncio.to_thread(_unsealed, descriptors)
                await self.engine.prepare(wanted)
                self._prepared, self._known = True, wanted
            case Commit():
                await self.engine.commit()
                self._prepared = False
            case Drop():
                await self._drop()

    async def _drop(self) -> None:
        self._prepared, self._known = False, self.current()
        await self.engine.drop()


def _unsealed(descriptors: tuple[int, ...]) -> Compiled:
    try:
        if len(descriptors) != _PARTS:
            raise MalformedError(f"a generation comes in {_PARTS} parts")
        return unpacked(Packed(*(unseal(each, MOST_PART) for each in descriptors)))
    finally:
        close_all(descriptors)
