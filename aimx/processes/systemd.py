"""systemd, as `systemctl` tells of it and is told."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from desired.frozen import frozen

UNITS = Path("/etc/systemd/system")
USERS = Path("/etc/sysusers.d")
_BOOTED = Path("/run/systemd/system")  # sd_booted(3).
_SECONDS = 300  # That a start may take, with its first apply.


class SystemdError(Exception):
    """It did not do what it was told; says what it said."""


@frozen
class Systemd:
    """The one that runs this host."""

    program: str  # `systemctl`.

    @classmethod
    def found(cls) -> Systemd | None:
        """None where this host has none; that it has one says not yet that it `runs`."""
        program = shutil.which("systemctl")
        return cls(program) if program else None

    @property
    def runs(self) -> bool:
        return _BOOTED.is_dir()

    @property
    def release(self) -> int:
        """Its major version; 0 where it does not tell."""
        told = re.match(r"systemd (\d+)", self._asked("--version").stdout)
        return int(told[1]) if told else 0

    def is_active(self, name: str) -> bool:
        return self._asked("is-active", "--quiet", name).returncode == 0

    def tell(self, *words: str) -> None:
        """Raises `SystemdError`."""
        _require("systemctl", words, self._asked(*words))

    def make_users(self, path: Path) -> None:
        """Those of a file that are missing; raises `SystemdError`."""
        program = shutil.which("systemd-sysusers")
        if program is None:
            raise SystemdError("systemd-sysusers is not there; it comes with systemd")
        _require("systemd-sysusers", (str(path),), _run(program, str(path)))

    def _asked(self, *words: str) -> subprocess.CompletedProcess[str]:
        return _run(self.program, *words)


def _require(name: str, words: Sequence[str], done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
        raise SystemdError(f"`{name} {' '.join(words)}`: {said}")


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - the words are ours
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise SystemdError(f"`{' '.join(words)}`: no answer within {_SECONDS} s") from None
