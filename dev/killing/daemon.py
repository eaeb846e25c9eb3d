"""A daemon whose processes are killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from aimx.testing.children import children
from bench.instance import AIMX, PATIENCE, Instance, greets, until

from .letters import DOMAIN, HOOKED, MAILBOXES

ROLES = ("supervisor", "placer", "inbound", "outbound")
_HOOK = """
[[mailboxes."{mailbox}".hooks]]
name = "count"
event = "on_receive"
cmd = ["/bin/sh", "-c", 'echo "$AIMX_ID" >> "$0"', "{file}"]
fire_on_untrusted = true
"""


class Daemon:
    """An instance with mailboxes to send to, one of them with a hook that counts."""

    def __init__(self, base: Path, resolver: str) -> None:
        self.instance = Instance(base)
        self.fired = base / "fired"
        self.fired.touch()
        self.fired.chmod(0o666)  # The hook is the mailbox owner's.
        rest = f'[dns]\nresolvers = ["{resolver}"]\n'
        names = [f"{name}@{DOMAIN}" for name in (*MAILBOXES, HOOKED)]
        hook = _HOOK.format(mailbox=f"{HOOKED}@{DOMAIN}", file=self.fired)
        self.instance.declare(names, [DOMAIN], rest + hook)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self.instance.port

    @property
    def log(self) -> str:
        return self.instance.log

    @property
    def state(self) -> Path:
        return self.instance.base / "data" / ".aimx"

    def mailbox(self, name: str) -> Path:
        return self.instance.mailbox(f"{name}@{DOMAIN}")

    def start(self) -> None:
        with self.instance.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [AIMX, "serve"], env=self.instance.environment, stdout=log, stderr=log
            )
        until(lambda: greets(self.port), "the daemon to greet")

    def kill(self, role: str) -> int:
        """Kill one of that role, wherever it is just now; gives its pid, or 0 for nobody."""
        assert self._process is not None
        if role == "supervisor":
            self._process.kill()
            self._process.wait()
            return self._process.pid
        # The last that was started is first: it has not arrived yet, perhaps.
        found = sorted((pid for pid, each in self.children().items() if each == role), reverse=True)
        if found:
            os.kill(found[0], signal.SIGKILL)
        return found[0] if found else 0

    def children(self) -> dict[int, str]:
        """The pids of its processes, and their roles."""
        assert self._process is not None
        return {pid: role for pid, role in children(self._process.pid).items() if role in ROLES}

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(PATIENCE)

    def leftovers(self) -> list[str]:
        """What stands under `spool/` and `placing/` and is no record of the placer's."""
        return [
            str(path.relative_to(self.state))
            for name in ("spool", "placing")
            for path in (self.state / name).rglob("*")
            if not path.name.startswith(("lock", "placed.db"))
        ]


def are_gone(pids: Iterable[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)
