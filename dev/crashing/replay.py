"""Carries out the calls of a command on a model of the disk, one after the other.

Whatever the model does not know ends it: nothing that changes the instance is passed over.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .calls import Call, Descriptor, descriptor, string
from .disk import ROOT, Aspect, Disk, Inode

_BOTH = (Aspect.CONTENT, Aspect.ACCESS)
_OF_PROCESSES = "/proc/self/fd/"
# When a file was written is nothing to compare, and attributes beside the mode are not followed.
_HARMLESS = {"utimensat", "sync_file_range", "fremovexattr"}


@dataclass
class _Open:
    """An open file."""

    number: int
    position: int = 0
    appends: bool = False


class Replay:
    """One process at work on the disk."""

    def __init__(self, disk: Disk, base: Path) -> None:
        self.disk = disk
        self._base = str(base)
        self._open: dict[int, _Open | None] = {}
        umask = os.umask(0)
        os.umask(umask)
        self._umask = umask
        self._maker = (os.geteuid(), os.getegid())  # Whose is what is made now.

    def carry_out(self, call: Call) -> None:
        """Do what it did; nothing where it failed, or where the process was killed before it."""
        result = call.result
        if result is None or call.name in _HARMLESS:
            return
        known = _KNOWN.get(call.name)
        if known is not None:
            known(self, call.arguments, result)
            return
        assert self._base not in call.readable, f"the model does not know {call.name}"

    # Where an argument leads.

    def _at(self, directory: str, name: str) -> int | None:
        """The inode of a name; None for one that is elsewhere."""
        found = self._place(directory, name)
        if found is None or isinstance(found, int):
            return found
        parent, last = found
        return self.disk.seen[parent].names[last]

    def _place(self, directory: str, name: str) -> tuple[int, str] | int | None:
        """The directory and the last name in it; an inode itself where it has no name there."""
        path = string(name).decode()
        if path.startswith(_OF_PROCESSES):
            opened = self._open.get(int(path.removeprefix(_OF_PROCESSES)))
            return opened.number if opened else None
        if path.startswith("/"):
            return self._from_root(path)
        start = self._number(descriptor(directory))
        return None if start is None else self._below(start, path)

    def _from_root(self, path: str) -> tuple[int, str] | int | None:
        if path == self._base:
            return ROOT
        if not path.startswith(f"{self._base}/"):
            return None
        return self._below(ROOT, path.removeprefix(f"{self._base}/"))

    def _below(self, start: int, path: str) -> tuple[int, str] | int:
        *above, last = PurePosixPath(path).parts or ("",)
        assert ".." not in (*above, last), path
        for name in above:
            start = self.disk.seen[start].names[name]
        return (start, last) if last else start

    def _number(self, what: Descriptor) -> int | None:
        """The inode that is open; None for one that is elsewhere."""
        if not f"{what.path}/".startswith(f"{self._base}/"):
            return None
        assert what.number is not None
        opened = self._open[what.number]
        assert opened is not None, what
        if not what.deleted:
            named = self._from_root(what.path)
            assert named is not None
            there = named if isinstance(named, int) else self.disk.seen[named[0]].names[named[1]]
            assert there == opened.number, f"{what.path} is not what is open as {what.number}"
        return opened.number

    # What the calls do.

    def _named(self, directory: str, name: str) -> tuple[int, str] | None:
        found = self._place(directory, name)
        assert not isinstance(found, int), "a descriptor is no name"
        return found

    def _opening(self, directory: str, name: str, flags: str, mode: str, result: int) -> None:
        found = self._place(directory, name)
        if "O_TMPFILE" in flags and found is not None:
            self._open[result] = _Open(self._born(mode, stat.S_IFREG))
            return
        if found is None or isinstance(found, int):
            self._open[result] = None if found is None else _Open(found)
            return
        parent, last = found
        number = self.disk.seen[parent].names.get(last)
        if number is None:
            assert "O_CREAT" in flags, f"{last} is not there to be opened"
            number = self._new(parent, last, mode, stat.S_IFREG)
        elif "O_TRUNC" in flags:
            self._write(number, b"")
        self._open[result] = _Open(number, appends="O_APPEND" in flags)

    def _born(self, mode: str, nature: int) -> int:
        return self.disk.born(Inode(nature, int(mode, 8) & ~self._umask, *self._maker))

    def _acts_as(self, uid: str) -> None:
        self._maker = int(uid), self._maker[1]

    def _acts_for(self, gid: str) -> None:
        self._maker = self._maker[0], int(gid)

    def _new(self, parent: int, name: str, mode: str, nature: int) -> int:
        number = self._born(mode, nature)
        self.disk.name(f"the name {self._told(parent, name)}", (parent, name, number))
        return number

    def _openat(self, arguments: list[str], result: int) -> None:
        directory, name, flags, mode = (*arguments, "0")[:4]
        self._opening(directory, name, flags, mode, result)

    def _write_to(self, arguments: list[str], result: int) -> None:
        self._added(arguments[0], string(arguments[1])[:result])

    def _added(self, to: str, written: bytes) -> None:
        """Bytes written where the last ones ended."""
        number = self._number(descriptor(to))
        if number is None:
            return
        opened = self._open[int(to.partition("<")[0])]
        assert opened is not None
        size = len(self.disk.seen[number].content)
        start = size if opened.appends else opened.position
        opened.position = start + len(written)
        self._put(number, written, start)

    def _write_at(self, arguments: list[str], result: int) -> None:
        number = self._number(descriptor(arguments[0]))
        if number is not None:
            self._put(number, string(arguments[1])[:result], int(arguments[3]))

    def _copied(self, arguments: list[str], result: int) -> None:
        source, offset, target, *_ = arguments
        number = self._number(descriptor(source))
        assert number is not None, "a copy from elsewhere"
        assert offset.startswith("["), "a copy from wherever the file was read"
        start = int(offset.strip("[]"))
        self._added(target, self.disk.seen[number].content[start : start + result])

    def _put(self, number: int, written: bytes, start: int) -> None:
        old = self.disk.seen[number].content
        self._write(number, old[:start].ljust(start, b"\0") + written + old[start + len(written) :])

    def _controlled(self, arguments: list[str], result: int) -> None:
        """A second descriptor for what is open; locks and leases are not on disk."""
        if arguments[1].startswith("F_DUPFD"):
            self._open[result] = self._open.get(int(arguments[0].partition("<")[0]))

    def _write(self, number: int, content: bytes) -> None:
        does = f"the bytes of {self._path(number)}"
        self.disk.change(does, [(number, Aspect.CONTENT)], (number, {"content": content}))

    def _truncated(self, arguments: list[str], result: int) -> None:
        number = self._number(descriptor(arguments[0]))
        if number is not None:
            size = int(arguments[1])
            self._write(number, self.disk.seen[number].content[:size].ljust(size, b"\0"))

    def _made(self, arguments: list[str], result: int) -> None:
        directory, name, mode = arguments
        if place := self._named(directory, name):
            self._new(*place, mode, stat.S_IFDIR)

    def _removed(self, arguments: list[str], result: int) -> None:
        directory, name, *_ = arguments
        if place := self._named(directory, name):
            self.disk.name(f"that {self._told(*place)} is gone", (*place, None))

    def _renamed(self, arguments: list[str], result: int) -> None:
        source_directory, source_name, target_directory, target_name, *flags = arguments
        assert flags in ([], ["0"], ["RENAME_NOREPLACE"]), flags
        source = self._named(source_directory, source_name)
        target = self._named(target_directory, target_name)
        assert (source is None) == (target is None), "a rename from elsewhere, or to there"
        if source and target:
            number = self.disk.seen[source[0]].names[source[1]]
            does = f"{self._told(*source)} renamed to {self._told(*target)}"
            self.disk.name(does, (*source, None), (*target, number))

    def _linked(self, arguments: list[str], result: int) -> None:
        source_directory, source_name, target_directory, target_name, *_ = arguments
        number = self._at(source_directory, source_name)
        target = self._named(target_directory, target_name)
        if number is not None and target:
            self.disk.name(f"the name {self._told(*target)}", (*target, number))

    def _mode_given(self, number: int | None, mode: str) -> None:
        if number is not None:
            self._access(number, mode=int(mode, 8))

    def _owner_given(self, number: int | None, uid: str, gid: str) -> None:
        if number is not None:
            mode = self.disk.seen[number].mode & 0o1777
            given = {"uid": int(uid), "gid": int(gid), "mode": mode}
            self._access(number, **{name: value for name, value in given.items() if value >= 0})

    def _access(self, number: int, **fields: int) -> None:
        does = f"owner and mode of {self._path(number)}"
        self.disk.change(does, [(number, Aspect.ACCESS)], (number, fields))

    def _flushed(self, argument: str, *aspects: Aspect) -> None:
        number = self._number(descriptor(argument))
        if number is not None:
            self.disk.flush(number, *aspects)

    # For whoever reads what got lost.

    def _told(self, directory: int, name: str) -> str:
        return f"{self._path(directory)}/{name}".removeprefix("/")

    def _path(self, number: int) -> str:
        if number == ROOT:
            return ""
        return next((path for path, each, _ in self.disk.tree() if each == number), "what is gone")


def _absolute(arguments: list[str]) -> list[str]:
    """With the working directory, as calls are made that know of directories."""
    return ["AT_FDCWD", *arguments]


_KNOWN: dict[str, Callable[[Replay, list[str], int], None]] = {
    "openat": Replay._openat,
    "open": lambda self, args, result: self._openat(_absolute(args), result),
    "write": Replay._write_to,
    "pwrite64": Replay._write_at,
    "copy_file_range": Replay._copied,
    "fcntl": Replay._controlled,
    "ftruncate": Replay._truncated,
    "mkdirat": Replay._made,
    "mkdir": lambda self, args, result: self._made(_absolute(args), result),
    "unlinkat": Replay._removed,
    "unlink": lambda self, args, result: self._removed(_absolute(args), result),
    "rmdir": lambda self, args, result: self._removed(_absolute(args), result),
    "renameat2": Replay._renamed,
    "renameat": Replay._renamed,
    "rename": lambda self, args, result: self._renamed(
        [*_absolute(args[:1]), *_absolute(args[1:])], result
    ),
    "linkat": Replay._linked,
    "link": lambda self, args, result: self._linked(
        [*_absolute(args[:1]), *_absolute(args[1:])], result
    ),
    "fchmod": lambda self, args, result: self._mode_given(
        self._number(descriptor(args[0])), args[1]
    ),
    "chmod": lambda self, args, result: self._mode_given(self._at("AT_FDCWD", args[0]), args[1]),
    "fchmodat": lambda self, args, result: self._mode_given(self._at(args[0], args[1]), args[2]),
    "fchown": lambda self, args, result: self._owner_given(
        self._number(descriptor(args[0])), *args[1:3]
    ),
    "chown": lambda self, args, result: self._owner_given(
        self._at("AT_FDCWD", args[0]), *args[1:3]
    ),
    "lchown": lambda self, args, result: self._owner_given(
        self._at("AT_FDCWD", args[0]), *args[1:3]
    ),
    "fchownat": lambda self, args, result: self._owner_given(
        self._at(args[0], args[1]), *args[2:4]
    ),
    "setfsuid": lambda self, args, result: self._acts_as(args[0]),
    "setfsgid": lambda self, args, result: self._acts_for(args[0]),
    "fsync": lambda self, args, result: self._flushed(args[0], *_BOTH),
    "fdatasync": lambda self, args, result: self._flushed(args[0], Aspect.CONTENT),
    "sync": lambda self, args, result: self.disk.flush_all(),
    "syncfs": lambda self, args, result: self.disk.flush_all(),
}
