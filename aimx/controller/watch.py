"""Hints that the sources may have changed; only what is hashed afterwards counts.

A missed hint costs until the next look, never correctness.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeAlias

import structlog
import watchfiles

from aimx.controller.whereabouts import Whereabouts
from desired.frozen import field, mutable

# How long the sources go unlooked-at where no event comes, in seconds.
LOOK_SECONDS = 30.0
# How long a burst of events pauses before it counts as over, in milliseconds.
_STEP = 20
# A directory that comes and goes all the time must not keep us busy.
_BREATH = 0.1  # Seconds.

log = structlog.get_logger()

Bursts: TypeAlias = AsyncGenerator[set[watchfiles.main.FileChange], None]


@mutable
class Watch:
    """Sets `changed` for each burst of events and every `every` seconds at least."""

    places: Callable[[], Whereabouts]
    debounce: float  # How long a burst may last, in seconds.
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    every: float = LOOK_SECONDS
    _blind: str = ""  # Why no event comes, as it was told last.
    _failures: int = 0  # To watch, one after the other.

    async def run(self) -> None:
        """Watch until cancelled, anew every time that somebody looks.

        Nothing tells of a watch that has gone blind: its directory may have been removed and
        made again, under the same inode even.
        """
        while True:
            armed, stop = self.places(), asyncio.Event()
            events = asyncio.create_task(self._events(armed, stop))
            # Up to its first wait, which is where its watches stand.
            await asyncio.sleep(0)
            # What happened while nobody watched is found by looking once more.
            self.changed.set()
            try:
                await asyncio.wait({events}, timeout=self.every)
            finally:
                stop.set()
                await asyncio.gather(events, return_exceptions=True)
            await asyncio.sleep(min(_BREATH, self.every))

    async def _events(self, armed: Whereabouts, stop: asyncio.Event) -> None:
        """Pass on events; return when other places than those armed are to be watched."""
        try:
            async with aclosing(self._bursts(armed, stop)) as bursts:
                async for changes in bursts:
                    self._blind, self._failures = "", 0
                    self.changed.set()
                    # A directory that was made again may look as before, and is not watched.
                    if armed.remade(path for _, path in changes) or self.places() != armed:
                        return
        except (OSError, RuntimeError) as cause:
            self._failures += 1
            if self._failures == 1 or self.places() != armed:
                # A directory that went away, and may be there again by now.
                return
            # No inotify left: looking on the timer is enough.
            if str(cause) != self._blind:
                self._blind = str(cause)
                log.warning("cannot watch the manifest", reason=self._blind, look_every=self.every)
        else:
            self._failures = 0
        await stop.wait()

    def _bursts(self, armed: Whereabouts, stop: asyncio.Event) -> Bursts:
        return watchfiles.awatch(
            *armed.paths,
            watch_filter=lambda _, path: armed.concerns(path),
            debounce=max(int(self.debounce * 1000), _STEP),
            step=_STEP,
            stop_event=stop,
            recursive=False,
        )
