"""A host that dies, or whose disk fails, at a chosen change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum, auto
from pathlib import PurePosixPath

from desired.desired import Algorithm
from reconcilers.host.host import Access, Host, StepError
from reconcilers.host.read_only import ReadOnly


class Killed(BaseException):
    """The end of the process, as SIGKILL brings it: nothing that catches failures sees it."""


class Fault(Enum):
    """What happens at the chosen change."""

    KILLED_BEFORE = auto()
    KILLED_AFTER = auto()
    REFUSED = auto()  # It fails without effect, once.
    FAILED_AFTER = (
        auto()
    )  # It has its effect and fails nevertheless, once: a sync that did not work.
    FULL = auto()  # It and every later one fail without effect: no space is left.


class Faulty(ReadOnly):
    """Passes everything on to another host, and strikes at one of the changes."""

    def __init__(self, host: Host, strike: int, fault: Fault) -> None:
        super().__init__(host)
        self._host = host
        self._strike = strike  # From 1; 0 strikes never.
        self._fault = fault
        self.changes = 0  # How many were asked for.

    def make_directory(self, path: PurePosixPath, access: Access) -> None:
        self._change(lambda: self._host.make_directory(path, access))

    def set_access(self, path: PurePosixPath, access: Access) -> None:
        self._change(lambda: self._host.set_access(path, access))

    def replace(self, path: PurePosixPath, content: bytes, access: Access) -> None:
        self._change(lambda: self._host.replace(path, content, access))

    def link(self, source: PurePosixPath, target: PurePosixPath) -> None:
        self._change(lambda: self._host.link(source, target))

    def move(self, source: PurePosixPath, target: PurePosixPath) -> None:
        self._change(lambda: self._host.move(source, target))

    def remove_file(self, path: PurePosixPath) -> None:
        self._change(lambda: self._host.remove_file(path))

    def remove_directory(self, path: PurePosixPath) -> None:
        self._change(lambda: self._host.remove_directory(path))

    def remove_tree(self, path: PurePosixPath) -> None:
        self._change(lambda: self._host.remove_tree(path))

    def sync(self, directory: PurePosixPath) -> None:
        self._change(lambda: self._host.sync(directory))

    def sync_everything(self) -> None:
        self._change(self._host.sync_everything)

    def append(
        self, path: PurePosixPath, lines: bytes, access: Access, *, durably: bool = True
    ) -> None:
        self._change(lambda: self._host.append(path, lines, access, durably=durably))

    def new_private_key(self, algorithm: Algorithm = "rsa-sha256") -> bytes:
        return self._host.new_private_key(algorithm)

    def new_certificate(self, hostname: str, private_key: bytes) -> bytes:
        return self._host.new_certificate(hostname, private_key)

    def written(self, path: PurePosixPath) -> datetime | None:
        return self._host.written(path)

    def now(self) -> datetime:
        return self._host.now()

    def _change(self, take: Callable[[], None]) -> None:
        self.changes += 1
        struck = self.changes == self._strike
        past = 0 < self._strike < self.changes
        match self._fault:
            case Fault.KILLED_BEFORE | Fault.KILLED_AFTER if past:
                raise Killed  # The dead do nothing, not even tidy up.
            case Fault.KILLED_BEFORE if struck:
                raise Killed
            case Fault.KILLED_AFTER if struck:
                take()
                raise Killed
            case Fault.REFUSED if struck:
                raise StepError("the disk reports an input/output error")
            case Fault.FULL if struck or past:
                raise StepError("no space is left on its file system")
            case Fault.FAILED_AFTER if struck:
                take()
                raise StepError("the disk reports an input/output error")
            case _:
                take()
