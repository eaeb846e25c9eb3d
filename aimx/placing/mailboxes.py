"""The directories of mailboxes, opened without following a link and kept open."""

from __future__ import annotations

import fcntl
import os
import sys
from collections import OrderedDict
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import NamedTuple

from aimx.channel.placing import Folder, Outcome
from aimx.placing.failure import PlacingError, is_away, unreachable
from aimx.placing.stems import Stems

_KEPT = 1000  # More than a batch may have.
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITABLE_BY_OTHERS = 0o022
_GETVERSION = 0x8008_7601  # FS_IOC_GETVERSION of linux/fs.h: which of all that had this inode.


class Place(NamedTuple):
    """Which mailbox."""

    domain: str
    folder: Folder
    name: str

    @classmethod
    def on_record(cls, domain: object, folder: object, name: object) -> Place:
        """By a row; raises `ValueError` for what none of ours has."""
        return cls(plain(domain), Folder(int(str(folder))), plain(name))

    @property
    def path(self) -> str:
        """Below the data directory."""
        return f"{self.domain}/{self.folder.directory}/{self.name}"


def plain(name: object) -> str:
    """The name of one entry of a directory, as a row has it; raises `ValueError` for any other."""
    text = str(name)
    if text in ("", ".", "..") or "/" in text or "\0" in text:
        raise ValueError(f"{text!r} is no name")
    return text


@dataclass(slots=True)
class Mailbox:
    """One mailbox's open directory, and who owns it and what is placed in it."""

    place: Place
    descriptor: int
    identity: tuple[int, int]  # Device and inode.
    mark: str  # Tells it from others that had its name before, also after a restart.
    uid: int
    gid: int
    stems: Stems


class Mailboxes:
    """All below one data directory, which the caller keeps open."""

    def __init__(self, data: int, open_files: int | None = None) -> None:
        """An eighth of the files that this process may have open is kept, and 1,000 at most."""
        self._data = data
        self._kept = _KEPT if open_files is None else min(open_files // 8, _KEPT)
        self._open: OrderedDict[Place, Mailbox] = OrderedDict()
        self._forgotten: list[Mailbox] = []

    def get(self, place: Place, uid: int) -> Mailbox:
        """The mailbox as it is on disk now; a `PlacingError` unless it is there and the user's."""
        try:
            mailbox = self._current(place)
        except OSError as failure:
            raise unreachable(failure, place.path) from failure
        if mailbox.uid != uid:
            raise PlacingError(
                f"{place.path} belongs to uid {mailbox.uid} and not to uid {uid}", Outcome.AWAY
            )
        return mailbox

    def find(self, place: Place) -> Mailbox | None:
        """The mailbox, whoever owns it; None where there is none.

        An `OSError` or a `PlacingError` where that cannot be told.
        """
        try:
            return self._current(place)
        except OSError as failure:
            if not is_away(failure):
                raise
            return None

    def is_moved(self, mailbox: Mailbox) -> bool:
        """Whether the name stands for another directory by now, or for none.

        An `OSError` where that cannot be told.
        """
        try:
            found = self._status(mailbox.place)
        except OSError as failure:
            if not is_away(failure):
                raise
            return True
        return (found.st_dev, found.st_ino) != mailbox.identity

    def release(self) -> None:
        """Close what was forgotten. Until then what was given out stays usable."""
        for mailbox in self._forgotten:
            os.close(mailbox.descriptor)
        self._forgotten.clear()

    def close(self) -> None:
        for mailbox in (*self._open.values(), *self._forgotten):
            os.close(mailbox.descriptor)
        self._open.clear()
        self._forgotten.clear()

    def _status(self, place: Place) -> os.stat_result:
        # Only the last part can be a link that somebody else made, and that one is not followed.
        return os.stat(place.path, dir_fd=self._data, follow_symlinks=False)

    def _current(self, place: Place) -> Mailbox:
        found = self._status(place)
        mailbox = self._open.get(place)
        if mailbox is None or mailbox.identity != (found.st_dev, found.st_ino):
            return self._opened(place)
        mailbox.uid, mailbox.gid = found.st_uid, found.st_gid
        self._open.move_to_end(place)
        return mailbox

    def _opened(self, place: Place) -> Mailbox:
        self._forget(place)
        descriptor = self._descend(place)
        try:
            found, marked = os.fstat(descriptor), mark(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        mailbox = Mailbox(
            place=place,
            descriptor=descriptor,
            identity=(found.st_dev, found.st_ino),
            mark=marked,
            uid=found.st_uid,
            gid=found.st_gid,
            stems=Stems(descriptor),
        )
        self._open[place] = mailbox
        if len(self._open) > self._kept:
            self._forget(next(iter(self._open)))
        return mailbox

    def _forget(self, place: Place) -> None:
        mailbox = self._open.pop(place, None)
        if mailbox is not None:
            self._forgotten.append(mailbox)

    def _descend(self, place: Place) -> int:
        """Open part by part: no part may be a link, and none above the last somebody else's."""
        with ExitStack() as above:
            directory = self._data
            for part in (place.domain, place.folder.directory):
                directory = os.open(part, _STEP, dir_fd=directory)
                above.callback(os.close, directory)
                _check_ours(directory, place)
            return os.open(place.name, _OPEN, dir_fd=directory)


def _check_ours(directory: int, place: Place) -> None:
    found = os.fstat(directory)
    if found.st_uid != os.geteuid() or found.st_mode & _WRITABLE_BY_OTHERS:
        raise PlacingError(f"somebody else may write above {place.path}; `aimx apply` repairs it")


def mark(directory: int) -> str:
    """Its inode, and which of all that had this number it is.

    The next directory may have the number of one that is removed. A file system that counts no
    versions says 0.
    """
    version = 0
    with suppress(OSError):
        told = fcntl.ioctl(directory, _GETVERSION, bytes(8))
        version = int.from_bytes(told[:4], sys.byteorder)
    return f"{os.fstat(directory).st_ino}.{version}"
