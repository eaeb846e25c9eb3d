"""What was applied last, from the engine config, or from the record of its generation.

An engine config that cannot be read is no licence to begin anew: then nothing is surplus, and
no key is made of which nobody can tell whether it was there before.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from desired import engine_config
from desired.desired import Desired
from desired.frozen import replace
from desired.loaded import loaded
from desired.problem import ManifestError
from reconcilers.host.host import Reading, UnseenError
from reconcilers.migration import migration
from reconcilers.older import older
from reconcilers.reconciler import World, body
from reconcilers.roots import Roots


def what_was_applied(desired: Desired, host: Reading, roots: Roots) -> World:
    """The world that a plan is made from, after what is to be done about its layout."""
    world = _applied(desired, host, roots)
    try:
        found = migration(host, roots, older(world))
    except UnseenError as cause:
        return replace(world, unmigrated=str(cause))
    return replace(world, migration=found, host=found.after(host))


def _applied(desired: Desired, host: Reading, roots: Roots) -> World:
    recorded = _recorded(host, roots)
    generation, forgotten = recorded[0] if recorded else 0, ""
    compiled = engine_config.body(desired)
    for path in (roots.engine_config, *(_record(roots, number) for number in recorded)):
        try:
            raw = host.read(path)
            if raw is None:
                continue
            header = engine_config.header(raw)
            generation = max(generation, header.generation if header else 0)
            _require_whole(path, raw)
            before = desired if body(raw) == compiled else loaded(str(path), raw)
            if path == roots.engine_config:
                before = _guarded(before, host, roots, raw)
            origin = header.digest if header else ""
            kept = still_protected(desired, before)
            if kept is not desired:
                desired, compiled = kept, engine_config.body(kept)
            complete = generation in recorded
            world = World(host, roots, desired, before, generation, compiled, "", origin, complete)
            return replace(world, older=header is None and path == roots.engine_config)
        except (UnseenError, ManifestError) as cause:
            forgotten = forgotten or str(cause).partition("\n")[0]
    if not forgotten and (recorded or _marked(host, roots)):
        forgotten = f"{roots.engine_config} is gone"
    return World(host, roots, desired, None, generation, compiled, forgotten)


def last_applied(host: Reading, roots: Roots) -> tuple[int, Desired | None]:
    """The generation of the engine config, and what it says; raises `UnseenError`."""
    raw = host.read(roots.engine_config)
    if raw is None:
        return 0, None
    header = engine_config.header(raw)
    try:
        _require_whole(roots.engine_config, raw)
        return header.generation if header else 0, loaded(str(roots.engine_config), raw)
    except (UnseenError, ManifestError):
        return header.generation if header else 0, None


def still_protected(desired: Desired, before: Desired) -> Desired:
    """The desired state, with the protection that was applied and that nobody has lifted.

    It follows a mailbox that moves. Leaving out the line that says so is not lifting it.
    """
    boxes = {text for text, mailbox in before.mailboxes.items() if mailbox.protect}
    boxes |= {str(moved.target) for moved in desired.moved if str(moved.source) in boxes}
    names = {domain.name for domain in before.domains if domain.protect}
    mailboxes = {
        text: replace(desired.mailboxes[text], protect=True)
        for text in sorted(boxes & desired.mailboxes.keys())
        if desired.mailboxes[text].protect is None
    }
    domains = tuple(
        replace(domain, protect=True) if domain.name in names and domain.protect is None else domain
        for domain in desired.domains
    )
    if not mailboxes and domains == desired.domains:
        return desired
    return replace(desired, domains=domains, mailboxes={**desired.mailboxes, **mailboxes})


def _guarded(before: Desired, host: Reading, roots: Roots, raw: bytes) -> Desired:
    """What was applied, with the guards that are on record: a hand in `config.toml` lifts none."""
    header = engine_config.header(raw)
    try:
        kept = host.read(_record(roots, header.generation)) if header else None
        if not header or not kept or kept == raw or engine_config.header(kept) != header:
            return before
        _require_whole(_record(roots, header.generation), kept)
        said = loaded(str(roots.engine_config), kept)
    except (UnseenError, ManifestError):
        return before
    boxes = {text for text, mailbox in said.mailboxes.items() if mailbox.protect}
    names = {domain.name for domain in said.domains if domain.protect}
    return replace(
        before,
        policy=said.policy,
        mailboxes={
            text: replace(mailbox, protect=True) if text in boxes else mailbox
            for text, mailbox in before.mailboxes.items()
        },
        domains=tuple(
            replace(domain, protect=True) if domain.name in names else domain
            for domain in before.domains
        ),
    )


def _require_whole(path: PurePosixPath, raw: bytes) -> None:
    """What was cut may still be read, and would have forgotten what stood at its end."""
    if engine_config.is_whole(raw) is False:
        raise UnseenError(f"{path} is not what was applied")


def _recorded(host: Reading, roots: Roots) -> list[int]:
    """The generations that are on record, newest first."""
    try:
        names = host.names(roots.generations) or ()
    except UnseenError:
        return []
    return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def _record(roots: Roots, generation: int) -> PurePosixPath:
    return roots.generations / str(generation) / "config.toml"


def _marked(host: Reading, roots: Roots) -> bool:
    try:
        return host.look(roots.marker) is not None
    except UnseenError:
        return True
