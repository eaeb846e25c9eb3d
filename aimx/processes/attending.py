"""The doors are open and the manifest is watched, beside a mail engine or alone."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from importlib.metadata import version

import structlog

from aimx.controller.instance import Instance
from aimx.controller.loop import Controller
from aimx.controller.pulse import Pulse
from aimx.controller.state import State
from aimx.doors.daemon import Daemon
from aimx.doors.socket.server import Door
from aimx.doors.socket.submission import OutboundSide
from aimx.doors.socket.verbs import Verbs
from aimx.processes.notify import Service
from aimx.processes.opening import unheard
from desired.desired import Desired
from desired.frozen import frozen
from reconcilers.host.host import Access, ReconcileError

log = structlog.get_logger()

_DEBOUNCE = 0.1  # Seconds, where no manifest says.


@frozen
class Watchman:
    """Who is told, and by whom it ends."""

    stop: asyncio.Event
    systemd: Service

    def pulse(self, state: State) -> Pulse:
        settled = self.systemd.settled
        return Pulse(self.systemd.every, self.systemd.beat, lambda: settled(state.sentence))


async def attend(
    controller: Controller, desired: Desired | None, outbound: OutboundSide, watchman: Watchman
) -> None:
    """Until somebody says stop."""
    instance, systemd = controller.instance, watchman.systemd
    loop = asyncio.get_running_loop()
    verbs = Verbs(
        administrator=os.geteuid(),
        version=version("aimx-mail"),
        administration=Daemon(controller),
        outbound=outbound,
    )
    door = Door(verbs.answer)
    await door.open(instance.roots.socket)
    loop.add_signal_handler(signal.SIGHUP, _reload, systemd, controller)
    debounce = desired.controller.debounce.total_seconds() if desired else _DEBOUNCE
    watching = asyncio.create_task(controller.run(debounce))
    _write_pid(instance)
    _say_ready(controller)
    systemd.ready(controller.state.sentence)
    try:
        await watchman.stop.wait()
        log.info("stopping")
    finally:
        loop.add_signal_handler(signal.SIGHUP, unheard)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await door.close()
        # A number that stays would be another process's one day, which a script then signals.
        for left in (instance.roots.socket, instance.roots.pid):
            with suppress(OSError):
                os.unlink(left)


def _say_ready(controller: Controller) -> None:
    current, generation = controller.current(), controller.state.generation
    if controller.state.has_engine and current is not None:
        log.info("serving", generation=generation, domains=current.snapshot.domains)
    else:
        log.info("watching", generation=generation)


def _write_pid(instance: Instance) -> None:
    user = instance.host.user()
    ours, access = f"{os.getpid()}\n".encode(), Access(0o644, user.uid, user.gid)
    try:
        instance.host.replace(instance.roots.pid, ours, access)
    except ReconcileError as cause:  # Only people and scripts read it.
        log.warning("pid not written", reason=str(cause))


def _reload(systemd: Service, controller: Controller) -> None:
    systemd.reloading()
    controller.nudge()
