"""From the layout of version 1, which had one domain, to that of version 2: renames alone.

Version 1 kept its mail in `inbox/<name>` and `sent/<name>`, and one key without a domain. The
order of the renames makes every crash harmless: what is done is seen to be done, and what is left
is planned again. Nothing is copied, so the time does not depend on how much mail there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from desired.frozen import field, frozen
from desired.names import Address
from reconcilers.change import Blocked
from reconcilers.host.host import Access, Entry, Nature, Reading
from reconcilers.roots import Roots
from reconcilers.standing import access, directory, file, foreign_nature

if TYPE_CHECKING:
    from reconcilers.relocated import Shift

FOLDERS = ("inbox", "sent")
KEYS = ("private.key", "public.key")


@frozen
class Named:
    """A mailbox by the name that version 1 knew it by."""

    name: str
    address: Address


@frozen
class Older:
    """What a config of the older system says that matters for its directories."""

    domain: str  # The one whose mail is in the trees without a domain.
    names: tuple[Named, ...] = ()
    shapes: tuple[str, ...] = ()  # What in it only version 1 wrote.


@frozen
class Rename:
    """Something of version 1 comes to where version 2 has it."""

    source: PurePosixPath
    target: PurePosixPath
    # Of two that are both there the one that is an empty tree, and gives way.
    empty: PurePosixPath | None = None

    @property
    def shift(self) -> Shift:
        from reconcilers.relocated import Shift  # Hardly any install is one of version 1.

        return Shift(self.source, None if self.empty == self.source else self.target)


@frozen
class Migration:
    """What is to be done about an install of version 1; empty where there is none."""

    signs: tuple[str, ...] = ()  # What shows that it is one.
    made: Mapping[PurePosixPath, Access] = field(default_factory=dict)
    renames: tuple[Rename, ...] = ()  # In the order in which they are done.
    blocked: Blocked | None = None

    def after(self, host: Reading) -> Reading:
        """The machine as it will be when all of it is done."""
        if not self.renames or self.blocked:
            return host
        return _relocated(host, self.renames, self.made)


NONE = Migration()


def migration(host: Reading, roots: Roots, older: Older) -> Migration:
    """What of version 1 is found, and where it goes; raises `UnseenError`."""
    if host.look(roots.marker) is not None:
        return NONE
    survey = _Survey(host, roots, older)
    survey.trees()
    survey.keys()
    survey.mailboxes()
    signs = (*survey.signs, *older.shapes)
    if survey.blocked:
        return Migration(signs, blocked=survey.blocked)
    return Migration(signs, survey.made, tuple(survey.renames))


class _Survey:
    """Looks for what has to be renamed, in the order in which it has to be."""

    def __init__(self, host: Reading, roots: Roots, older: Older) -> None:
        self._host, self._roots, self._older = host, roots, older
        self.signs: list[str] = []
        self.made: dict[PurePosixPath, Access] = {}
        self.renames: list[Rename] = []
        self.blocked: Blocked | None = None

    def trees(self) -> None:
        home = self._roots.domain(self._older.domain)
        for folder in FOLDERS:
            source = self._roots.data / folder
            entry = self._host.look(source)
            if entry is not None:
                self.signs.append(f"{source} is a mail tree without a domain")
                self._rename(source, entry, home / folder, home, 0o755)

    def keys(self) -> None:
        home = self._roots.keys(self._older.domain)
        if directory(self._host.look(self._roots.dkim)) in (None, Nature.SYMLINK, Nature.FILE):
            return  # What stands there instead is told as the layout's.
        for name in KEYS:
            source = self._roots.dkim / name
            entry = self._host.look(source)
            if entry is not None:
                self.signs.append(f"{source} is a key without a domain")
                self._rename(source, entry, home / name, home, 0o700, Nature.FILE)

    def mailboxes(self) -> None:
        """Where a mailbox was not called what its address is; once the trees have their place."""
        self.blocked = self.blocked or _one_address(self._older.names)
        for folder in FOLDERS:
            moving = [(self._earlier(folder, each), each) for each in self._older.names]
            going = [(source, each) for source, each in moving if self._goes(source, folder, each)]
            self.blocked = self.blocked or self._crossing(folder, moving, going)
            for source, each in going:
                entry = self._seen().look(source)
                if entry is not None and self.blocked is None:
                    self.signs.append(f"{source} is the mail of {each.address}")
                    target = self._target(folder, each.address)
                    self._rename(source, entry, target, target.parent.parent, 0o755)

    def _seen(self) -> Reading:
        return _relocated(self._host, self.renames, self.made)

    def _earlier(self, folder: str, named: Named) -> PurePosixPath:
        return self._roots.mailbox(self._older.domain, folder, named.name)

    def _target(self, folder: str, address: Address) -> PurePosixPath:
        return self._roots.mailbox(address.domain.ascii, folder, address.folder)

    def _goes(self, source: PurePosixPath, folder: str, named: Named) -> bool:
        if source == self._target(folder, named.address):
            return False
        return self._seen().look(source) is not None

    def _crossing(
        self,
        folder: str,
        moving: Sequence[tuple[PurePosixPath, Named]],
        going: Iterable[tuple[PurePosixPath, Named]],
    ) -> Blocked | None:
        """One's old name is the other's new one: half done, nobody could tell whose it is."""
        owners = {
            source: each for source, each in moving if source != self._target(folder, each.address)
        }
        for source, each in going:
            target = self._target(folder, each.address)
            other = owners.get(target)
            if other is not None:
                return Blocked(
                    "names-cross",
                    f"{source} is the mail of {each.address}, and {target}, where it belongs, is"
                    f" that of {other.address}, which version 1 called {other.name!r}",
                    f"call one of them otherwise: rename its directories in {FOLDERS[0]} and"
                    f" {FOLDERS[1]} and its table [mailboxes.{other.name}] alike, then go on",
                )
        return None

    def _rename(
        self,
        source: PurePosixPath,
        entry: Entry,
        target: PurePosixPath,
        home: PurePosixPath,
        mode: int,
        nature: Nature = Nature.DIRECTORY,
    ) -> None:
        look = directory if nature is Nature.DIRECTORY else file
        empty = None
        if self.blocked is None:
            self.blocked = (
                foreign_nature(source, look(entry), nature)
                or foreign_nature(home, directory(self._seen().look(home)))
                or self._elsewhere(source, entry, home)
            )
        there = None if self.blocked else self._seen().look(target)
        if there is not None:
            empty = self._empty(source, entry, target, there)
            self.blocked = None if empty else _both(source, target)
        if self.blocked is None:
            self._make(home, mode)
            if nature is Nature.DIRECTORY and target.parent != home:
                self._make(target.parent, mode)
            self.renames.append(Rename(source, target, empty))

    def _make(self, path: PurePosixPath, mode: int) -> None:
        if self._seen().look(path) is None:
            self.made[path] = access(mode, self._host.user())

    def _elsewhere(
        self, source: PurePosixPath, entry: Entry, home: PurePosixPath
    ) -> Blocked | None:
        """A rename does not reach another file system, and a copy would not be the same mail."""
        near = self._seen().look(home) or self._host.look(home.parent)
        above = self._seen().look(source.parent)
        if above is not None and near is not None:
            if entry.device == near.device == above.device:
                return None
            return Blocked(
                "other-file-system",
                f"{source} and {home} must be on the same file system, since mail and keys are"
                " renamed and never copied",
                f"unmount the other file system and mount it over {home.parent} instead, or bring"
                " its content there yourself; then go on",
            )
        return None

    def _empty(
        self, source: PurePosixPath, old: Entry, target: PurePosixPath, new: Entry
    ) -> PurePosixPath | None:
        """Which of the two is a tree of directories with nothing in it."""
        if _is_empty(self._seen(), source, old):
            return source
        return target if _is_empty(self._seen(), target, new) else None


def _relocated(
    host: Reading, renames: Iterable[Rename], made: Mapping[PurePosixPath, Access]
) -> Reading:
    from reconcilers.relocated import Relocated

    return Relocated(host, [rename.shift for rename in renames], made)


def _is_empty(host: Reading, path: PurePosixPath, entry: Entry | None) -> bool:
    if entry is None or entry.nature is not Nature.DIRECTORY:
        return False
    return all(
        _is_empty(host, path / name, host.look(path / name)) for name in host.names(path) or ()
    )


def _both(source: PurePosixPath, target: PurePosixPath) -> Blocked:
    return Blocked(
        "both-exist",
        f"both {source} and {target} exist, and neither is written over",
        "look at what is in them, move away the one that is not needed, then go on",
    )


def _one_address(names: Iterable[Named]) -> Blocked | None:
    first: dict[str, Named] = {}
    for each in names:
        earlier = first.setdefault(str(each.address), each)
        if earlier is not each:
            return Blocked(
                "one-address",
                f"{earlier.name!r} and {each.name!r} are both called {each.address}",
                "join their mail into one directory yourself, and leave one of the two in the"
                " manifest",
            )
    return None


def fields_of(renames: Iterable[Rename]) -> Iterator[tuple[str, str, str]]:
    """Each as what a reader is told: a name, what it was, what it will be."""
    for rename in renames:
        name = "/".join(rename.target.parts[-3:] if rename.target.suffix != ".key" else ())
        gone = rename.empty == rename.source
        yield name or rename.target.name, str(rename.source), "" if gone else str(rename.target)
