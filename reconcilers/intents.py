"""What somebody said about applying, and until when: a generation pinned, the controller suspended.

Each is one small file, so that it outlives whoever heard it. One that cannot be understood holds
as long as it is there: nobody can tell what it kept from being done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, TypeVar

from desired.desired import Moved
from desired.frozen import frozen
from desired.names import Address
from reconcilers.host.host import Host, Reading, ReconcileError
from reconcilers.records import rfc3339, sealed, unsealed
from reconcilers.roots import Roots
from reconcilers.state import make_state, private_file, require_there

T = TypeVar("T")


@frozen
class Pin:
    """The manifest of this generation is in force, whatever the manifest on disk says."""

    generation: int
    until: datetime
    reason: str
    uid: int  # Of who said so.
    since: datetime
    former: int = 0  # The generation that it was rolled back from.
    manifest: str = ""  # Digest of the sources on disk then; empty where they could not be read.
    moved: tuple[Moved, ...] = ()  # What brings the mail back to where that generation had it.
    account: str = ""  # The name of that user then; empty where nobody knew it.


@frozen
class Suspension:
    """The controller applies nothing by itself."""

    until: datetime
    reason: str
    uid: int
    since: datetime
    account: str = ""


@frozen
class Damaged:
    """A file that says something, and nobody can tell what."""

    path: PurePosixPath

    def __str__(self) -> str:
        return f"{self.path}: is not what aimx wrote there; `aimx resume` removes it"


@frozen
class Intents:
    """What holds now."""

    pin: Pin | Damaged | None = None
    suspension: Suspension | Damaged | None = None

    @property
    def ends(self) -> datetime | None:
        """When the first of them stops to hold by itself."""
        both = (self.pin, self.suspension)
        return min((it.until for it in both if isinstance(it, Pin | Suspension)), default=None)


def load(host: Reading, roots: Roots, now: datetime) -> Intents:
    """What holds now; one whose time is over holds no more."""
    pin = _load(host, roots.pin, _pin)
    suspension = _load(host, roots.suspension, _suspension)
    return Intents(
        None if isinstance(pin, Pin) and pin.until <= now else pin,
        None if isinstance(suspension, Suspension) and suspension.until <= now else suspension,
    )


def keep_pin(host: Host, roots: Roots, pin: Pin) -> None:
    """From now on, durably; raises `StepError`."""
    moved = [{"from": str(each.source), "to": str(each.target)} for each in pin.moved]
    told = {
        "generation": pin.generation,
        "former": pin.former,
        "manifest": pin.manifest,
        "moved": moved,
    }
    _keep(host, roots, roots.pin, {**told, **_said(pin)})


def keep_suspension(host: Host, roots: Roots, suspension: Suspension) -> None:
    """From now on, durably; raises `StepError`."""
    _keep(host, roots, roots.suspension, _said(suspension))


def end(host: Host, *paths: PurePosixPath) -> None:
    """Said no more, durably; raises `StepError`."""
    for path in paths:
        host.remove_file(path)


def author(intent: Pin | Suspension) -> str:
    """Who said so, as a person knows them."""
    return intent.account or f"uid {intent.uid}"


def _said(intent: Pin | Suspension) -> dict[str, Any]:
    return {
        "reason": intent.reason,
        "uid": intent.uid,
        "account": intent.account,
        "since": rfc3339(intent.since),
        "until": rfc3339(intent.until),
    }


def _keep(host: Host, roots: Roots, path: PurePosixPath, document: Mapping[str, Any]) -> None:
    require_there(host, roots)
    make_state(host, roots)
    content = json.dumps(sealed(document), ensure_ascii=False, indent=1).encode() + b"\n"
    host.replace(path, content, private_file(host))


def _load(
    host: Reading, path: PurePosixPath, understood: Callable[[dict[str, Any]], T]
) -> T | Damaged | None:
    try:
        content = host.read(path)
    except ReconcileError:
        return Damaged(path)
    if content is None:
        return None
    try:
        return understood(unsealed(content))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Damaged(path)


def _pin(found: dict[str, Any]) -> Pin:
    moved = tuple(
        Moved(Address.parse(each["from"]), Address.parse(each["to"])) for each in found["moved"]
    )
    since, until = _period(found)
    return Pin(
        generation=_number(found["generation"]),
        until=until,
        reason=str(found["reason"]),
        uid=_number(found["uid"]),
        since=since,
        former=_number(found["former"]),
        manifest=str(found["manifest"]),
        moved=moved,
        account=_account(found),
    )


def _suspension(found: dict[str, Any]) -> Suspension:
    since, until = _period(found)
    return Suspension(
        until=until,
        reason=str(found["reason"]),
        uid=_number(found["uid"]),
        since=since,
        account=_account(found),
    )


def _period(found: dict[str, Any]) -> tuple[datetime, datetime]:
    """One that was over before it was said was not said so, and must not end what was."""
    since, until = _moment(found["since"]), _moment(found["until"])
    if until < since:
        raise ValueError("it ends before it begins")
    return since, until


def _account(found: dict[str, Any]) -> str:
    """What was said before names were kept has none."""
    return str(found.get("account", ""))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without its zone")
    return moment


def _number(value: object) -> int:
    if type(value) is not int:
        raise ValueError("not a number")
    return value
