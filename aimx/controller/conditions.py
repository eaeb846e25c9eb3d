"""How things stand, in the words that Kubernetes uses: type, status, reason, message, since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, get_args

from aimx.mail.dates import rfc3339
from desired.frozen import asdict, field, frozen, replace

Status = Literal["True", "False", "Unknown"]
Type = Literal[
    "Ready",
    "ManifestValid",
    "Converged",
    "EngineActive",
    "Drifted",
    "Suspended",
    "PendingApproval",
]
ORDER: tuple[Type, ...] = get_args(Type)
# Of processes that ended with whoever told it: they have begun anew.
_OF_PROCESSES: frozenset[Type] = frozenset({"Ready", "EngineActive"})
# Of what may be as long as a manifest. A message is read on a screen, and kept with each status.
_LISTED = 5


@frozen
class Condition:
    """One fact about the instance."""

    type: Type
    status: Status
    reason: str = ""  # One CamelCase word, stable; empty where the status says all.
    message: str = ""  # For a person. No times in it, so that equal facts are equal.
    since: str = ""  # RFC 3339, of the last change of status.


@frozen
class Conditions:
    """All facts; a change gives new ones."""

    by_type: Mapping[Type, Condition] = field(default_factory=dict)
    # What whoever ran before us told last: for how long a status has held.
    before: Mapping[Type, Condition] = field(default_factory=dict)

    def told(
        self,
        kind: Type,
        status: Status,
        now: datetime,
        *,
        reason: str = "",
        message: str = "",
    ) -> Conditions:
        """With this fact; `since` stays where the status does."""
        known = self.by_type.get(kind) or self.before.get(kind)
        since = known.since if known and known.status == status else rfc3339(now)
        told = Condition(kind, status, reason, message, since)
        return replace(self, by_type={**self.by_type, kind: told})

    def documents(self) -> list[dict[str, Any]]:
        return [asdict(self.by_type[kind]) for kind in ORDER if kind in self.by_type]


def remembered(documents: Any) -> Conditions:
    """Nothing is told yet, and it is known since when what was told before holds.

    What holds of an engine holds since that began. What is no document of a condition is passed
    over: a wrong time is better than none at all.
    """
    found: dict[Type, Condition] = {}
    for each in documents if isinstance(documents, list) else ():
        try:
            told = Condition(**each)
            datetime.fromisoformat(told.since)
        except (TypeError, ValueError):
            continue
        if told.type in ORDER and told.type not in _OF_PROCESSES:
            found[told.type] = told
    return Conditions(before=found)


def listed(told: Sequence[str], elsewhere: str, between: str = "\n") -> str:
    """The first of what there is to tell, and how many more there are, which are `elsewhere`."""
    first = list(told[:_LISTED])
    if len(told) > _LISTED:
        first.append(f"and {len(told) - _LISTED:,} more, which {elsewhere}")
    return between.join(first)
