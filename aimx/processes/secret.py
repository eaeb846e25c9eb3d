"""Reads a secret where the manifest says that it is. What cannot be read stops nobody's mail."""

from __future__ import annotations

import os
import stat

import structlog

from desired.relay import Place, SecretReference

LONGEST = 4096  # Octets.

log = structlog.get_logger()


def secret(reference: SecretReference | None) -> str:
    """The secret without the line end behind it; empty where there is none, which the log says."""
    if reference is None:
        return ""
    if reference.place is Place.FILE:
        found, reason = _of_file(reference.name)
    else:
        found = os.environ.get(reference.name, "")
        reason = "the environment of the server has no such variable"
    if not found:
        log.error("secret not read", reference=str(reference), reason=reason)
    return found


def _of_file(path: str) -> tuple[str, str]:
    """What stands in it, or else why there is nothing."""
    try:
        # Whatever stands there, a pipe perhaps, nobody waits for it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as failure:
        return "", failure.strerror or "it cannot be opened"
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return "", "it is no regular file"
        return os.read(descriptor, LONGEST).decode().rstrip("\r\n"), "it is empty"
    except OSError as failure:
        return "", failure.strerror or "it cannot be read"
    except UnicodeDecodeError:
        return "", "it is not UTF-8"
    finally:
        os.close(descriptor)
