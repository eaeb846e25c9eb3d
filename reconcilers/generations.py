"""What was applied, when and by whom: one directory for each generation, whole or not there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from json.encoder import encode_basestring
from pathlib import PurePosixPath
from typing import Any

from desired.frozen import asdict, field, frozen
from desired.problem import Source
from reconcilers.host.host import Host, Reading, UnseenError, provisional
from reconcilers.plan import Plan
from reconcilers.receipt import Outcome, Receipt, final
from reconcilers.records import parsed, rfc3339, sealed, unsealed
from reconcilers.roots import Roots
from reconcilers.state import make_state, private_directory, private_file
from reconcilers.understood import Understood, of_record

_text: Callable[[str], str] = encode_basestring

# No file is read that is larger than `LARGEST_FILE`, and the plan of ten thousand mailboxes is.
_PLAIN, _QUICK = 1 << 20, 3


@frozen
class Who:
    """Who asked for a generation, and from where."""

    uid: int
    account: str
    origin: str  # `aimx apply`, `hand edit`, a Git commit: as the history shows it.


@frozen
class Rollback:
    """That a generation goes by the manifest of an earlier one, which is pinned."""

    former: int  # The generation that it was rolled back from.
    to: int
    reason: str
    until: datetime


@frozen
class Generation:
    """An applied desired state, with all that it takes to understand it, or to go back to it."""

    number: int  # Of the header of its engine config.
    at: datetime
    who: Who
    sources: tuple[Source, ...]  # The manifest's files, in the order in which they are read.
    config: bytes
    plan: bytes  # The plan's document: what `aimx plan --json` shows, on one line.
    receipts: tuple[Receipt, ...]
    resumed: bool = False  # Its apply was killed, and another one finished it.
    rollback: Rollback | None = None
    understood: Understood | None = None  # None: its manifest is to be read again.


def leads_to(plan: Plan) -> int:
    """The number of the generation that the machine is at once the plan is applied."""
    return plan.generation + (plan.config is not None)


def applied(
    host: Host,
    roots: Roots,
    plan: Plan,
    receipts: Iterable[Receipt],
    *,
    document: bytes,
    sources: Iterable[Source],
    who: Who,
    rollback: Rollback | None = None,
) -> Generation:
    """What is to be recorded of a plan that was carried out to its end; raises `UnseenError`.

    Where the engine config was there already, another apply wrote it and did not get this far.
    """
    config = plan.config if plan.config is not None else host.read(roots.engine_config)
    return Generation(
        leads_to(plan),
        host.now(),
        who,
        tuple(sources),
        config or b"",
        document,
        final(receipts),
        resumed=plan.config is None,
        rollback=rollback,
    )


def record(host: Host, roots: Roots, generation: Generation) -> None:
    """Keep it, durably. One that is on record stays as it is; raises `StepError`."""
    kept = roots.generations / str(generation.number)
    if host.look(kept) is not None:
        return
    make_state(host, roots, roots.generations)
    new = kept.with_name(provisional(kept.name))
    host.remove_tree(new)  # What is left of an attempt that was killed may be of another manifest.
    for directory in (new, new / "sources"):
        host.make_directory(directory, private_directory(host))
    for name, content in _files(generation):
        host.replace(new / name, content, private_file(host))
    host.move(new, kept)


def discard(host: Host, roots: Roots, keep: int, pinned: int | None = None) -> None:
    """Let go of all but the latest and the pinned, with their journals; raises `ReconcileError`."""
    for number in numbers(host, roots)[:-keep]:
        if number == pinned:
            continue
        host.remove_file(roots.journal / f"{number}.jsonl")
        host.remove_tree(roots.generations / str(number))


def numbers(host: Reading, roots: Roots) -> tuple[int, ...]:
    """The generations on record, oldest first; raises `UnseenError`."""
    names = host.names(roots.generations) or ()
    return tuple(sorted(int(name) for name in names if name.isdecimal()))


@frozen
class About:
    """What is known of a generation without reading what it was made of."""

    at: datetime
    who: Who
    resumed: bool
    sources: tuple[str, ...]  # The names of the manifest's files.
    rollback: Rollback | None = None
    understood: Understood | None = None
    # SHA-256 of all else that is kept of it, by name; earlier releases wrote none down.
    files: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


def about(host: Reading, roots: Roots, number: int) -> About:
    """Of a generation that is on record; raises `UnseenError` where its record is damaged."""
    kept = roots.generations / str(number)
    try:
        said = unsealed(_content(host, kept / "record.json"))
        return About(
            datetime.fromisoformat(said["at"]),
            Who(**said["who"]),
            said["resumed"],
            tuple(map(str, said["sources"])),
            _rollback(said.get("rollback")),
            of_record(said.get("understood")),
            dict(said.get("files", {})),
        )
    except (ValueError, KeyError, TypeError) as cause:
        raise damaged(kept) from cause


def planned(host: Reading, roots: Roots, number: int, known: About) -> bytes:
    """The document of its plan; raises `UnseenError` where it cannot be read."""
    return _record(host, roots.generations / str(number), "plan.json", known)


def sources(host: Reading, roots: Roots, number: int, known: About) -> tuple[Source, ...]:
    """The manifest that it went by; raises `UnseenError` where that cannot be read."""
    return _sources(host, roots.generations / str(number), known)


def load(host: Reading, roots: Roots, number: int) -> Generation | None:
    """The generation as it was recorded, or None where it is not; raises `UnseenError`."""
    kept = roots.generations / str(number)
    if host.look(kept) is None:
        return None
    known = about(host, roots, number)
    try:
        return Generation(
            number,
            known.at,
            known.who,
            _sources(host, kept, known),
            _whole(host, kept, "config.toml", known),
            _record(host, kept, "plan.json", known),
            tuple(map(_receipt, parsed(_record(host, kept, "receipts.json", known)))),
            known.resumed,
            known.rollback,
            known.understood,
        )
    except (ValueError, KeyError, TypeError) as cause:
        raise damaged(kept) from cause


def damaged(kept: PurePosixPath) -> UnseenError:
    """What to raise for a record that makes no sense."""
    return UnseenError(
        f"{kept}: is not a record that aimx wrote. Restore it from a backup, or move it away."
    )


def _files(generation: Generation) -> Iterator[tuple[str, bytes]]:
    others = dict(_others(generation))
    yield from others.items()
    about: dict[str, Any] = {
        "generation": generation.number,
        "at": rfc3339(generation.at),
        "who": asdict(generation.who),
        "sources": [source.name for source in generation.sources],
        "resumed": generation.resumed,
        "files": {name: sha256(content).hexdigest() for name, content in others.items()},
    }
    if (back := generation.rollback) is not None:
        about["rollback"] = {**asdict(back), "until": rfc3339(back.until)}
    if generation.understood is not None:
        about["understood"] = asdict(generation.understood)
    yield "record.json", _json(sealed(about))


def _others(generation: Generation) -> Iterator[tuple[str, bytes]]:
    """All but the record, which tells of them."""
    for number, source in enumerate(generation.sources, start=1):
        yield _file(number, source.name), source.raw
    yield "config.toml", generation.config
    yield _kept("plan.json", generation.plan)
    yield _kept("receipts.json", _receipts(generation.receipts))


def _rollback(said: dict[str, Any] | None) -> Rollback | None:
    """What records of before there was any do not say."""
    if said is None:
        return None
    until = datetime.fromisoformat(said["until"])
    return Rollback(said["former"], said["to"], said["reason"], until)


def _file(number: int, name: str) -> str:
    """Where a source is kept: numbered, since two directories may hold files of one name."""
    return f"sources/{number}-{PurePosixPath(name).name}"


def _kept(name: str, content: bytes) -> tuple[str, bytes]:
    """As it is, for whoever looks with `cat`; what grows with the machine, compressed."""
    if len(content) <= _PLAIN:
        return name, content
    import gzip  # Most records are small.

    return f"{name}.gz", gzip.compress(content, _QUICK, mtime=0)


def _record(host: Reading, kept: PurePosixPath, name: str, known: About) -> bytes:
    packed = f"{name}.gz"
    if host.look(kept / packed) is None:
        return _whole(host, kept, name, known)
    import gzip
    import zlib

    try:
        return gzip.decompress(_whole(host, kept, packed, known))
    except (OSError, EOFError, zlib.error) as cause:
        raise damaged(kept) from cause


def _sources(host: Reading, kept: PurePosixPath, known: About) -> tuple[Source, ...]:
    return tuple(
        Source(name, _whole(host, kept, _file(number, name), known))
        for number, name in enumerate(known.sources, start=1)
    )


def _whole(host: Reading, kept: PurePosixPath, name: str, known: About) -> bytes:
    """A file as it was put on record."""
    content = _content(host, kept / name)
    if known.files and known.files.get(name) != sha256(content).hexdigest():
        raise damaged(kept / name)
    return content


def _content(host: Reading, path: PurePosixPath) -> bytes:
    content = host.read(path)
    if content is None:
        raise UnseenError(f"{path}: is gone. Restore it from a backup, or move the record away.")
    return content


def _receipt(fields: dict[str, str]) -> Receipt:
    return Receipt(fields["step"], fields["address"], Outcome(fields["outcome"]), fields["reason"])


def _receipts(receipts: Iterable[Receipt]) -> bytes:
    """One after the other on one line: there are thousands, and indenting them takes longest."""
    told = [
        f'{{"step": {_text(each.step)}, "address": {_text(each.address)},'
        f' "outcome": {_text(each.outcome)}, "reason": {_text(each.reason)}}}'
        for each in receipts
    ]
    return f"[{', '.join(told)}]\n".encode()


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"
