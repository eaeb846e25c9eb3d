"""What a step may do: each is plain data, idempotent, and looks whether it holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath

from desired.desired import Algorithm
from reconcilers.certificates import belongs_to
from reconcilers.der import UnusableKeyError
from reconcilers.host.host import Access, Host, Nature, Reading, StepError
from reconcilers.inscription import RECORD, Record, amount
from reconcilers.roots import FOLDERS
from reconcilers.rsa import public_half
from reconcilers.signing import public_pem
from reconcilers.standing import directory, file
from reconcilers.state import private_file
from reconcilers.step import Hands


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class GenerateKey:
    """A private key is there: a new one only where there was none."""

    path: PurePosixPath
    access: Access
    algorithm: Algorithm = "rsa-sha256"

    def take(self, hands: Hands) -> None:
        if hands.host.look(self.path) is None:
            key = hands.host.new_private_key(self.algorithm)
            hands.host.replace(self.path, key, self.access)

    def holds(self, hands: Hands) -> bool:
        if file(hands.host.look(self.path)) != self.access:
            return False
        try:
            public_pem(hands.host.read(self.path) or b"", self.algorithm)
        except UnusableKeyError:
            return False
        return True

    def __str__(self) -> str:
        return f"generate key {self.path}"


@dataclass(frozen=True, slots=True)
class DerivePublicKey:
    """The public key is the private key's."""

    private: PurePosixPath
    public: PurePosixPath
    access: Access
    algorithm: Algorithm = "rsa-sha256"

    def take(self, hands: Hands) -> None:
        hands.host.replace(self.public, self._derived(hands.host), self.access)

    def holds(self, hands: Hands) -> bool:
        host = hands.host
        if file(host.look(self.public)) != self.access:
            return False
        return host.read(self.public) == self._derived(host)

    def _derived(self, host: Reading) -> bytes:
        private = host.read(self.private)
        if private is None:
            raise StepError(f"{self.private} is gone; restore it, then apply again")
        try:
            return public_pem(private, self.algorithm)
        except UnusableKeyError as cause:
            raise StepError(f"{self.private} is of no use: {cause}") from cause

    def __str__(self) -> str:
        return f"derive {self.public}"


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class IssueCertificate:
    """A self-signed certificate for the host name; a pair that was there is kept aside.

    A key alone is one whose certificate is still to be issued: ours, if we were killed over it,
    or one that the operator put there.
    """

    cert: PurePosixPath
    key: PurePosixPath
    hostname: str
    cert_access: Access
    key_access: Access
    kept: str  # What is appended to the names of the old files.

    def take(self, hands: Hands) -> None:
        host = hands.host
        if not self._issued(host):
            key = self._lone_key(host) or self._new_key(host)
            host.replace(self.cert, host.new_certificate(self.hostname, key), self.cert_access)
        host.set_access(self.cert, self.cert_access)
        host.set_access(self.key, self.key_access)

    def holds(self, hands: Hands) -> bool:
        host = hands.host
        return (
            file(host.look(self.cert)) == self.cert_access
            and file(host.look(self.key)) == self.key_access
            and self._issued(host)
        )

    def _issued(self, host: Reading) -> bool:
        cert, key = host.read(self.cert), host.read(self.key)
        return cert is not None and key is not None and belongs_to(cert, key, self.hostname)

    def _lone_key(self, host: Reading) -> bytes | None:
        key = host.read(self.key)
        if key is None or host.look(self.cert) is not None:
            return None
        try:
            public_half(key)
        except UnusableKeyError:
            return None
        return key

    def _new_key(self, host: Host) -> bytes:
        for path in (self.key, self.cert):
            self._keep(host, path)
        key = host.new_private_key()
        host.replace(self.key, key, self.key_access)
        return key

    def _keep(self, host: Host, path: PurePosixPath) -> None:
        kept = path.with_name(path.name + self.kept)
        if host.look(path) is not None and host.look(kept) is None:
            host.link(path, kept)

    def __str__(self) -> str:
        return f"issue certificate {self.cert} for {self.hostname}"


@dataclass(frozen=True, slots=True)
class Move:
    """One rename. Nothing at either end is no failure: there is nothing to be moved."""

    source: PurePosixPath
    target: PurePosixPath

    def take(self, hands: Hands) -> None:
        _move(hands.host, self.source, self.target)

    def holds(self, hands: Hands) -> bool:
        return hands.host.look(self.source) is None

    def undo(self, hands: Hands) -> None:
        _move(hands.host, self.target, self.source)

    def __str__(self) -> str:
        return f"move {self.source} to {self.target}"


@dataclass(frozen=True, slots=True)
class SetAside:
    """A mailbox's directories become a tombstone, which is complete once it has its name."""

    sources: tuple[PurePosixPath, ...]
    retiring: PurePosixPath  # Holds the record of whose mail it is; gets the directories.
    tombstone: PurePosixPath

    def take(self, hands: Hands) -> None:
        if self.holds(hands):
            return
        for source in self.sources:
            _move(hands.host, source, self.retiring / source.parent.name)
        self._inscribe(hands.host)
        _move(hands.host, self.retiring, self.tombstone)

    def _inscribe(self, host: Host) -> None:
        """Nobody can add to the mail any more: the record says how much it is, and since when."""
        record = Record.read(host.read(self.retiring / RECORD))
        if record is None or record.delete:
            return
        found = amount(host, (self.retiring / folder for folder in FOLDERS))
        told = replace(record, at=host.now().isoformat(timespec="seconds"), **found._asdict())
        host.replace(self.retiring / RECORD, told.content, private_file(host))

    def holds(self, hands: Hands) -> bool:
        look = hands.host.look
        return look(self.tombstone) is not None and look(self.retiring) is None

    def __str__(self) -> str:
        return f"set aside {', '.join(map(str, self.sources))} as {self.tombstone}"


@dataclass(frozen=True, slots=True)
class Reattach:
    """Mail that was set aside is a mailbox's again, whose own directory is empty: one rename."""

    source: PurePosixPath
    target: PurePosixPath
    access: Access

    def take(self, hands: Hands) -> None:
        host = hands.host
        if host.look(self.source) is not None:
            host.remove_directory(self.target)  # Refused where mail has come meanwhile.
            host.move(self.source, self.target)
        host.set_access(self.target, self.access)

    def holds(self, hands: Hands) -> bool:
        look = hands.host.look
        return look(self.source) is None and directory(look(self.target)) == self.access

    def undo(self, hands: Hands) -> None:
        if hands.host.look(self.source) is None:
            hands.host.move(self.target, self.source)
            hands.host.make_directory(self.target, self.access)

    def __str__(self) -> str:
        return f"move {self.source} to {self.target}, which is empty"


@dataclass(frozen=True, slots=True)
class ClearTombstone:
    """A tombstone without mail goes; where anything else is in it, it stays."""

    path: PurePosixPath

    def take(self, hands: Hands) -> None:
        hands.host.remove_file(self.path / RECORD)
        hands.host.remove_directory(self.path)

    def holds(self, hands: Hands) -> bool:
        return hands.host.look(self.path) is None

    def __str__(self) -> str:
        return f"remove the empty tombstone {self.path}"


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """A file of ours goes."""

    path: PurePosixPath

    def take(self, hands: Hands) -> None:
        hands.host.remove_file(self.path)

    def holds(self, hands: Hands) -> bool:
        return hands.host.look(self.path) is None

    def __str__(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True, slots=True)
class RemoveTree:
    """A directory that somebody asked to delete goes, with the mail below it."""

    path: PurePosixPath

    def take(self, hands: Hands) -> None:
        hands.host.remove_tree(self.path)

    def holds(self, hands: Hands) -> bool:
        return hands.host.look(self.path) is None

    def __str__(self) -> str:
        return f"delete {self.path}"


@dataclass(frozen=True, slots=True)
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
        return f"sync {len(self.paths)} directories"


@dataclass(frozen=True, slots=True)
class Prepare:
    """Every process of the engine has this engine config aside, probed."""

    config: bytes

    def take(self, hands: Hands) -> None:
        hands.activation.prepare(self.config)

    def holds(self, hands: Hands) -> None:
        """Only the engine knows."""

    def __str__(self) -> str:
        return "prepare the engine"


@dataclass(frozen=True, slots=True)
class Commit:
    """Every process of the engine runs what was prepared."""

    def take(self, hands: Hands) -> None:
        hands.activation.commit()

    def holds(self, hands: Hands) -> None:
        """Only the engine knows."""

    def __str__(self) -> str:
        return "swap the engine to it"


def _move(host: Host, source: PurePosixPath, target: PurePosixPath) -> None:
    if host.look(source) is not None:
        host.move(source, target)


@lru_cache
def _access(access: Access) -> str:
    return f"{access.mode:04o} {access.uid}:{access.gid}"
