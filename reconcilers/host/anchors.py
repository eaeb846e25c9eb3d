"""Descriptors of what is below an instance's directories, opened without following a link.

The paths of the roots themselves may go through links: they are the operator's. Everything below
them is reached one component at a time, each relative to the one before.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from reconcilers.roots import Roots

_FOLLOWING = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_ENTERING = _FOLLOWING | os.O_NOFOLLOW


class OutsideError(OSError):
    """A path that is not the instance's."""

    def __init__(self, path: PurePosixPath) -> None:
        super().__init__(errno.EPERM, "outside of the instance's directories", str(path))


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

    @contextmanager
    def directory(self, path: PurePosixPath) -> Iterator[int]:
        """A descriptor of the directory; an `OSError` names the component that is in the way."""
        if path.parts in self._above_roots:
            descriptor = os.open(path, _FOLLOWING)
        else:
            descriptor = self._descend(path, path.parts)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def parent(self, path: PurePosixPath) -> Iterator[tuple[int, str]]:
        """A descriptor of the directory that holds the path, and the path's name in it."""
        if self.is_root(path):
            path = PurePosixPath(os.path.realpath(path))
            descriptor = os.open(path.parent, _FOLLOWING)
        else:
            descriptor = self._descend(path, path.parts[:-1])
        try:
            yield descriptor, path.name
        finally:
            os.close(descriptor)

    def _descend(self, path: PurePosixPath, parts: tuple[str, ...]) -> int:
        anchor = self._anchor(path)
        if anchor is None:
            raise OutsideError(path)
        descriptor = os.open(anchor, _FOLLOWING)
        for depth in range(len(anchor.parts), len(parts)):
            above = descriptor
            try:
                descriptor = enter(parts[depth], above)
            except OSError as error:
                error.filename = str(PurePosixPath(*parts[: depth + 1]))
                raise
            finally:
                os.close(above)
        return descriptor

    def _anchor(self, path: PurePosixPath) -> PurePosixPath | None:
        for parts, root in self._roots.items():
            if path.parts[: len(parts)] == parts:
                return root
        if any(path.is_relative_to(place) for place in self._manifest):
            return self._manifest[0].parent
        return None


def enter(name: str, directory: int) -> int:
    """Open a directory by its name in another; `ELOOP` for a link, `ENOTDIR` for all else."""
    try:
        return os.open(name, _ENTERING, dir_fd=directory)
    except NotADirectoryError:
        # The kernel says ENOTDIR for a link as well.
        if stat.S_ISLNK(os.lstat(name, dir_fd=directory).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name) from None
        raise
