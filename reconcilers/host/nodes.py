"""What stands in a machine in memory: files and directories, found by their paths."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePosixPath

from desired.frozen import field, mutable
from reconcilers.host.host import Access, Entry, Nature
from reconcilers.host.sentences import told

_NOT_ENTERED = {Nature.SYMLINK: errno.ELOOP}
# What no file can take the place of, and how the kernel says so.
NO_FILE = {Nature.SYMLINK: errno.ELOOP, Nature.DIRECTORY: errno.EISDIR}


@mutable
class Node:
    """A file, a directory or something else; the names of a linked file share one."""

    nature: Nature
    access: Access
    inode: int
    device: int
    written: datetime
    content: bytes = b""
    names: dict[str, Node] = field(default_factory=dict)

    def entry(self) -> Entry:
        access = self.access
        size = len(self.content)
        return Entry(
            self.nature, access.mode, access.uid, access.gid, size, self.inode, self.device
        )

    @property
    def owner(self) -> tuple[int, int]:
        return self.access.uid, self.access.gid

    def at(self, path: PurePosixPath) -> Node:
        """What is at the path, of which this is the top; raises what the kernel would."""
        node = self
        for depth, name in enumerate(path.parts[1:], start=1):
            if node.nature is not Nature.DIRECTORY:
                number = _NOT_ENTERED.get(node.nature, errno.ENOTDIR)
                raise told(number, PurePosixPath(*path.parts[:depth]))
            if name not in node.names:
                raise told(errno.ENOENT, PurePosixPath(*path.parts[: depth + 1]))
            node = node.names[name]
        return node

    def as_directory(self, path: PurePosixPath) -> Node:
        """Itself; raises what the kernel would for anything else at the path."""
        if self.nature is not Nature.DIRECTORY:
            raise told(_NOT_ENTERED.get(self.nature, errno.ENOTDIR), path)
        return self

    def as_file(self) -> Node:
        """Itself; raises what the kernel would for anything else."""
        if self.nature is not Nature.FILE:
            raise told(NO_FILE.get(self.nature, errno.ENXIO))
        return self

    def walk(self, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, Node]]:
        """Itself and all below it, with their paths."""
        yield path, self
        for name in sorted(self.names):
            yield from self.names[name].walk(path / name)
