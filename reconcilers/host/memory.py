"""A machine in memory, which keeps the contract of the real one: every kind is tested on it."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePosixPath
from typing import Self

from desired.desired import Algorithm
from reconcilers.host import keys
from reconcilers.host.anchors import OutsideError
from reconcilers.host.host import (
    LARGEST_FILE,
    Access,
    Account,
    Entry,
    Nature,
    Place,
    StepError,
    is_provisional,
    one_by_one,
)
from reconcilers.host.nodes import NO_FILE, Node
from reconcilers.host.sentences import changing, looking, moving, removing, told, why_not_given
from reconcilers.roots import Roots

ROOT = Account("root", 0, 0)

_EPOCH = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_DIFFERENT_KEYS = 3
_SYSTEM = Access(0o755, 0, 0)


class MemoryHost:
    """One instance's machine. What tests put there by hand is planted; kinds use the rest."""

    def __init__(
        self, roots: Roots, user: Account = ROOT, accounts: Iterable[Account] = ()
    ) -> None:
        self._roots = (roots.config, roots.data, roots.runtime)
        self._places = [place.parts for place in (*self._roots, roots.manifest, roots.fragments)]
        self._user = user
        self._accounts = {account.name: account for account in (user, *accounts)}
        self._made_so_far = 1
        self._top = Node(Nature.DIRECTORY, _SYSTEM, 1, 1, _EPOCH)
        self._blind: set[PurePosixPath] = set()
        self._keys_made = 0
        self.time = _EPOCH

    def plant_directory(self, path: PurePosixPath, access: Access | None = None) -> None:
        """A directory that was there before us, with those above it."""
        node = self._top
        for name in path.parts[1:]:
            if name not in node.names:
                node.names[name] = self._new(Nature.DIRECTORY, self._ours(0o755), node)
            node = node.names[name]
        node.access = access or node.access

    def plant_file(self, path: PurePosixPath, content: bytes, access: Access | None = None) -> None:
        """A file that was there before us, with the directories above it."""
        self.plant_other(path, Nature.FILE, access or self._ours(0o600))
        self._at(path).content = content

    def plant_other(
        self, path: PurePosixPath, nature: Nature, access: Access | None = None
    ) -> None:
        """A link, or something stranger, with the directories above it."""
        self.plant_directory(path.parent)
        above = self._at(path.parent)
        above.names[path.name] = self._new(nature, access or self._ours(0o777), above)

    def plant_file_system(self, path: PurePosixPath) -> None:
        """From here on down it is another file system."""
        self.plant_directory(path)
        device = self._at(path).inode
        for _, node in self._at(path).walk(path):
            node.device = device

    def plant_blindness(self, path: PurePosixPath) -> None:
        """Whatever is at the path, or below it, cannot be seen or changed from now on."""
        self._blind.add(path)

    def tree(self) -> Mapping[PurePosixPath, tuple[Nature, Access, bytes]]:
        """All that is there, to be compared; without inodes, which a second try changes."""
        return {
            path: (node.nature, node.access, node.content)
            for path, node in self._top.walk(PurePosixPath("/"))
        }

    def user(self) -> Account:
        return self._user

    def account(self, name: str) -> Account | None:
        return self._accounts.get(name)

    def look(self, path: PurePosixPath) -> Entry | None:
        with looking(path):
            return self._at(path).entry()
        return None

    def look_within(
        self, directory: PurePosixPath, names: Iterable[str]
    ) -> Mapping[str, Entry | None] | None:
        with looking(directory):
            there = self._directory(directory).names
            return {name: there[name].entry() if name in there else None for name in names}
        return None

    def names(self, directory: PurePosixPath) -> tuple[str, ...] | None:
        with looking(directory):
            names = self._directory(directory).names
            return tuple(sorted(name for name in names if not is_provisional(name)))
        return None

    def read(self, path: PurePosixPath) -> bytes | None:
        with looking(path):
            node = self._file(path)
            if len(node.content) > LARGEST_FILE:
                raise told(errno.EFBIG)
            return node.content
        return None

    def keeping(self) -> AbstractContextManager[Self]:
        return nullcontext(self)

    def read_part(self, path: PurePosixPath, start: int, octets: int) -> bytes | None:
        with looking(path):
            content = self._file(path).content
            return content[start if start >= 0 else max(len(content) + start, 0) :][:octets]
        return None

    def make_directory(self, path: PurePosixPath, access: Access) -> None:
        if path in self._roots and not self._is_there(path.parent):
            self.plant_directory(path.parent)
        with changing(path):
            above = self._above(path)
            if path.name in above.names:
                self._give(path, self._directory(path), access)
            else:
                above.names[path.name] = self._made(path, Nature.DIRECTORY, access, above)

    def make_directories(self, places: Sequence[Place], access: Access) -> Sequence[str]:
        return one_by_one(self, places, access)

    def set_access(self, path: PurePosixPath, access: Access) -> None:
        with changing(path):
            self._above(path)
            node = self._at(path)
            if node.nature is Nature.SYMLINK:
                raise told(errno.ELOOP)
            self._give(path, node, access)

    def replace(self, path: PurePosixPath, content: bytes, access: Access) -> None:
        with changing(path):
            above = self._above(path)
            there = above.names.get(path.name)
            if there is not None and there.nature in NO_FILE:
                raise told(NO_FILE[there.nature])
            node = self._made(path, Nature.FILE, access, above)
            node.content = content
            above.names[path.name] = node

    def link(self, source: PurePosixPath, target: PurePosixPath) -> None:
        with changing(target):
            above = self._above(target)
            with changing(source):
                self._above(source)
                node = self._at(source)
            if target.name in above.names:
                raise told(errno.EEXIST)
            above.names[target.name] = node

    def move(self, source: PurePosixPath, target: PurePosixPath) -> None:
        with changing(target):
            target_above = self._above(target)
        with changing(source):
            source_above = self._above(source)
        with moving(source, target):
            node = source_above.names.get(source.name)
            if node is None:
                raise told(errno.ENOENT)
            if node.device != target_above.device:
                raise told(errno.EXDEV)
            if target.is_relative_to(source) and target != source:
                raise told(errno.EINVAL)
            if target.name in target_above.names:
                raise told(errno.EEXIST)
            target_above.names[target.name] = source_above.names.pop(source.name)

    def remove_file(self, path: PurePosixPath) -> None:
        with removing(path):
            above = self._above(path)
            if self._at(path).nature is Nature.DIRECTORY:
                raise told(errno.EISDIR)
            del above.names[path.name]

    def remove_directory(self, path: PurePosixPath) -> None:
        with removing(path):
            above = self._above(path)
            if self._directory(path).names:
                raise told(errno.ENOTEMPTY)
            del above.names[path.name]

    def remove_tree(self, path: PurePosixPath) -> None:
        with removing(path):
            above = self._above(path)
            self._directory(path)
            del above.names[path.name]

    def sync(self, directory: PurePosixPath) -> None:
        with changing(directory):
            if not any(directory == root.parent for root in self._roots):
                self._above(directory)
            self._directory(directory)

    def sync_everything(self) -> None:
        pass

    def append(
        self, path: PurePosixPath, lines: bytes, access: Access, *, durably: bool = True
    ) -> None:
        with changing(path):
            above = self._above(path)
            if path.name not in above.names:
                above.names[path.name] = self._made(path, Nature.FILE, access, above)
            node = self._file(path)
            self._give(path, node, access)
            cut_short = node.content and not node.content.endswith(b"\n")
            node.content += b"\n" + lines if cut_short else lines
            node.written = self.time

    def new_private_key(self, algorithm: Algorithm = "rsa-sha256") -> bytes:
        """One of a few, the same in each run of the same test."""
        self._keys_made += 1
        return _private_key(self._keys_made % _DIFFERENT_KEYS, algorithm)

    def new_certificate(self, hostname: str, private_key: bytes) -> bytes:
        return _certificate(hostname, private_key, self.time)

    def written(self, path: PurePosixPath) -> datetime | None:
        with looking(path):
            node = self._at(path)
            return node.written if node.nature is Nature.FILE else None
        return None

    def now(self) -> datetime:
        return self.time

    def _at(self, path: PurePosixPath) -> Node:
        """What is at the path; raises what the kernel would."""
        if any(path.is_relative_to(place) for place in self._blind):
            raise told(errno.EACCES)
        return self._top.at(path)

    def _is_there(self, path: PurePosixPath) -> bool:
        try:
            self._at(path)
        except FileNotFoundError:
            return False
        return True

    def _directory(self, path: PurePosixPath) -> Node:
        return self._at(path).as_directory(path)

    def _file(self, path: PurePosixPath) -> Node:
        return self._at(path).as_file()

    def _above(self, path: PurePosixPath) -> Node:
        """The directory in which the path is to be changed."""
        if not any(path.parts[: len(place)] == place for place in self._places):
            raise OutsideError(path)
        return self._directory(path.parent)

    def _made(self, path: PurePosixPath, nature: Nature, access: Access, above: Node) -> Node:
        node = self._new(nature, self._ours(0o700), above)
        self._give(path, node, access)
        return node

    def _give(self, path: PurePosixPath, node: Node, access: Access) -> None:
        given = (access.uid, access.gid)
        if self._user.uid and given not in {(self._user.uid, self._user.gid), node.owner}:
            raise StepError(why_not_given(path, access, self._user))
        node.access = access

    def _new(self, nature: Nature, access: Access, above: Node) -> Node:
        self._made_so_far += 1
        return Node(nature, access, self._made_so_far, above.device, self.time)

    def _ours(self, mode: int) -> Access:
        return Access(mode, self._user.uid, self._user.gid)


@cache
def _private_key(number: int, algorithm: Algorithm) -> bytes:
    """Made once in a process, so that tests are fast and no key is part of the product."""
    return keys.new_private_key(algorithm)


@cache
def _certificate(hostname: str, private_key: bytes, now: datetime) -> bytes:
    return keys.new_certificate(hostname, private_key, now)
