"""Content that is too large for a packet travels as a descriptor that nobody can change."""

from __future__ import annotations

import fcntl
import os

from aimx.channel.packets import MalformedError

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def sealed(content: bytes) -> int:
    """A descriptor with the content, which is the caller's to close once it is sent."""
    descriptor = os.memfd_create("aimx", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def unseal(descriptor: int, limit: int) -> bytes:
    """The content of a sealed descriptor, `limit` octets at most. The descriptor stays open."""
    try:
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except OSError as cause:
        raise MalformedError("a descriptor that should be sealed cannot be") from cause
    if seals & _SEALS != _SEALS:
        raise MalformedError("a descriptor that should be sealed is not")
    size = os.fstat(descriptor).st_size
    if size > limit:
        raise MalformedError(f"sealed content of {size} octets is over the limit of {limit}")
    parts, offset = [], 0
    while offset < size:
        parts.append(os.pread(descriptor, size - offset, offset))
        offset += len(parts[-1])
    return b"".join(parts)
