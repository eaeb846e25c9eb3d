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
from aimx.placing.control import Firing

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
            _stays_quiet(firing, command, str(cause))
            return
        if command is None:
            _stays_quiet(firing, command, "the hook does not exist any more")
        elif firing.reason:
            _stays_quiet(firing, command, firing.reason)
        elif reason := obstacle(command, firing, facts) or self._broken(command, facts):
            _stays_quiet(firing, command, reason)
        else:
            told = variables(command, facts, firing.stem, self._path(firing))
            outcome = await self._run(command, told, message, stopping)
            _tell(firing, command, outcome)

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


def _tell(firing: Firing, command: Command, outcome: Outcome) -> None:
    match outcome:
        case NotRun(reason):
            log.error(_event(firing), **_which("not run", firing, command), reason=reason)
        case Ended():
            log.info(
                _event(firing),
                **_which("fired", firing, command),
                exit_code=outcome.exit_code,
                duration_ms=outcome.duration_ms,
                timed_out=outcome.timed_out,
                stderr_tail=_shown(outcome.stderr[-_SHOWN:]),
            )
            log.debug(
                _event(firing),
                **_which("wrote", firing, command),
                stdout=_shown(outcome.stdout),
                stderr=_shown(outcome.stderr),
            )


def _stays_quiet(firing: Firing, command: Command | None, reason: str) -> None:
    log.info(_event(firing), **_which("quiet", firing, command), reason=reason)


def _event(firing: Firing) -> str:
    """The hook's event is the line's."""
    return next(event for event, folder in FOLDERS.items() if folder == firing.folder)


def _which(outcome: str, firing: Firing, command: Command | None) -> dict[str, str]:
    return {
        "hook": outcome,
        "hook_name": firing.hook,
        "mailbox": command.mailbox if command else f"{firing.name}@{firing.domain}",
        "owner": command.owner if command else str(firing.uid),
        "email_id": firing.stem,
    }


def _shown(octets: bytes) -> str:
    """On one line: what a hook writes must not look like a line of ours."""
    return json.dumps(octets.decode(errors="replace"), ensure_ascii=False)[1:-1]
