"""Descriptors of what is below an instance's directories, opened without following a link.

The paths of the roots themselves may go through links: they are the operator's. Everything below
them is reached one component at a time, each relative to the one before.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import PurePosixPath
from typing import Generic, TypeVar

from reconcilers.roots import Roots

T = TypeVar("T")

_FOLLOWING = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_ENTERING = _FOLLOWING | os.O_NOFOLLOW
# Descriptors; a process may have 1,024 by default.
_MOST_KEPT = 512


class OutsideError(OSError):
    """A path that is not the instance's."""

    def __init__(self, path: PurePosixPath) -> None:
        super().__init__(errno.EPERM, "outside of the instance's directories", str(path))


class _Open(Generic[T]):
    """Something that is of use until its descriptor is closed."""

    __slots__ = ("_descriptor", "_told")

    def __init__(self, told: T, descriptor: int) -> None:
        self._told = told
        self._descriptor = descriptor

    def __enter__(self) -> T:
        return self._told

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


class Anchors:
    """The directories from which an instance's paths are reached."""

    def __init__(self, roots: Roots) -> None:
        # The innermost first: they may be nested.
        self._roots = {
            root.parts: root
            for root in sorted(
                (roots.config, roots.data, roots.runtime), key=lambda root: -len(root.parts)
            )
        }
        self._above_roots = {parts[:-1] for parts in self._roots}
        self._manifest = (roots.manifest, roots.fragments)

    def holds(self, path: PurePosixPath) -> bool:
        """Whether the path is the instance's."""
        return self._anchor(path) is not None

    def is_root(self, path: PurePosixPath) -> bool:
        """Whether it is one of the roots, whose own path the operator chose."""
        return path.parts in self._roots

    def directory(self, path: PurePosixPath) -> AbstractContextManager[int]:
        """A descriptor of the directory; an `OSError` names the component that is in the way."""
        if path.parts in self._above_roots:
            descriptor = os.open(path, _FOLLOWING)
        else:
            descriptor = self._descend(path, path.parts)
        return _Open(descriptor, descriptor)

    @contextmanager
    def directories(self, paths: Iterable[PurePosixPath]) -> Iterator[Sequence[int]]:
        """`directory` of each."""
        with ExitStack() as opened:
            yield [self._within(opened, path) for path in paths]

    def _within(self, opened: ExitStack, path: PurePosixPath) -> int:
        return opened.enter_context(self.directory(path))

    def parent(self, path: PurePosixPath) -> AbstractContextManager[tuple[int, str]]:
        """A descriptor of the directory that holds the path, and the path's name in it."""
        if self.is_root(path):
            path = PurePosixPath(os.path.realpath(path))
            descriptor = os.open(path.parent, _FOLLOWING)
        else:
            descriptor = self._descend(path, path.parts[:-1])
        return _Open((descriptor, path.name), descriptor)

    def _descend(self, path: PurePosixPath, parts: tuple[str, ...]) -> int:
        descriptor, begin = self._nearest(path, parts)
        for depth in range(begin, len(parts)):
            above = descriptor
            try:
                descriptor = enter(parts[depth], above)
            except OSError as error:
                error.filename = str(PurePosixPath(*parts[: depth + 1]))
                raise
            finally:
                os.close(above)
        return descriptor

    def _nearest(self, path: PurePosixPath, parts: tuple[str, ...]) -> tuple[int, int]:
        """A descriptor of one's own from which the parts are reached, and how many it is below."""
        anchor = self._anchor(path)
        if anchor is None:
            raise OutsideError(path)
        return os.open(anchor, _FOLLOWING), len(anchor.parts)

    def _anchor(self, path: PurePosixPath) -> PurePosixPath | None:
        for parts, root in self._roots.items():
            if path.parts[: len(parts)] == parts:
                return root
        if any(path.is_relative_to(place) for place in self._manifest):
            return self._manifest[0].parent
        return None


class Kept(Anchors):
    """Anchors that keep what they have reached, for a time in which no directory is renamed."""

    def __init__(self, roots: Roots) -> None:
        super().__init__(roots)
        self._reached: dict[tuple[str, ...], int] = {}

    def close(self) -> None:
        """Keep nothing any more."""
        while self._reached:
            os.close(self._reached.popitem()[1])

    def holds(self, path: PurePosixPath) -> bool:
        return path.parts[:-1] in self._reached or super().holds(path)

    def directory(self, path: PurePosixPath) -> AbstractContextManager[int]:
        descriptor = self._kept(path, path.parts)
        return super().directory(path) if descriptor is None else nullcontext(descriptor)

    def parent(self, path: PurePosixPath) -> AbstractContextManager[tuple[int, str]]:
        parts = path.parts
        descriptor = None if parts in self._roots else self._kept(path, parts[:-1])
        return super().parent(path) if descriptor is None else nullcontext((descriptor, parts[-1]))

    def _within(self, opened: ExitStack, path: PurePosixPath) -> int:
        parts = path.parts
        kept = self._reached.get(parts)
        if kept is None:
            kept = self._kept(path, parts)
        return super()._within(opened, path) if kept is None else kept

    def _nearest(self, path: PurePosixPath, parts: tuple[str, ...]) -> tuple[int, int]:
        for depth in range(len(parts) - 1, 0, -1):
            if (kept := self._reached.get(parts[:depth])) is not None:
                return os.dup(kept), depth
        return super()._nearest(path, parts)

    def _kept(self, path: PurePosixPath, parts: tuple[str, ...]) -> int | None:
        """None for what is not kept: above the roots, and what would be too many."""
        found = self._reached.get(parts)
        if found is None and parts not in self._above_roots and len(self._reached) < _MOST_KEPT:
            found = self._reached[parts] = self._opened(path, parts)
        return found

    def _opened(self, path: PurePosixPath, parts: tuple[str, ...]) -> int:
        """From the directory above it, which is kept as well: most have several others."""
        anchor = self._anchor(path)
        below = anchor is not None and len(parts) > len(anchor.parts)
        above = self._kept(path, parts[:-1]) if below else None
        if above is None:
            return self._descend(path, parts)
        try:
            return enter(parts[-1], above)
        except OSError as error:
            error.filename = str(PurePosixPath(*parts))
            raise


def enter(name: str, directory: int) -> int:
    """Open a directory by its name in another; `ELOOP` for a link, `ENOTDIR` for all else."""
    try:
        return os.open(name, _ENTERING, dir_fd=directory)
    except NotADirectoryError:
        # The kernel says ENOTDIR for a link as well.
        if stat.S_ISLNK(os.lstat(name, dir_fd=directory).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name) from None
        raise
