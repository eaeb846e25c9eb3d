"""Where desired state comes from: the manifest's file and its fragments.

Reading is all that happens here. What the bytes mean is `desired`'s.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from desired.engine_config import header
from desired.problem import ManifestError, Problem, Source
from reconcilers.roots import Roots

if TYPE_CHECKING:
    from aimx.controller.whereabouts import Whereabouts

MAX_BYTES = 64 * 1024 * 1024


def gather(roots: Roots) -> tuple[Source, ...]:
    """The manifest and its fragments, in the order in which they are merged.

    Raises `ManifestError` with a problem for every file that cannot be read.
    """
    problems: list[Problem] = []
    paths = _paths(roots, problems)
    sources = [source for path in paths if (source := _source(path, problems))]
    if problems:
        raise ManifestError(problems)
    return tuple(sources)


def octets(roots: Roots) -> int:
    """How large the manifest is, or what it was compiled to, as far as anybody can tell."""
    return max(_size(_paths(roots, [])), _size([Path(roots.engine_config)]))


def places(roots: Roots) -> Whereabouts:
    """Where an event may mean another manifest."""
    from aimx.controller.whereabouts import whereabouts  # A command waits for no event.

    return whereabouts(_paths(roots, []), Path(roots.fragments))


def _size(paths: Iterable[Path]) -> int:
    total = 0
    for path in paths:
        with suppress(OSError):
            total += path.stat().st_size
    return total


def _paths(roots: Roots, problems: list[Problem]) -> Iterator[Path]:
    yield Path(roots.engine_config if _is_older(roots) else roots.manifest)
    fragments = Path(roots.fragments)
    try:
        names = sorted(name for name in os.listdir(fragments) if _is_fragment(name))
    except OSError as cause:
        # What fragments declare must not seem to have left with a directory that cannot be read.
        if not isinstance(cause, FileNotFoundError) or os.path.lexists(fragments):
            problems.append(_unreadable(fragments, cause, "put a directory in its place"))
        return
    yield from (fragments / name for name in names)


def _is_older(roots: Roots) -> bool:
    """No manifest was written yet, and an older install left a config, which is as good.

    What was compiled from a manifest is none: then the manifest is lost.
    """
    config = Path(roots.engine_config)
    if roots.manifest != roots.config / "manifest.toml" or os.path.lexists(roots.manifest):
        return False
    try:
        return header(_read(config)) is None
    except FileNotFoundError:
        return False
    except OSError:
        return True  # Why it cannot be read is told of it, and not of a manifest.


def _is_fragment(name: str) -> bool:
    # Editors keep locks and backups beside the file under names that begin with a dot.
    return name.endswith(".toml") and not name.startswith(".")


def _source(path: Path, problems: list[Problem]) -> Source | None:
    try:
        return Source(str(path), _read(path))
    except FileNotFoundError:
        problems.append(Problem.of_file(str(path), "manifest-missing", *_missing(path)))
    except OSError as cause:
        problems.append(_unreadable(path, cause, "put a file in its place"))
    return None


def _missing(path: Path) -> tuple[str, str]:
    """What is not there, and what to do about it: a link may be there that leads nowhere."""
    try:
        target = os.readlink(path)
    except OSError:
        return "there is no such file", "`aimx init` writes one"
    return f"it is a link to {target}, where no file is", "restore that file, or mend the link"


def _unreadable(path: Path, cause: OSError, remedy: str) -> Problem:
    remedy = "let this user read it" if isinstance(cause, PermissionError) else remedy
    return Problem.of_file(str(path), "manifest-unreadable", _said(cause), remedy)


def _said(cause: OSError) -> str:
    return (cause.strerror or str(cause)).lower()


def _read(path: Path) -> bytes:
    # Without O_NONBLOCK a FIFO in the manifest's place would hold us for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(21, "it is a directory, not a file")
        if not stat.S_ISREG(kind):
            raise OSError(22, "it is not a regular file")
        with os.fdopen(os.dup(descriptor), "rb") as file:
            content = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise OSError(27, f"it is over {MAX_BYTES} bytes")
    return content
