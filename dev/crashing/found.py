"""What stands in an instance's directories, so that two of them can be compared."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# The product is imported where it is used: only once it runs does crash.py know the copy to take.

MESSAGE = b'+++\nid = "2026-01-02-030405-hello"\n+++\n\nHello.\n'

_DIGEST = re.compile(rb"(?:manifest|whole) sha256:\w+")
_OF_THE_MOMENT = ("at", "since", "until", "manifest")  # Of a pin; the digest is also of paths.
_STATE = PurePosixPath("data/.aimx")
# For display, or (the proofs) what is tried once more where it cannot be written.
_PASSING = ("lock.holder", "aimx.lock.holder", "proofs.json")
_HISTORY = (_STATE / "journal", _STATE / "generations")


@dataclass(frozen=True)
class Found:
    """A name's nature, mode, owner and what it holds."""

    nature: str
    uid: int
    gid: int
    content: object = None


def tree(base: Path, old: frozenset[bytes] = frozenset()) -> dict[str, Found]:
    """All that is there; a random key by its validity, unless it is an old one.

    Without the journal, which tells of both applies, and the records of who took a lock: they are
    for display while somebody has it, and an apply with nothing to do takes none.
    """
    found = {}
    for path in sorted(base.rglob("*")):
        relative = PurePosixPath(path.relative_to(base))
        if relative.is_relative_to(_STATE / "journal") or relative.name in _PASSING:
            continue
        status = path.lstat()
        content = _content(path, relative, base, old) if path.is_file() else None
        nature = stat.filemode(status.st_mode)
        if relative.parent.name == "sources":
            # A config that is adopted is read under one name, and later under another.
            relative = relative.with_name(relative.name.partition("-")[0])
        found[str(relative)] = Found(nature, status.st_uid, status.st_gid, content)
    return found


def _content(path: Path, relative: PurePosixPath, base: Path, old: frozenset[bytes]) -> object:
    from reconcilers.records import unsealed

    content = path.read_bytes()
    try:
        match relative.parts[:2], relative.name:
            case (("config", "dkim"), name) | (("config", "tls"), "key.pem" as name):
                return _key(path, name, content, old)
            case ("config", "tls"), "cert.pem":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(path, path.parent / "key.pem")
                return "a certificate of the key"
            case _, "pin.json" | "suspension.json":
                return unsealed(content) | dict.fromkeys(_OF_THE_MOMENT)
            case _, "record.json" | "tombstone.json":
                return sorted(unsealed(content))
            case _, "plan.json" | "receipts.json":
                shape = json.loads(content)
                return sorted(shape) if isinstance(shape, dict) else "a list"
            case _:
                # Its digest is also of the manifest's path.
                return _DIGEST.sub(b"", content.replace(str(base).encode(), b""))
    except (ValueError, OSError) as cause:
        return f"unusable: {cause!r}"


def _key(path: Path, name: str, content: bytes, old: frozenset[bytes]) -> object:
    """What it is good for, since no two runs make the same key."""
    from reconcilers.signing import public_pem

    algorithm = "ed25519-sha256" if name.startswith("ed25519-") else "rsa-sha256"
    if name.endswith("public.key"):
        private = path.with_name(name.replace("public", "private")).read_bytes()
        return "the public half" if public_pem(private, algorithm) == content else content
    public_pem(content, algorithm)
    return content if content in old else "a key"


def keys(base: Path) -> frozenset[bytes]:
    """The private keys, which nothing may replace."""
    return frozenset(
        path.read_bytes()
        for pattern in ("config/dkim/**/*private.key", "config/tls/key.pem")
        for path in base.glob(pattern)
    )


def held(base: Path) -> frozenset[bytes]:
    """What the files there hold, whatever they are called."""
    return frozenset(path.read_bytes() for path in base.rglob("*") if path.is_file())


def mail(base: Path, below: str = "data") -> frozenset[tuple[int, str]]:
    """The messages' inodes, wherever they are, and what they hold."""
    return frozenset(
        (path.lstat().st_ino, hashlib.sha256(content).hexdigest())
        for path in base.glob(f"{below}/**/*")
        if path.is_file() and (content := path.read_bytes()).startswith(MESSAGE)
    )


def lasting(there: dict[str, Found]) -> dict[str, Found]:
    """Without what tells how it came about."""
    return {
        path: found
        for path, found in there.items()
        if not any(PurePosixPath(path).is_relative_to(kept) for kept in _HISTORY)
    }


def differences(there: dict[str, Found], wanted: dict[str, Found]) -> Iterator[str]:
    for path in sorted(there.keys() | wanted.keys()):
        got, want = there.get(path), wanted.get(path)
        if got != want:
            yield f"{path}: {_brief(got)} instead of {_brief(want)}"


def _brief(found: Found | None) -> str:
    if found is None:
        return "nothing"
    return f"{found.nature} {found.uid}:{found.gid} {str(found.content)[:60]}"


def engine_problems(base: Path, *, moving: str = "") -> Iterator[str]:
    """Why the engine could not start here and now, where it would find a config.

    The mail of one that is moving may be at the new place already: until the next apply, which the
    engine's start is, mail for it is refused for now.
    """
    from aimx.controller.compiled import compiled
    from aimx.controller.probe import probe
    from desired.engine_config import header
    from reconcilers.host.host import StepError
    from reconcilers.host.local import LocalHost
    from reconcilers.roots import Roots

    config, data, runtime = (PurePosixPath(base / name) for name in ("config", "data", "run"))
    roots = Roots(config, data, runtime, config / "manifest.toml")
    try:
        engine_config = (base / "config/config.toml").read_bytes()
    except FileNotFoundError:
        return
    if header(engine_config) is None:
        return  # An older install's, which no engine starts with.
    try:
        ready = compiled(engine_config, LocalHost(roots), roots)
        probe(ready.credentials)
    except StepError as cause:
        yield f"the engine could not start: {cause}"
        return
    for domain in sorted(set(ready.snapshot.domains) - ready.keys.keys()):
        yield f"the engine config names {domain}, which has no key"
    for route in ready.snapshot.routes.values():
        there = (base / "data" / route.domain / "inbox" / route.folder).is_dir()
        if not there and str(route.mailbox) != moving:
            yield f"the engine config names {route.mailbox}, which has no directory"


def journal_problems(base: Path) -> Iterator[str]:
    journals = sorted((base / _STATE / "journal").glob("*.jsonl"), key=lambda path: int(path.stem))
    for path in journals:
        lines = path.read_bytes().splitlines()
        if not lines or b'"event": "end", "synced": true' not in lines[-1]:
            yield f"{path.name}: has no end"
