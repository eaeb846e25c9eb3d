"""Telling systemd how we are (sd_notify(3)), where it asked to be told."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, monotonic_ns

# A first apply of many steps may take longer than a service may take to start.
_LONGER = "EXTEND_TIMEOUT_USEC=60000000"
_PACE = 1.0  # Seconds between two lines that only tell of progress.


@dataclass(slots=True)
class Service:
    """This daemon as its service manager knows it; nobody is told where there is none."""

    address: str  # Of the manager's socket; empty: there is none.
    every: float = math.inf  # How often it wants to hear from us, in seconds, and we make it half.
    _status: str = ""
    _reloading: bool = False
    _next: float = 0.0  # When progress is told again.

    @classmethod
    def of(cls, variables: Mapping[str, str], pid: int) -> Service:
        """As the manager's variables say. A watchdog may be meant for another process."""
        microseconds = variables.get("WATCHDOG_USEC", "")
        ours = variables.get("WATCHDOG_PID", str(pid)) == str(pid)
        limit = int(microseconds) if ours and microseconds.isdecimal() else 0
        return cls(variables.get("NOTIFY_SOCKET", ""), limit / 2e6 if limit else math.inf)

    def waiting(self, status: str) -> None:
        """It cannot begin yet."""
        if monotonic() >= self._next:
            self._next = monotonic() + _PACE
            self._send(_LONGER, f"STATUS={status}")

    def starting(self, step: int, steps: int) -> None:
        """The first apply has come so far."""
        self.waiting(f"applying, step {step} of {steps}")

    def ready(self, status: str) -> None:
        self._status = status
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Somebody asked us to look; `settled` says that we have."""
        self._reloading = True
        self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic_ns() // 1000}")

    def beat(self) -> None:
        """Something that could hang did not: the one reason to feed the watchdog."""
        if self.every < math.inf:
            self._send("WATCHDOG=1")

    def settled(self, status: str) -> None:
        """All that was asked for until now has been looked at."""
        if self._reloading:
            self._reloading = False
            self.ready(status)
        elif status != self._status:
            self._status = status
            self._send(f"STATUS={status}")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=stopping")

    def _send(self, *lines: str) -> None:
        if not self.address:
            return
        # A name in no directory begins with a zero octet, which a variable cannot hold.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            # A manager that does not read must not keep us from serving.
            channel.setblocking(False)  # noqa: FBT003 - it has no other name
            channel.sendto("\n".join(lines).encode(), address)


def service() -> Service:
    """The one that this process was started as."""
    return Service.of(os.environ, os.getpid())
