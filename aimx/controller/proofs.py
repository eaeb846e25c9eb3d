"""What was seen to work without an engine, so that the next apply need not try it again.

To load a hundred keys and to sign with each takes longer than to make a thousand directories. A
proof is the digest of what was tried; it holds for the program that tried it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Set
from contextlib import suppress
from hashlib import sha256

from aimx.controller.credentials import Credentials
from aimx.controller.program import program
from reconcilers.host.host import Host, Reading, ReconcileError
from reconcilers.records import parsed
from reconcilers.roots import Roots
from reconcilers.state import is_ours, private_file

# All that a probe runs.
_CODE = ("aimx.controller", "aimx.outbound", "aimx.smtp", "aimx.verify", "cryptography")


def of_key(domain: str, selector: str, pem: str) -> str:
    return _digest(domain, selector, pem)


def of_certificate(pem: bytes) -> str:
    return _digest("", "", pem.decode("latin-1"))


def needed(tried: Credentials) -> frozenset[str]:
    """What must have been seen to work before an engine runs on this."""
    signing = tried.signing
    keys = (
        of_key(domain, signing[domain].selectors[algorithm], pem)
        for domain, pems in tried.told_keys.items()
        for algorithm, pem in pems.items()
        if algorithm in signing[domain].selectors
    )
    certificate = tried.certificate
    return frozenset([*keys, *([] if certificate is None else [of_certificate(certificate)])])


def kept(host: Reading, roots: Roots) -> Set[str]:
    """What was seen to work; nothing where nobody can tell, and then it is tried again."""
    with suppress(ReconcileError, ValueError, KeyError, TypeError):
        if is_ours(host, roots.proofs):
            said = parsed(host.read(roots.proofs) or b"")
            return frozenset(said["proofs"]) if said["program"] == program(*_CODE) else frozenset()
    return frozenset()


def keep(host: Host, roots: Roots, proofs: Iterable[str]) -> None:
    """That these were seen to work. Without it they are tried again, and nothing else."""
    content = json.dumps({"program": program(*_CODE), "proofs": sorted(proofs)}, indent=1)
    with suppress(ReconcileError):
        host.replace(roots.proofs, content.encode() + b"\n", private_file(host))


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()
