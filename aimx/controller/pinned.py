"""The manifest of a generation that is pinned, and what it takes to go back to one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from aimx.controller.refusal import PinError
from desired.desired import Desired, Moved
from desired.engine_config import header, is_whole
from desired.frozen import frozen, replace
from desired.manifest import Reading, read
from desired.problem import ManifestError, Source, render_problems
from reconcilers.generations import about, numbers, sources
from reconcilers.history import off_record
from reconcilers.host.host import Host, UnseenError
from reconcilers.host.host import Reading as Looking
from reconcilers.intents import Damaged, Pin, load
from reconcilers.inverse import inverse
from reconcilers.roots import Roots

Understand = Callable[[tuple[Source, ...]], Reading]

# How long a pin holds where nobody says for how long.
USUALLY = timedelta(days=1)
# What needs no parsing to be ruled out: most generations move nothing.
_MOVES = b"\n[[moved]]\n"


@frozen
class Back:
    """Whereto somebody wants to go back, and for how long."""

    uid: int
    number: int | None = None  # None: the one before.
    reason: str = ""
    lasting: timedelta = USUALLY
    account: str = ""  # The name of whoever wants it.


def in_force(pin: Pin | Damaged, host: Looking, roots: Roots, understand: Understand) -> Reading:
    """What the pinned generation's manifest asks for; raises `PinError`.

    Nothing is removed by name on the way back: that was said of another day's mail.
    """
    if isinstance(pin, Damaged):
        raise PinError(f"nobody can tell which manifest is in force: {pin}")
    reading = _recorded(pin.generation, host, roots, understand)
    moved = tuple(replace(each, inverted=True) for each in pin.moved)
    return replace(reading, desired=replace(reading.desired, moved=moved, removed=()))


def destination(wanted: int | None, pin: Pin | Damaged | None, host: Looking, roots: Roots) -> int:
    """The generation to go back to: the one that is meant, or the one before; raises `PinError`."""
    known = numbers(host, roots)
    if wanted is not None:
        if wanted not in known:
            raise PinError(off_record(wanted))
        return wanted
    # Twice back is two back, and not there and back.
    now = pin.generation if isinstance(pin, Pin) else _current(host, roots)
    earlier = [number for number in known if number < now]
    if not earlier:
        told = f"no generation before {now} is on record"
        raise PinError(f"{told}; `aimx history` lists those that are")
    return earlier[-1]


def pinned(back: Back, host: Host, roots: Roots, understand: Understand, manifest: str) -> Pin:
    """The pin that would go back there, nothing written yet; raises `PinError`."""
    try:
        return _pinned(back, host, roots, understand, manifest)
    except UnseenError as cause:
        raise PinError(f"nobody can tell what it would take to go back: {cause}") from cause


def _pinned(back: Back, host: Host, roots: Roots, understand: Understand, manifest: str) -> Pin:
    known = load(host, roots, host.now()).pin
    number = destination(back.number, known, host, roots)
    first = _recorded(number, host, roots, understand).desired
    _require_owners(number, first, host, roots)
    now = host.now()
    return Pin(
        generation=number,
        until=now + back.lasting,
        reason=back.reason,
        uid=back.uid,
        since=now,
        former=_current(host, roots),
        manifest=manifest,
        moved=_way_back(number, first, host, roots),
        account=back.account,
    )


def _recorded(number: int, host: Looking, roots: Roots, understand: Understand) -> Reading:
    try:
        if number not in numbers(host, roots):
            raise PinError(off_record(number))
        kept = sources(host, roots, number, about(host, roots, number))
    except UnseenError as cause:
        raise PinError(f"generation {number} is damaged: {cause}") from cause
    if not kept:
        raise PinError(f"generation {number} has no manifest on record")
    try:
        return understand(kept)
    except ManifestError as cause:
        told = render_problems(cause.problems)
        raise PinError(
            f"the manifest of generation {number} is invalid today:\n\n{told}"
        ) from cause


def _require_owners(number: int, desired: Desired, host: Looking, roots: Roots) -> None:
    """Going back must not put a mailbox out of service that has an owner now."""
    missing = {
        address: mailbox.owner
        for address, mailbox in desired.mailboxes.items()
        if host.account(mailbox.owner) is None
    }
    now = next(_stated([host.read(roots.engine_config)]), None) if missing else None
    known = {address: mailbox.owner for address, mailbox in now.mailboxes.items()} if now else {}
    for address, owner in missing.items():
        if known.get(address) != owner:
            raise PinError(
                f"the manifest of generation {number} is invalid today: there is no user {owner}"
                f" any more, who owns {address} in it. Create the user, or go back to another"
                " generation"
            )


def _way_back(number: int, first: Desired, host: Looking, roots: Roots) -> tuple[Moved, ...]:
    later = [each for each in numbers(host, roots) if each > number]
    configs = [host.read(roots.generations / str(each) / "config.toml") for each in later]
    configs.append(host.read(roots.engine_config))
    if not any(_MOVES in config for config in configs if config):
        return ()
    return inverse([first, *_stated(configs)])


def _stated(configs: Sequence[bytes | None]) -> Iterator[Desired]:
    """What generations asked for; what of one cannot be read is stepped over."""
    for config in configs:
        if config and is_whole(config) is not False:
            try:
                yield read([Source("config.toml", config)]).desired
            except ManifestError:
                continue


def _current(host: Looking, roots: Roots) -> int:
    head = header(host.read(roots.engine_config) or b"")
    return head.generation if head else 0
