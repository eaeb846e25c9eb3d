"""One firing: whether the hook may run now, its run, and the one line about it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

import structlog

from aimx.hooks.breaker import Breaker
from aimx.hooks.command import FOLDERS, Command
from aimx.hooks.facts import Facts, FactsError
from aimx.hooks.run import Ended, Launcher, NotRun, Outcome, run
from aimx.hooks.variables import variables
from aimx.metrics import table as metrics
from aimx.placing.control import Firing
from desired.frozen import frozen

_SHOWN = 1024  # Octets of its standard error that the log gets.

log = structlog.get_logger()


class Fires:
    """Carries firings out, with the commands of the generation that is committed by then."""

    def __init__(
        self,
        commands: Callable[[], Mapping[str, Command]],
        launcher: Launcher,
        data: PurePosixPath,
        clock: Callable[[], float],
    ) -> None:
        """The clock counts seconds."""
        self._commands = commands
        self._launcher = launcher
        self._data = data
        self._clock = clock
        self._breaker = Breaker()

    async def fire(self, firing: Firing, message: int | None, stopping: asyncio.Event) -> None:
        command = self._commands().get(firing.hook)
        try:
            facts = Facts.unpack(firing.facts)
        except FactsError as cause:
            _Telling(firing, command).quiet(str(cause))
            return
        telling = _Telling(firing, command, facts.trace)
        if command is None:
            telling.quiet("the hook does not exist any more")
        elif firing.reason:
            telling.quiet(firing.reason)
        elif reason := obstacle(command, firing, facts) or self._broken(command, facts):
            telling.quiet(reason)
        else:
            told = variables(command, facts, firing.stem, self._path(firing))
            telling.outcome(await self._run(command, told, message, stopping))

    async def _run(
        self, command: Command, told: dict[str, str], message: int | None, stopping: asyncio.Event
    ) -> Outcome:
        if message is not None:
            return await run(self._launcher, command, told, message, stopping)
        with open(os.devnull, "rb") as nothing:
            return await run(self._launcher, command, told, nothing.fileno(), stopping)

    def _path(self, firing: Firing) -> PurePosixPath | None:
        if not firing.path:
            return None
        return self._data / firing.domain / firing.folder / firing.name / firing.path

    def _broken(self, command: Command, facts: Facts) -> str:
        """Why the loop breaker keeps it quiet, if it does."""
        if command.event != "on_receive":
            return ""
        most = command.replies_per_hour
        if self._breaker.admits(command.hook, facts.thread, facts.peer, most, self._clock()):
            return ""
        return (
            f"{facts.peer} has fired it {most} times in this thread within an hour"
            " (limits.replies_per_thread_per_hour)"
        )


def obstacle(command: Command, firing: Firing, facts: Facts) -> str:
    """Why the hook may not run on this message, whatever the worker thought; empty if it may."""
    if (command.domain, command.folder) != (firing.domain, firing.name):
        return f"the hook belongs to {command.mailbox}"
    if FOLDERS[command.event] != firing.folder:
        return f"the hook runs {command.event}"
    if command.uid != firing.uid:
        return "the mailbox has another owner by now"
    incoming = command.event == "on_receive"
    if incoming and facts.trusted != "true" and not command.fire_on_untrusted:
        return "the message is not trusted, and the hook asks for that by now"
    return ""


@frozen
class _Telling:
    """The one line about a firing, and the numbers."""

    firing: Firing
    command: Command | None
    trace: str = ""

    def quiet(self, reason: str) -> None:
        metrics.FIRINGS.count(self._event, "quiet")
        log.info(self._event, **self._which("quiet"), reason=reason)

    def outcome(self, outcome: Outcome) -> None:
        match outcome:
            case NotRun(reason):
                metrics.FIRINGS.count(self._event, "not_run")
                log.error(self._event, **self._which("not run"), reason=reason)
            case Ended():
                metrics.FIRINGS.count(self._event, _counted(outcome))
                metrics.FIRING.observe(outcome.duration_ms / 1000)
                self._ended(outcome)

    def _ended(self, outcome: Ended) -> None:
        log.info(
            self._event,
            **self._which("fired"),
            exit_code=outcome.exit_code,
            duration_ms=outcome.duration_ms,
            timed_out=outcome.timed_out,
            stderr_tail=_shown(outcome.stderr[-_SHOWN:]),
        )
        log.debug(
            self._event,
            **self._which("wrote"),
            stdout=_shown(outcome.stdout),
            stderr=_shown(outcome.stderr),
        )

    @property
    def _event(self) -> str:
        """The hook's event is the line's."""
        return next(event for event, folder in FOLDERS.items() if folder == self.firing.folder)

    def _which(self, outcome: str) -> dict[str, str]:
        firing, command = self.firing, self.command
        return {
            "hook": outcome,
            "trace": self.trace,
            "hook_name": firing.hook,
            "mailbox": command.mailbox if command else f"{firing.name}@{firing.domain}",
            "owner": command.owner if command else str(firing.uid),
            "email_id": firing.stem,
        }


def _counted(ended: Ended) -> str:
    """In a word of the metric's."""
    if ended.timed_out:
        return "timed_out"
    return "done" if ended.exit_code == 0 else "failed"


def _shown(octets: bytes) -> str:
    """On one line: what a hook writes must not look like a line of ours."""
    return json.dumps(octets.decode(errors="replace"), ensure_ascii=False)[1:-1]
