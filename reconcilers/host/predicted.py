"""The machine as it will be: what steps write stays in memory, the rest is what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TypeAlias

from desired.desired import Algorithm
from desired.frozen import frozen, replace
from reconcilers.certificates import stand_in_for
from reconcilers.host.host import Access, Entry, Nature, Reading, StepError, is_provisional
from reconcilers.host.read_only import ReadOnly
from reconcilers.signing import FORMS

# When it will be, nobody knows, and no plan asks.
_ONCE = datetime(2000, 1, 1, tzinfo=UTC)


@frozen
class _Node:
    """What will be at a path."""

    entry: Entry
    content: bytes = b""
    origin: PurePosixPath | None = None  # Where what is in it is now; None: it is new.


# What will be there, or where it is now, or nothing.
_Found: TypeAlias = _Node | PurePosixPath | None


class _Branch:
    """A place in the tree of what will be otherwise."""

    __slots__ = ("below", "changes", "node")

    def __init__(self) -> None:
        self.below: dict[str, _Branch] = {}
        self.changes = False  # It itself, and not only what is below it.
        self.node: _Node | None = None  # What will be there, if it changes; None: it will be gone.


class Predicted(ReadOnly):
    """Nothing is as slow as on the machine, and nothing fails as it does there."""

    def __init__(self, host: Reading) -> None:
        super().__init__(host)
        self._root = _Branch()
        self._made_so_far = 0

    def look(self, path: PurePosixPath) -> Entry | None:
        found = self._find(path)
        if isinstance(found, _Node):
            return found.entry
        return self._seen.look(found) if found else None

    def look_within(
        self, directory: PurePosixPath, names: Iterable[str]
    ) -> Mapping[str, Entry | None] | None:
        found, wanted = self._find(directory), tuple(names)
        if found is None:
            return None
        now = found.origin if isinstance(found, _Node) else found
        there = dict(self._seen.look_within(now, wanted) or {}) if now else {}
        new = self._below(directory)
        for name in wanted:
            if name in new and new[name].changes:
                node = new[name].node
                there[name] = node.entry if node else None
            else:
                there.setdefault(name, None)
        return there

    def names(self, directory: PurePosixPath) -> tuple[str, ...] | None:
        found = self._find(directory)
        if found is None:
            return None
        now = found.origin if isinstance(found, _Node) else found
        new = {name: each.node for name, each in self._below(directory).items() if each.changes}
        there = self._seen.names(now) if now else ()
        kept = {name for name in there or () if name not in new}
        made = {name for name, node in new.items() if node and not is_provisional(name)}
        return None if there is None and not made else tuple(sorted(kept | made))

    def read(self, path: PurePosixPath) -> bytes | None:
        found = self._find(path)
        if isinstance(found, _Node):
            return self._seen.read(found.origin) if found.origin else found.content
        return self._seen.read(found) if found else None

    def read_part(self, path: PurePosixPath, start: int, octets: int) -> bytes | None:
        found = self._find(path)
        if isinstance(found, _Node) and not found.origin:
            content = found.content
            return content[start if start >= 0 else max(len(content) + start, 0) :][:octets]
        now = found.origin if isinstance(found, _Node) else found
        return self._seen.read_part(now, start, octets) if now else None

    def make_directory(self, path: PurePosixPath, access: Access) -> None:
        if self.look(path) is None:
            self._put(path, _Node(self._entry(path, Nature.DIRECTORY, access, 0)))
        else:
            self.set_access(path, access)

    def set_access(self, path: PurePosixPath, access: Access) -> None:
        node = self._node(path)
        entry = node.entry._replace(mode=access.mode, uid=access.uid, gid=access.gid)
        self._put(path, replace(node, entry=entry))

    def replace(self, path: PurePosixPath, content: bytes, access: Access) -> None:
        self._put(path, _Node(self._entry(path, Nature.FILE, access, len(content)), content))

    def link(self, source: PurePosixPath, target: PurePosixPath) -> None:
        self._put(target, self._node(source))

    def move(self, source: PurePosixPath, target: PurePosixPath) -> None:
        moved, below = self._node(source), self._below(source)
        self.remove_tree(source)
        self._put(target, moved).below.update(below)

    def remove_file(self, path: PurePosixPath) -> None:
        self.remove_tree(path)

    def remove_directory(self, path: PurePosixPath) -> None:
        self.remove_tree(path)

    def remove_tree(self, path: PurePosixPath) -> None:
        self._put(path, None).below = {}

    def sync(self, directory: PurePosixPath) -> None:
        pass

    def sync_everything(self) -> None:
        pass

    def append(
        self, path: PurePosixPath, lines: bytes, access: Access, *, durably: bool = True
    ) -> None:
        pass

    def new_private_key(self, algorithm: Algorithm = "rsa-sha256") -> bytes:
        return FORMS[algorithm].stand_in()

    def new_certificate(self, hostname: str, private_key: bytes) -> bytes:
        return stand_in_for(hostname, private_key)

    def written(self, path: PurePosixPath) -> datetime | None:
        return None if self.look(path) is None else _ONCE

    def now(self) -> datetime:
        return _ONCE

    def _find(self, path: PurePosixPath) -> _Found:
        """By the last place on the way there that changes itself."""
        branch, found, beyond = self._root, self._root, 0
        for depth, part in enumerate(path.parts, 1):
            if part not in branch.below:
                break
            branch = branch.below[part]
            if branch.changes:
                found, beyond = branch, depth
        if not found.changes:
            return path
        node, rest = found.node, path.parts[beyond:]
        if node is None or not rest:
            return node
        return node.origin and node.origin.joinpath(*rest)

    def _node(self, path: PurePosixPath) -> _Node:
        """What is to be changed there; raises `StepError` where there is nothing."""
        found = self._find(path)
        if isinstance(found, _Node):
            return found
        entry = self._seen.look(found) if found else None
        if entry is None:
            raise StepError(f"{path}: will not be there")
        return _Node(entry, origin=found)

    def _put(self, path: PurePosixPath, node: _Node | None) -> _Branch:
        branch = self._root
        for part in path.parts:
            branch = branch.below.setdefault(part, _Branch())
        branch.changes, branch.node = True, node
        return branch

    def _below(self, directory: PurePosixPath) -> Mapping[str, _Branch]:
        """What will be otherwise in a directory, or further down, by its name in there."""
        branch: _Branch | None = self._root
        for part in directory.parts:
            if branch is None:
                return {}
            branch = branch.below.get(part)
        return branch.below if branch else {}

    def _entry(self, path: PurePosixPath, nature: Nature, access: Access, size: int) -> Entry:
        self._made_so_far += 1
        above = self.look(path.parent)
        device = above.device if above else 0
        # No inode of a file system is negative.
        inode = -self._made_so_far
        return Entry(nature, access.mode, access.uid, access.gid, size, inode, device)
