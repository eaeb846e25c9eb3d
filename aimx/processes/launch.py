"""How a hook becomes a process of its owner: by our own wrapper, or by systemd where it runs."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from aimx.hooks.command import Command
from aimx.hooks.run import GRACE_SECONDS, Launcher, NotRun, NotStartedError, Started
from aimx.hooks.variables import PATH, environment_file
from aimx.processes.hook import TIMED_OUT
from aimx.processes.start import environment
from desired.frozen import frozen

_SYSTEMD = Path("/run/systemd/system")  # sd_booted(3).
_SLACK_SECONDS = 10.0  # To end a hook in, beyond its time and its grace.
# What systemd adds for a service, and our own wrapper does not.
_ADDED = (
    *("USER", "LOGNAME", "SHELL", "LANG", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID"),
    *("MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"),
)
_PREFIX, _SUFFIX = "hook-", ".env"


def launcher(runtime: Path) -> Launcher:
    """What fits this host. `runtime` is a directory that only root may read, or whose files are."""
    if os.geteuid() == 0 and _SYSTEMD.is_dir():
        for directory in ("/usr/bin", "/bin"):
            if (program := Path(directory, "systemd-run")).exists():
                return Transient(str(program), str(program.with_name("systemctl")), runtime)
    return Wrapped()


@frozen
class Wrapped:
    """The command is exec'd by a process that became its owner, and kept by one of ours."""

    grace: float = GRACE_SECONDS

    def start(
        self, command: Command, told: Mapping[str, str], message: int, out: int, err: int
    ) -> Started:
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        times = f"{command.timeout:g}", f"{self.grace:g}"
        words = [str(writing), str(command.uid), command.owner, PATH, *times, *command.argv]
        try:
            process = subprocess.Popen(  # noqa: S603 - the command is the operator's
                [sys.executable, "-P", "-m", "aimx.processes.hook", *words],
                stdin=message,
                stdout=out,
                stderr=err,
                pass_fds=(writing,),
                cwd="/",
                # Not in the arguments, which everybody may read.
                env={**environment(os.environ), **told},
                start_new_session=True,
            )
        except (OSError, ValueError) as cause:
            os.close(reading)
            reason = cause.strerror if isinstance(cause, OSError) else str(cause)
            raise NotStartedError(f"no process could be started: {reason}") from cause
        finally:
            os.close(writing)
        return Started(
            process=process,
            patience=command.timeout + self.grace + _SLACK_SECONDS,
            verdict=lambda: _said(reading),
            halt=process.terminate,
            forget=lambda: os.close(reading),
        )


def _said(status: int) -> NotRun | bool:
    """What was written: why it was not run, or that its time was over; nothing of another end."""
    try:
        said = os.read(status, 4096)
    except BlockingIOError:
        said = b""
    return said == TIMED_OUT if said in (b"", TIMED_OUT) else NotRun(said.decode(errors="replace"))


@frozen
class Transient:
    """The command is a transient service, outside of what confines our own."""

    program: str
    control: str
    runtime: Path

    def start(
        self, command: Command, told: Mapping[str, str], message: int, out: int, err: int
    ) -> Started:
        mark = secrets.token_hex(8)
        unit, variables = f"aimx-hook-{mark}.service", self.runtime / f"{_PREFIX}{mark}{_SUFFIX}"
        try:
            _write_private(variables, environment_file(told))
            process = subprocess.Popen(  # noqa: S603 - the command is the operator's
                [self.program, *arguments(command, unit, variables)],
                stdin=message,
                stdout=out,
                stderr=err,
                cwd="/",
                env={"PATH": PATH},
                start_new_session=True,
            )
        except OSError as cause:
            variables.unlink(missing_ok=True)
            raise NotStartedError(f"systemd-run could not be started: {cause.strerror}") from cause
        return Started(
            process=process,
            # systemd ends it in time; we only end who waits for it.
            patience=command.timeout + GRACE_SECONDS + _SLACK_SECONDS,
            verdict=lambda: None,
            halt=lambda: self._halt(unit),
            forget=lambda: variables.unlink(missing_ok=True),
        )

    def _halt(self, unit: str) -> None:
        with suppress(OSError):
            subprocess.run(  # noqa: S603 - the words are ours
                [self.control, "stop", "--no-block", unit],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=GRACE_SECONDS,
            )


def arguments(command: Command, unit: str, variables: Path) -> list[str]:
    """What systemd-run is told. Nothing of a message is in it: everybody may read arguments."""
    properties = (
        f"EnvironmentFile={variables}",
        f"RuntimeMaxSec={command.timeout:g}",
        f"TimeoutStopSec={GRACE_SECONDS:g}",
        f"UnsetEnvironment={' '.join(_ADDED)}",
        "NoNewPrivileges=yes",
        "UMask=0077",
    )
    return [
        *("--quiet", "--pipe", "--wait", "--collect", "--service-type=exec"),
        *(f"--unit={unit}", f"--uid={command.uid}"),
        *(f"--property={each}" for each in properties),
        "--",
        # systemd would put variables, which strangers filled, into the arguments.
        *(word.replace("$", "$$") for word in command.argv),
    ]


def sweep(runtime: Path) -> None:
    """Remove what a killed daemon left of its hooks' variables."""
    for left in runtime.glob(f"{_PREFIX}*{_SUFFIX}"):
        left.unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
