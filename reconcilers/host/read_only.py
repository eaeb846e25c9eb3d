"""A host that may be looked at: planning gets this one, so it cannot write by mistake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import PurePosixPath
from typing import NoReturn, Self

from desired.desired import Algorithm
from reconcilers.host.host import Access, Account, Entry, Place, Reading, one_by_one


class ReadOnly:
    """A host whose every change is a defect of the caller.

    Chance and time are changes here as well: a plan that took from them would differ each time.
    Users and listings are looked at once, since a plan is of one instant.
    """

    def __init__(self, host: Reading) -> None:
        self._seen = host
        self._user: Account | None = None
        self._accounts: dict[str, Account | None] = {}
        self._names: dict[PurePosixPath, tuple[str, ...] | None] = {}

    def user(self) -> Account:
        self._user = self._user or self._seen.user()
        return self._user

    def account(self, name: str) -> Account | None:
        if name not in self._accounts:
            self._accounts[name] = self._seen.account(name)
        return self._accounts[name]

    def look(self, path: PurePosixPath) -> Entry | None:
        return self._seen.look(path)

    def look_within(
        self, directory: PurePosixPath, names: Iterable[str]
    ) -> Mapping[str, Entry | None] | None:
        return self._seen.look_within(directory, names)

    def names(self, directory: PurePosixPath) -> tuple[str, ...] | None:
        if directory not in self._names:
            self._names[directory] = self._seen.names(directory)
        return self._names[directory]

    def read(self, path: PurePosixPath) -> bytes | None:
        return self._seen.read(path)

    def read_part(self, path: PurePosixPath, start: int, octets: int) -> bytes | None:
        return self._seen.read_part(path, start, octets)

    def keeping(self) -> AbstractContextManager[Self]:
        return nullcontext(self)

    def make_directory(self, path: PurePosixPath, access: Access) -> None:
        _refuse(f"make the directory {path} ({access})")

    def make_directories(self, places: Sequence[Place], access: Access) -> Sequence[str]:
        return one_by_one(self, places, access)

    def set_access(self, path: PurePosixPath, access: Access) -> None:
        _refuse(f"set the access of {path} ({access})")

    def replace(self, path: PurePosixPath, content: bytes, access: Access) -> None:
        _refuse(f"write {len(content)} octets to {path} ({access})")

    def link(self, source: PurePosixPath, target: PurePosixPath) -> None:
        _refuse(f"link {source} as {target}")

    def move(self, source: PurePosixPath, target: PurePosixPath) -> None:
        _refuse(f"move {source} to {target}")

    def remove_file(self, path: PurePosixPath) -> None:
        _refuse(f"remove {path}")

    def remove_directory(self, path: PurePosixPath) -> None:
        _refuse(f"remove {path}")

    def remove_tree(self, path: PurePosixPath) -> None:
        _refuse(f"remove {path} and all below")

    def sync(self, directory: PurePosixPath) -> None:
        _refuse(f"sync {directory}")

    def sync_everything(self) -> None:
        _refuse("sync everything")

    def append(
        self, path: PurePosixPath, lines: bytes, access: Access, *, durably: bool = True
    ) -> None:
        _refuse(f"append {len(lines)} octets to {path} ({access}, durably: {durably})")

    def new_private_key(self, algorithm: Algorithm = "rsa-sha256") -> bytes:
        _refuse(f"generate a key for {algorithm}")

    def new_certificate(self, hostname: str, private_key: bytes) -> bytes:
        _refuse(f"issue a certificate for {hostname}")

    def now(self) -> datetime:
        _refuse("ask the time")


def _refuse(what: str) -> NoReturn:
    raise AssertionError(f"planning tried to {what}")
