"""Where everything lives, from three directories and the manifest's path."""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePosixPath

from desired.frozen import frozen

FOLDERS = ("inbox", "sent")  # Of each mailbox.


@frozen
class Roots:
    """The directories of one instance. Absolute; nothing here looks at the disk."""

    config: PurePosixPath
    data: PurePosixPath
    runtime: PurePosixPath
    manifest: PurePosixPath

    @property
    def fragments(self) -> PurePosixPath:
        return self.manifest.with_suffix(".d")

    @property
    def engine_config(self) -> PurePosixPath:
        return self.config / "config.toml"

    @property
    def dkim(self) -> PurePosixPath:
        return self.config / "dkim"

    @property
    def tls(self) -> PurePosixPath:
        return self.config / "tls"

    @property
    def marker(self) -> PurePosixPath:
        return self.data / ".layout-version"

    @property
    def readme(self) -> PurePosixPath:
        return self.data / "README.md"

    @property
    def state(self) -> PurePosixPath:
        return self.data / ".aimx"

    @property
    def lock(self) -> PurePosixPath:
        return self.state / "lock"

    @property
    def status(self) -> PurePosixPath:
        return self.state / "status.json"

    @property
    def pin(self) -> PurePosixPath:
        return self.state / "pin.json"

    @property
    def suspension(self) -> PurePosixPath:
        return self.state / "suspension.json"

    @property
    def journal(self) -> PurePosixPath:
        return self.state / "journal"

    @property
    def generations(self) -> PurePosixPath:
        return self.state / "generations"

    @property
    def claims(self) -> PurePosixPath:
        return self.state / "claims"

    @property
    def tombstones(self) -> PurePosixPath:
        return self.state / "tombstones"

    @property
    def retiring(self) -> PurePosixPath:
        """What will be tombstones once the engine has let go of it."""
        return self.state / "retiring"

    @property
    def consent(self) -> PurePosixPath:
        return self.state / "consent.json"

    @property
    def proofs(self) -> PurePosixPath:
        return self.state / "proofs.json"

    @property
    def placing(self) -> PurePosixPath:
        return self.state / "placing"

    @property
    def spool(self) -> PurePosixPath:
        return self.state / "spool"

    @property
    def outbound(self) -> PurePosixPath:
        return self.state / "out"

    @property
    def identities(self) -> PurePosixPath:
        return self.data / "identities"

    @property
    def socket(self) -> PurePosixPath:
        return self.runtime / "aimx.sock"

    @property
    def daemon_lock(self) -> PurePosixPath:
        return self.runtime / "aimx.lock"

    @property
    def pid(self) -> PurePosixPath:
        return self.runtime / "aimx.pid"

    def keys(self, domain: str) -> PurePosixPath:
        return _below(self.config, "dkim", domain)

    def domain(self, domain: str) -> PurePosixPath:
        return _below(self.data, domain)

    def folder(self, domain: str, folder: str) -> PurePosixPath:
        """`inbox` or `sent` of a domain."""
        return _below(self.data, domain, folder)

    def folders(self, domain: str) -> tuple[PurePosixPath, ...]:
        """Those in which each mailbox of a domain has its directory."""
        return _folders(self.data, domain)

    def mailbox(self, domain: str, folder: str, name: str) -> PurePosixPath:
        """The directory of a mailbox; `name` is the local part, or `catchall`."""
        return self.data.joinpath(domain, folder, name)


# Of few domains there are thousands of mailboxes, and to join a path takes microseconds.
@lru_cache(maxsize=1 << 12)
def _below(root: PurePosixPath, *names: str) -> PurePosixPath:
    return root.joinpath(*names)


@lru_cache(maxsize=1 << 12)
def _folders(data: PurePosixPath, domain: str) -> tuple[PurePosixPath, ...]:
    return tuple(_below(data, domain, folder) for folder in FOLDERS)
