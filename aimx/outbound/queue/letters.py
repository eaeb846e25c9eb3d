"""The spool: of each message that waits, one file with its content and its sent copy.

A letter is durable before the queue knows of it, and goes when nothing is left to do. It says for
itself to whom it goes, so that a queue that is lost loses no message.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SUFFIX = ".letter"
_LONGEST_LABEL = 1024 * 1024


class LetterError(Exception):
    """A letter is not there, or not as it was written."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class File:
    """An attachment of the sent copy."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Copy:
    """The sent copy, as it is placed first."""

    stem: str  # But for a suffix.
    rest: bytes
    files: tuple[File, ...]


class Letters:
    """The spool's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self) -> None:
        """Make the directory where it is missing, and remove what was never finished."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        for path in self._directory.glob(".*"):
            path.unlink()

    def write(self, label: Label, content: bytes, copy: Copy) -> None:
        """Durable when it returns; nothing is left where it raises OSError."""
        sizes = {
            "content": len(content),
            "stem": copy.stem,
            "rest": len(copy.rest),
            "files": [[file.name, len(file.content)] for file in copy.files],
        }
        line = json.dumps({**asdict(label), **sizes}).encode() + b"\n"
        parts = (line, content, copy.rest, *(file.content for file in copy.files))
        unfinished = self._directory / f".{label.id}"
        try:
            _write(unfinished, parts)
            unfinished.rename(self._path(label.id))
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        try:
            _flush(self._directory)
        except OSError:
            self.remove(label.id)
            raise

    def content(self, name: str) -> bytes:
        """As it is sent; raises `LetterError`."""
        with self._opened(name) as letter:
            return letter.take(letter.sizes["content"])

    def copy(self, name: str) -> Copy:
        """Raises `LetterError`."""
        with self._opened(name) as letter:
            letter.take(letter.sizes["content"])
            rest = letter.take(letter.sizes["rest"])
            files = tuple(File(each, letter.take(size)) for each, size in letter.sizes["files"])
            return Copy(letter.sizes["stem"], rest, files)

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
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}{_SUFFIX}"

    def _opened(self, name: str) -> _Reading:
        try:
            return _Reading(self._path(name))
        except OSError as cause:
            raise LetterError(f"{self._path(name)}: {cause.strerror}") from cause
        except (ValueError, KeyError, TypeError) as cause:
            raise LetterError(f"{self._path(name)} is not as it was written") from cause


class _Reading:
    """A letter, and how far it was read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        try:
            self.sizes: dict[str, Any] = json.loads(self._file.readline(_LONGEST_LABEL))
            names = Label.__dataclass_fields__
            fields = {name: self.sizes[name] for name in names}
            self.label = Label(**{**fields, "recipients": tuple(fields["recipients"])})
        except BaseException:
            self._file.close()
            raise

    def take(self, size: int) -> bytes:
        try:
            found = self._file.read(size)
        except OSError as cause:
            raise LetterError(f"{self._path}: {cause.strerror}") from cause
        if len(found) != size:
            raise LetterError(f"{self._path} ends early")
        return found

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _write(path: Path, parts: Sequence[bytes]) -> None:
    with path.open("xb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _flush(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
