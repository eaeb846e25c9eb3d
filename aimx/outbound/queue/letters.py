"""The spool: of each message that waits, one file with its content and its sent copy.

A letter is durable before the queue knows of it, and goes when nothing is left to do. It says for
itself to whom it goes, so that a queue that is lost loses no message.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

from aimx.placing.disk import Disk
from desired.frozen import frozen

_SUFFIX = ".letter"
_LONGEST_LABEL = 1024 * 1024
_SEAL = b', "sum": '  # Stands before the sum of all that stands before it in the first line.


class LetterError(Exception):
    """A letter is not there, or not as it was written."""


@frozen
class Label:
    """What the queue knows of a message from the beginning."""

    id: str
    author: str  # The mailbox that it is from.
    recipients: tuple[str, ...]
    message_id: str  # Without brackets.
    subject: str
    size: int  # Octets of the content.
    international: bool
    queued: float  # Seconds since 1970.
    origin: str  # The fingerprint of its sent copy, in hexadecimal.


@frozen
class File:
    """An attachment of the sent copy."""

    name: str
    content: bytes


@frozen
class Copy:
    """The sent copy, as it is placed first."""

    stem: str  # But for a suffix.
    rest: bytes
    files: tuple[File, ...]


@frozen
class Parcel:
    """All that a letter holds."""

    label: Label
    content: bytes  # As it is sent.
    copy: Copy


class Letters:
    """The spool's directory."""

    def __init__(self, directory: Path, disk: Disk | None = None) -> None:
        self._directory = directory
        self._disk = disk or Disk()
        # Written here, and no host has been given their content since; nobody has a wish about
        # them either. Of these that is known whatever becomes of the queue's own record.
        self._untouched: set[str] = set()

    def open(self) -> None:
        """Make the directory where it is missing, and remove what was never finished."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        for path in self._directory.glob(".*"):
            path.unlink()

    def write(self, parcels: Sequence[Parcel]) -> dict[str, OSError]:
        """Durable when it returns, but for those of which it says by name what went wrong: of
        these nothing is left.
        """
        failures: dict[str, OSError] = {}
        with contextlib.ExitStack() as leaving:
            opened: dict[int, str] = {}
            for parcel in parcels:
                name = parcel.label.id
                try:
                    file = leaving.enter_context(self._unfinished(name).open("xb"))
                    _write(file, parcel)
                    opened[file.fileno()] = name
                except OSError as cause:
                    failures[name] = cause
            failed = self._disk.flush_all(opened)
            failures |= {opened[descriptor]: cause for descriptor, cause in failed.items()}
        self._finish([each.label.id for each in parcels], failures)
        self._untouched |= {each.label.id for each in parcels} - failures.keys()
        return failures

    def touch(self, name: str) -> None:
        """A host is given its content, or a person has a wish about it."""
        self._untouched.discard(name)

    def is_untouched(self, name: str) -> bool:
        return name in self._untouched

    def _finish(self, names: Sequence[str], failures: dict[str, OSError]) -> None:
        """Give those that are whole their names."""
        written = []
        for name in names:
            try:
                if name not in failures:
                    self._unfinished(name).rename(self._path(name))
                    written.append(name)
            except OSError as cause:
                failures[name] = cause
        if refused := self._flushed():
            failures |= dict.fromkeys(written, refused)
        for name in failures:
            self._unfinished(name).unlink(missing_ok=True)
            self.remove(name)

    def _flushed(self) -> OSError | None:
        """Make the names durable; gives why not."""
        try:
            opened = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as cause:
            return cause
        try:
            return self._disk.flush_all([opened]).get(opened)
        finally:
            os.close(opened)

    def content(self, name: str, recipients: Sequence[str] = ()) -> bytes:
        """As it is sent, to recipients that the letter names as well; raises `LetterError`."""
        with self._opened(name) as letter:
            if not set(recipients) <= set(letter.label.recipients):
                # One of two files is damaged, and neither must send mail to somebody else.
                raise LetterError(f"{self._path(name)} and the queue name other recipients")
            (content,) = letter.take("content", letter.sizes["content"])
            return content

    def copy(self, name: str) -> Copy:
        """Raises `LetterError`."""
        with self._opened(name) as letter:
            letter.skip(letter.sizes["content"])
            names, sizes = zip(("", letter.sizes["rest"]), *letter.sizes["files"], strict=True)
            rest, *contents = letter.take("copy", *sizes)
            return Copy(letter.sizes["stem"], rest, tuple(map(File, names[1:], contents)))

    def labels(self) -> Iterator[Label | LetterError]:
        """Of all letters, or why one cannot be read."""
        for name in self.names():
            try:
                with self._opened(name) as letter:
                    yield letter.label
            except LetterError as cause:
                yield cause

    def names(self) -> Sequence[str]:
        return sorted(path.name.removesuffix(_SUFFIX) for path in self._directory.glob("*.letter"))

    def remove(self, name: str) -> None:
        self.touch(name)
        self._path(name).unlink(missing_ok=True)

    def _unfinished(self, name: str) -> Path:
        return self._directory / f".{name}"

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}{_SUFFIX}"

    def _opened(self, name: str) -> _Reading:
        try:
            return _Reading(self._path(name))
        except OSError as cause:
            raise LetterError(f"{self._path(name)}: {cause.strerror}") from cause
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as cause:
            raise LetterError(f"{self._path(name)} is not as it was written") from cause


class _Reading:
    """A letter, and how far it was read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open(path, "rb", opener=_looked_at)  # noqa: SIM115 - `__exit__` closes it
        try:
            line = self._file.readline(_LONGEST_LABEL)
            self.sizes = _unsealed(line)
            names = Label.__dataclass_fields__
            fields = {name: self.sizes[name] for name in names}
            self.label = Label(**{**fields, "recipients": tuple(fields["recipients"])})
            _check(self.label, path)
            _check_sizes(self.sizes, os.fstat(self._file.fileno()).st_size - len(line))
        except BaseException:
            self._file.close()
            raise

    def take(self, part: str, *sizes: int) -> list[bytes]:
        """What comes next, of this part of the letter."""
        try:
            found = [self._file.read(size) for size in sizes]
        except OSError as cause:
            raise LetterError(f"{self._path}: {cause.strerror}") from cause
        if self.sizes.get("sums", {}).get(part, _sum(found)) != _sum(found):
            raise LetterError(f"{self._path} is not as it was written")
        return found

    def skip(self, octets: int) -> None:
        self._file.seek(octets, os.SEEK_CUR)

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _check(label: Label, path: Path) -> None:
    """Raises `ValueError` or `TypeError` for what we cannot have written."""
    told = (*label.recipients, label.author, label.message_id, label.subject)
    if label.id + _SUFFIX != path.name or not all(isinstance(each, str) for each in told):
        raise ValueError("its label is another's")
    "".join(told).encode()  # Half a character fits into JSON, and not into the queue.
    if type(label.size) is not int or label.size.bit_length() > 63:
        raise ValueError("its label has no size")
    if type(label.international) is not bool:
        raise ValueError("its label does not tell whether it needs SMTPUTF8")
    datetime.fromtimestamp(label.queued, UTC)
    bytes.fromhex(label.origin)


def _check_sizes(sizes: Mapping[str, Any], octets: int) -> None:
    """Of what stands behind the label; raises as `_check` does, and `KeyError`."""
    found = [sizes["content"], sizes["rest"], *(size for _, size in sizes["files"])]
    names = [sizes["stem"], *(name for name, _ in sizes["files"])]
    if any(type(size) is not int or size < 0 for size in found) or sum(found) != octets:
        raise ValueError("its parts are not as long as it is")
    if not all(isinstance(name, str) for name in names):
        raise TypeError("a part of it has no name")


def _unsealed(line: bytes) -> dict[str, Any]:
    """What the first line says; raises `ValueError` where it is not as it was written.

    What earlier releases wrote has no sums, and is taken at its word.
    """
    said, mark, seal = line.rpartition(_SEAL)
    if mark and seal != b"%d}\n" % crc32(said):
        raise ValueError("its label was changed")
    found: dict[str, Any] = json.loads(line)
    return found


def _sum(parts: Iterable[bytes]) -> int:
    """Of all of them, one after the other; nobody forges what only our own process can write."""
    return reduce(lambda sum_, part: crc32(part, sum_), parts, 0)


def _looked_at(path: str, flags: int) -> int:
    """Whatever has the name: without `O_NONBLOCK` a FIFO would hold us for ever."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)


def _write(file: BinaryIO, parcel: Parcel) -> None:
    copy = parcel.copy
    parts = (copy.rest, *(each.content for each in copy.files))
    sizes = {
        "content": len(parcel.content),
        "stem": copy.stem,
        "rest": len(copy.rest),
        "files": [[each.name, len(each.content)] for each in copy.files],
        "sums": {"content": crc32(parcel.content), "copy": _sum(parts)},
    }
    said = json.dumps({**asdict(parcel.label), **sizes}).encode().removesuffix(b"}")
    for part in (said, b"%s%d}\n" % (_SEAL, crc32(said)), parcel.content, *parts):
        file.write(part)
    file.flush()
