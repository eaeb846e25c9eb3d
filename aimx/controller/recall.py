"""A manifest that was applied, or nearly, had again from the record of its generation.

To understand ten thousand mailboxes takes longer than to look at them, and an apply has done it:
it found nothing wrong, and recorded what it compiled. That holds for the same octets, the same
program and the same owners, and where some plain mailboxes are otherwise it is amended; for
anything else the manifest is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from aimx.controller.program import program
from desired.amended import amended
from desired.desired import Desired
from desired.engine_config import body, header
from desired.frozen import replace
from desired.loaded import known
from desired.manifest import Reading
from desired.problem import KeyPath, Source, digest
from desired.restored import restored
from reconcilers import generations
from reconcilers.host.host import Reading as Looking
from reconcilers.host.host import UnseenError
from reconcilers.roots import Roots
from reconcilers.state import is_ours
from reconcilers.understood import Understood

# Ten thousand warnings would make the record longer than the manifest.
_MOST_WARNINGS = 100
# What of a record it is had from.
_FILES = ("record.json", "config.toml")
# All that decides what a manifest means.
_CODE = ("desired", "desired.rules", "pydantic", "pydantic_core", "tomli", "idna")


def understood(reading: Reading, config: bytes) -> Understood | None:
    """What to record of a reading, where the engine config says all that it desires.

    It does not where something was withheld from it, or is protected by an earlier manifest.
    """
    desired = reading.desired
    head = header(config)
    if head is None or len(reading.warnings) > _MOST_WARNINGS:
        return None
    if desired.spellings != _usual_spellings(desired, desired.sources):
        return None
    if not config.endswith(b"\n" + body(desired)):
        return None
    return Understood(
        program(*_CODE),
        desired.digest,
        sha256(config).hexdigest(),
        reading.owners,
        reading.warnings,
    )


def recalled(
    host: Looking, roots: Roots, sources: tuple[Source, ...], exists: Callable[[str], bool]
) -> Reading | None:
    """What the sources say, where the last generation is of them or of nearly the same; None
    where they must be read."""
    try:
        number = max(generations.numbers(host, roots), default=0)
        kept = roots.generations / str(number)
        if not number or not all(is_ours(host, kept / name) for name in _FILES):
            return None
        about = generations.about(host, roots, number)
        config = host.read(kept / "config.toml") or b""
        said = about.understood
        if said is None or not _holds(said, config, exists):
            return None
        before = sources
        if said.digest != digest(sources):
            before = generations.sources(host, roots, number, about)
            if said.digest != digest(before):
                return None
    except UnseenError:
        return None
    desired = restored(config)
    known(str(roots.engine_config), config, desired)
    spellings = _usual_spellings(desired, before)
    desired = replace(desired, digest=said.digest, sources=before, spellings=spellings)
    reading = Reading(desired, said.warnings, said.owners)
    return reading if before is sources else amended(reading, sources, exists)


def _holds(said: Understood, config: bytes, exists: Callable[[str], bool]) -> bool:
    """Whether this program would understand the same today."""
    return (
        said.program == program(*_CODE)
        and said.config == sha256(config).hexdigest()
        and all(exists(owner) == before for owner, before in said.owners.items())
    )


def _usual_spellings(
    desired: Desired, sources: Sequence[Source]
) -> Mapping[KeyPath, tuple[str, KeyPath]]:
    """Of a manifest without older shapes, whose domains and removals stand in one file."""
    domains = [("domains", domain.name.ascii) for domain in desired.domains]
    removals = [("removed", str(block.address)) for block in desired.removed]
    return {
        (kind, name): (sources[0].name, (kind, index))
        for named in (domains, removals)
        for index, (kind, name) in enumerate(named)
    }
