"""The generation to run on: the engine config, or where it is damaged what is on record of it.

A broken file never takes the engine down while a whole copy of what was good is there.
"""

from __future__ import annotations

from collections.abc import Iterator

from desired.engine_config import header, is_whole
from desired.frozen import frozen
from desired.loaded import loaded
from desired.problem import ManifestError
from reconcilers import generations
from reconcilers.host.host import Reading, UnseenError
from reconcilers.roots import Roots


@frozen
class Good:
    """An engine config that can be loaded."""

    config: bytes
    trouble: str = ""  # Why it is not the one in `config.toml`.
    gone: bool = False  # There is no `config.toml`, nor perhaps what it names.


def last_good(host: Reading, roots: Roots) -> Good | None:
    """What to run on, or None where nothing was applied yet.

    Raises `UnseenError` where something was, and no copy of it is whole.
    """
    config, trouble = _current(host, roots)
    if config is not None and not trouble:
        return Good(config)
    recorded = next(_recorded(host, roots), None)
    if recorded is not None:
        return Good(recorded, trouble or f"{roots.engine_config}: is gone", gone=not trouble)
    if trouble:
        raise UnseenError(f"{trouble}. Nothing on record can stand in for it: run `aimx apply`.")
    return None


def _current(host: Reading, roots: Roots) -> tuple[bytes | None, str]:
    """What `config.toml` holds, and what is wrong with it."""
    path = roots.engine_config
    try:
        raw = host.read(path)
    except UnseenError as cause:
        return None, str(cause).rstrip(".")
    if raw is None:
        return None, ""
    whole = is_whole(raw)
    if whole is not None:
        return raw, "" if whole else f"{path}: is not what was applied"
    head = header(raw)
    if head is None and _numbers(host, roots):
        return raw, f"{path}: does not begin as aimx writes it"
    kept = _kept(host, roots, head.generation) if head else None
    if kept == raw:
        return raw, ""
    # Nobody but an apply writes it, and what an apply wrote is on record octet by octet.
    if head is not None and _is_whole(kept, head.generation):
        return raw, f"{path}: is not what was applied"
    return raw, "" if _loads(raw) else f"{path}: cannot be read as an engine config"


def _recorded(host: Reading, roots: Roots) -> Iterator[bytes]:
    """What is on record and whole, newest first."""
    for number in reversed(_numbers(host, roots)):
        raw = _kept(host, roots, number)
        if raw is not None and _is_whole(raw, number):
            yield raw


def _is_whole(raw: bytes | None, number: int) -> bool:
    head = header(raw) if raw is not None else None
    if raw is None or head is None or head.generation != number:
        return False
    whole = is_whole(raw)
    return _loads(raw) if whole is None else whole


def _kept(host: Reading, roots: Roots, number: int) -> bytes | None:
    try:
        return host.read(roots.generations / str(number) / "config.toml")
    except UnseenError:
        return None


def _numbers(host: Reading, roots: Roots) -> tuple[int, ...]:
    try:
        return generations.numbers(host, roots)
    except UnseenError:
        return ()


def _loads(raw: bytes) -> bool:
    try:
        loaded("config.toml", raw)
    except ManifestError:
        return False
    return True
