"""Hints that the sources may have changed; only what is hashed afterwards counts.

A missed hint costs until the next look, never correctness.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import watchfiles

# How long the sources go unlooked-at where no event comes, in seconds.
LOOK_SECONDS = 30.0
# How long a burst of events pauses before it counts as over, in milliseconds.
_STEP = 20

log = structlog.get_logger()


@dataclass(slots=True)
class Watch:
    """Sets `changed` for each burst of events and every `LOOK_SECONDS` at least."""

    directories: Callable[[], frozenset[Path]]
    debounce: float  # How long a burst may last, in seconds.
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            armed = _identities(self.directories())
            stop = asyncio.Event()
            events = asyncio.create_task(self._events(armed, stop))
            # What happened while nobody watched is found by looking once more.
            self.changed.set()
            try:
                await self._until_stale(armed, events)
            finally:
                stop.set()
                await asyncio.gather(events, return_exceptions=True)

    async def _until_stale(
        self, armed: frozenset[tuple[str, int]], events: asyncio.Task[None]
    ) -> None:
        """Return when other directories need watching: a replaced one is blind for ever."""
        while _identities(self.directories()) == armed:
            await asyncio.wait({events}, timeout=LOOK_SECONDS)
            self.changed.set()
            if events.done():
                # A directory that comes and goes all the time must not keep us busy.
                await asyncio.sleep(_STEP / 1000)
                return

    async def _events(self, armed: frozenset[tuple[str, int]], stop: asyncio.Event) -> None:
        """Pass on events; return when the directories are no longer the ones that are armed."""
        try:
            async for _ in watchfiles.awatch(
                *(path for path, _ in armed),
                watch_filter=None,
                debounce=max(int(self.debounce * 1000), _STEP),
                step=_STEP,
                stop_event=stop,
                recursive=False,
            ):
                self.changed.set()
                if _identities(self.directories()) != armed:
                    return
        except (OSError, RuntimeError) as cause:
            # No inotify left, or a directory that went away: looking on the timer is enough.
            log.warning("cannot watch the manifest's directory", reason=str(cause))
            await stop.wait()


def _identities(directories: frozenset[Path]) -> frozenset[tuple[str, int]]:
    """The directories with their inodes, so that a replaced one is another one."""
    found = set()
    for directory in directories:
        try:
            found.add((str(directory), directory.stat().st_ino))
        except OSError:
            continue
    return frozenset(found)
