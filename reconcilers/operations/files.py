"""Files and directories: made, given their access, linked, removed, and made durable."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import PurePosixPath

from desired.frozen import frozen
from reconcilers.counted import counted
from reconcilers.host.host import Access, Nature, StepError
from reconcilers.standing import directory, file
from reconcilers.step import Hands


@frozen
class MakeDirectory:
    """A directory with exactly this access; durable once its parent is synced."""

    path: PurePosixPath
    access: Access

    def take(self, hands: Hands) -> None:
        hands.host.make_directory(self.path, self.access)

    def holds(self, hands: Hands) -> bool:
        return directory(hands.host.look(self.path)) == self.access

    def __str__(self) -> str:
        return f"make directory {self.path} {_access(self.access)}"


@frozen
class MakeDirectories:
    """Directories of one name, one in each of several, as `MakeDirectory` makes one."""

    within: tuple[PurePosixPath, ...]
    name: str
    access: Access

    @property
    def likeness(self) -> object:
        return self.access

    def take(self, hands: Hands) -> None:
        (reason,) = self.take_together([self], hands)
        if reason:
            raise StepError(reason)

    def take_together(self, alike: Sequence[MakeDirectories], hands: Hands) -> Sequence[str]:
        places = [(directory, each.name) for each in alike for directory in each.within]
        told = hands.host.make_directories(places, self.access)
        if not any(told):
            return [""] * len(alike)
        reasons = iter(told)
        own = [list(islice(reasons, len(each.within))) for each in alike]
        # Of one that failed the first reason is enough.
        return [next(filter(None, each), "") for each in own]

    def holds(self, hands: Hands) -> bool:
        look = hands.host.look
        return all(directory(look(within / self.name)) == self.access for within in self.within)

    def __str__(self) -> str:
        paths = " ".join([f"{within!s}/{self.name}" for within in self.within])
        return f"make directories {paths} {_access(self.access)}"


@frozen
class SetAccess:
    """Owner and mode of what is there already."""

    path: PurePosixPath
    access: Access
    nature: Nature = Nature.DIRECTORY

    def take(self, hands: Hands) -> None:
        hands.host.set_access(self.path, self.access)

    def holds(self, hands: Hands) -> bool:
        look = directory if self.nature is Nature.DIRECTORY else file
        return look(hands.host.look(self.path)) == self.access

    def __str__(self) -> str:
        return f"set access of {self.path} to {_access(self.access)}"


@frozen
class WriteFile:
    """A file holds exactly these bytes."""

    path: PurePosixPath
    content: bytes
    access: Access

    def take(self, hands: Hands) -> None:
        hands.host.replace(self.path, self.content, self.access)

    def holds(self, hands: Hands) -> bool:
        host = hands.host
        return file(host.look(self.path)) == self.access and host.read(self.path) == self.content

    def __str__(self) -> str:
        return f"write {self.path} ({len(self.content)} octets)"


@frozen
class LinkFile:
    """A file has a second name; it is never copied, and never takes the place of another."""

    source: PurePosixPath
    target: PurePosixPath

    def take(self, hands: Hands) -> None:
        if not self.holds(hands):
            hands.host.link(self.source, self.target)

    def holds(self, hands: Hands) -> bool:
        source, target = hands.host.look(self.source), hands.host.look(self.target)
        if source is None or target is None:
            return False
        return (source.device, source.inode) == (target.device, target.inode)

    def __str__(self) -> str:
        return f"link {self.target} to {self.source}"


@frozen
class RemoveFile:
    """A file of ours goes."""

    path: PurePosixPath

    def take(self, hands: Hands) -> None:
        hands.host.remove_file(self.path)

    def holds(self, hands: Hands) -> bool:
        return hands.host.look(self.path) is None

    def __str__(self) -> str:
        return f"remove {self.path}"


@frozen
class SyncDirectories:
    """What was made in these directories is durable: the closing step of a phase."""

    paths: tuple[PurePosixPath, ...]

    def take(self, hands: Hands) -> None:
        for path in self.paths:
            # Where a step failed there is nothing to be made durable.
            if hands.host.look(path) is not None:
                hands.host.sync(path)

    def holds(self, hands: Hands) -> None:
        """Nothing shows it."""

    def __str__(self) -> str:
        return f"sync {counted(len(self.paths), 'directory', 'directories')}"


@lru_cache
def _access(access: Access) -> str:
    return f"{access.mode:04o} {access.uid}:{access.gid}"
