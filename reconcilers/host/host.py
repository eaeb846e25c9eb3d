"""What reconcilers may ask of the machine, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import PurePosixPath
from typing import NamedTuple, Protocol, TypeAlias

from desired.desired import Algorithm
from desired.frozen import frozen


class ReconcileError(Exception):
    """The machine could not be looked at, or not be changed. Says what, where, what to do."""


class UnseenError(ReconcileError):
    """Could not look, which is not the same as absent."""


class StepError(ReconcileError):
    """A change could not be made; what it would have replaced is as it was."""


class Nature(StrEnum):
    """What a name in a directory stands for. Links are never followed."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"  # A socket, a device, a FIFO.


class Entry(NamedTuple):
    """What `lstat` tells about one name, as far as reconcilers care. A plan makes thousands."""

    nature: Nature
    mode: int  # The permission bits alone, 0o7777 at most.
    uid: int
    gid: int
    size: int
    inode: int
    device: int


@frozen
class Account:
    """A Linux user."""

    name: str
    uid: int
    gid: int


@frozen
class Access:
    """Who owns a file or directory, and its permission bits. Never left to the umask."""

    mode: int
    uid: int
    gid: int


# A directory, and a name in it: whoever has thousands does without their paths.
Place: TypeAlias = tuple[PurePosixPath, str]

LARGEST_FILE = 16 * 2**20
# Why a change counts as failed that nobody refused.
NOT_SEEN = "taken, and not seen to hold afterwards"

_PROVISIONAL = ".aimx-new"
_LONGEST_NAME = 255  # Octets, of Linux's file systems.


def provisional(name: str) -> str:
    """Under which name, in the same directory, something is made before it is seen as `name`.

    Always the same one, so that the next try takes over what a killed one left behind.
    """
    new = f".{name}{_PROVISIONAL}"
    if len(new.encode(errors="surrogateescape")) <= _LONGEST_NAME:
        return new
    return f".{sha256(name.encode(errors='surrogateescape')).hexdigest()}{_PROVISIONAL}"


def is_provisional(name: str) -> bool:
    """Whether the name was given by `provisional`."""
    return name.startswith(".") and name.endswith(_PROVISIONAL)


class Reading(Protocol):
    """The half of the machine that may be looked at. Everything raises `UnseenError`.

    Below the instance's directories no link is followed: `look` tells of one at the end of a
    path, and everything else about it, or beyond it, is unseen. A file elsewhere (a certificate
    that the manifest names) is the operator's word, and looked at as any program would.
    """

    def user(self) -> Account:
        """Who we are: what the tables of the layout call root, and the one user where rootless."""

    def account(self, name: str) -> Account | None:
        """The user of that name, or None where there is none."""

    def look(self, path: PurePosixPath) -> Entry | None:
        """What is at the path, or None where there is nothing."""

    def look_within(
        self, directory: PurePosixPath, names: Iterable[str]
    ) -> Mapping[str, Entry | None] | None:
        """`look` for many names of one directory; None where it is absent or no directory."""

    def names(self, directory: PurePosixPath) -> tuple[str, ...] | None:
        """What is in the directory, sorted; None where it is absent or no directory.

        What an interrupted change left there (`is_provisional`) is not told.
        """

    def read(self, path: PurePosixPath) -> bytes | None:
        """The regular file's bytes (`LARGEST_FILE` at most), or None where there is nothing."""

    def read_part(self, path: PurePosixPath, start: int, octets: int) -> bytes | None:
        """So many octets of a regular file of any size, from there on; from its end for a start
        below zero. None where there is nothing."""


class Host(Reading, Protocol):
    """The machine: every change that reconcilers make goes through here.

    A change raises `StepError`, is durable when it returns where it says so, never follows a link
    below the instance's directories, and touches nothing outside of them. Killed at any instant
    it leaves the old or the new, and perhaps a provisional name that the next try takes over.
    """

    def keeping(self) -> AbstractContextManager[Host]:
        """The same machine, whose directories need not be reached anew each time.

        For one thread, and for a time in which none of them gets another place.
        """

    def make_directory(self, path: PurePosixPath, access: Access) -> None:
        """Make it with exactly this access, which it has from the first instant it is seen.

        Durable after `sync` of its parent. A directory that is there already keeps its content
        and gets the access. The parent must be there, except above the instance's own roots.
        """

    def make_directories(self, places: Sequence[Place], access: Access) -> Sequence[str]:
        """`make_directory` at each of these, and a look at each: why one is not seen to be there
        with this access, and nothing where it is."""

    def set_access(self, path: PurePosixPath, access: Access) -> None:
        """Owner and mode of a file or directory that is there, durable."""

    def replace(self, path: PurePosixPath, content: bytes, access: Access) -> None:
        """The file holds exactly this, atomically and durably: a reader sees old bytes or new."""

    def link(self, source: PurePosixPath, target: PurePosixPath) -> None:
        """A second name for a file, durable; refuses a target that is there."""

    def move(self, source: PurePosixPath, target: PurePosixPath) -> None:
        """One rename, durable on both sides; refuses a target that is there, and never copies."""

    def remove_file(self, path: PurePosixPath) -> None:
        """The name of a file or link goes, durably; nothing where it is absent."""

    def remove_directory(self, path: PurePosixPath) -> None:
        """An empty directory goes, durably; nothing where it is absent."""

    def remove_tree(self, path: PurePosixPath) -> None:
        """A directory goes with all that is below it, durably; nothing where it is absent.

        Each directory is first closed to everybody but us, so that nobody adds meanwhile.
        """

    def sync(self, directory: PurePosixPath) -> None:
        """Make the directory's names durable; also of one that holds a root."""

    def sync_everything(self) -> None:
        """What an earlier, killed apply left unsynced becomes durable."""

    def append(
        self, path: PurePosixPath, lines: bytes, access: Access, *, durably: bool = True
    ) -> None:
        """Add whole lines to a log file; makes the file, and ends a line that a crash cut short.

        What is not added durably survives a kill of this process, but not a power cut.
        """

    def new_private_key(self, algorithm: Algorithm = "rsa-sha256") -> bytes:
        """A fresh key in PEM: RSA-2048 in PKCS#1, Ed25519 in PKCS#8."""

    def new_certificate(self, hostname: str, private_key: bytes) -> bytes:
        """A fresh self-signed certificate for ten years, in PEM, of an RSA key in PEM."""

    def written(self, path: PurePosixPath) -> datetime | None:
        """When a regular file got its content, aware, in UTC; None where there is none. Raises
        `UnseenError`. A time, and so not for whoever plans."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""


class _Making(Protocol):
    def make_directory(self, path: PurePosixPath, access: Access) -> None: ...

    def look(self, path: PurePosixPath) -> Entry | None: ...


def one_by_one(host: _Making, places: Sequence[Place], access: Access) -> Sequence[str]:
    """`make_directories` of a host that gains nothing by several at a time."""
    return [_made(host, directory / name, access) for directory, name in places]


def _made(host: _Making, path: PurePosixPath, access: Access) -> str:
    try:
        host.make_directory(path, access)
        return "" if _is_directory(host.look(path), access) else NOT_SEEN
    except ReconcileError as failure:
        return str(failure)


def _is_directory(entry: Entry | None, access: Access) -> bool:
    """Whether it is one with exactly this access."""
    wanted = (Nature.DIRECTORY, access.mode, access.uid, access.gid)
    return entry is not None and entry[:4] == wanted
