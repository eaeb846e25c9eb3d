"""A plan in a file: what was seen and agreed to, so that exactly that is applied, and once.

It holds addresses and digests, and no content of any file. What it asks for is planned again when
it is applied; the digests say whether that is still the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from desired.frozen import asdict, frozen
from reconcilers.change import Change
from reconcilers.fingerprint import plan_id
from reconcilers.plan import Plan
from reconcilers.records import checksum, sealed
from reconcilers.report.view import counts
from reconcilers.roots import Roots

FORMAT, FORMAT_VERSION = "aimx.saved-plan", "1.0"
_HEAD = b'{"format": "%s"' % FORMAT.encode()


class SavedPlanError(Exception):
    """A file that is no saved plan, or none that this release or this instance can apply."""


@frozen
class SavedPlan:
    """What a file says of the plan that was saved in it."""

    plan_id: str
    position: str  # How far the journal was, so that a plan like one that was applied is another.
    generation: int
    manifest_digest: str
    instance: Mapping[str, str]  # The directories that it was made for.
    allow_removals: int
    purge: bool
    changes: tuple[Mapping[str, Any], ...]  # Each as `resource` gives it.

    @property
    def mark(self) -> str:
        """What the journal knows it by once it was applied."""
        return f"{self.plan_id}@{self.position}"


def saved(
    plan: Plan, roots: Roots, position: str, allow_removals: int, *, purge: bool = False
) -> bytes:
    """The file: the same bytes for an equal plan, one change a line."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "plan_id": plan_id(plan),
        "position": position,
        "generation": plan.generation,
        "manifest_digest": plan.desired_digest,
        "instance": _instance(roots),
        "consent": {"allow_removals": allow_removals, "purge": purge},
        "summary": counts(plan),
        "changes": [resource(change) for change in plan.changes],
    }
    return _sealed(document)


def resource(change: Change) -> dict[str, Any]:
    """As much of a change as it takes to see that it is another one."""
    return {
        "address": change.address,
        "action": str(change.action),
        **asdict(change.fingerprint),
        "blocked": change.blocked.code if change.blocked else None,
    }


def is_saved(beginning: bytes) -> bool:
    """Whether a file that begins so was written as a saved plan."""
    return beginning.startswith(_HEAD)


def load(raw: bytes, roots: Roots) -> SavedPlan:
    """What the file says; raises `SavedPlanError` with what is wrong and what to do."""
    if not is_saved(raw):
        raise SavedPlanError("the file is no saved plan. `aimx plan --out FILE` writes one.")
    document = _document(raw)
    version = str(document.get("format_version", ""))
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise SavedPlanError(
            f"it is a saved plan of format {version!r}, and this release reads {FORMAT_VERSION}."
            " Make it again with this release."
        )
    if document.pop("checksum", "") != checksum(document):
        raise SavedPlanError("it is not as `aimx plan --out` wrote it. Make it again.")
    for name, path in _instance(roots).items():
        if document["instance"][name] != path:
            raise SavedPlanError(
                f"it was made for the {name} {document['instance'][name]}, not {path}. Name the"
                f" instance that it is for with --{name}."
            )
    return SavedPlan(
        plan_id=document["plan_id"],
        position=document["position"],
        generation=document["generation"],
        manifest_digest=document["manifest_digest"],
        instance=document["instance"],
        allow_removals=document["consent"]["allow_removals"],
        purge=document["consent"].get("purge", False),
        changes=tuple(document["changes"]),
    )


def _document(raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as cause:
        raise SavedPlanError(
            "it is damaged, or not all of it is there. Copy it again, or make it again."
        ) from cause
    assert isinstance(document, dict)  # By its first octets.
    return document


def _instance(roots: Roots) -> dict[str, str]:
    """Where the socket is makes no difference to a plan."""
    return {
        "config-dir": str(roots.config),
        "data-dir": str(roots.data),
        "manifest": str(roots.manifest),
    }


def _sealed(document: dict[str, Any]) -> bytes:
    """Against accidents: whoever may apply may also write a plan, and its digests must fit."""
    return b"".join(_lines(sealed(document)))


def _lines(document: Mapping[str, Any]) -> Iterator[bytes]:
    """JSON that a diff shows well: one member a line, and of the changes one a line."""
    opening = b"{"
    for name, value in document.items():
        yield opening + _json(name) + b": "
        if name == "changes" and value:
            yield b"[\n" + b",\n".join(b" " + _json(each) for each in value) + b"\n]"
        else:
            yield _json(value)
        opening = b",\n"
    yield b"}\n"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
