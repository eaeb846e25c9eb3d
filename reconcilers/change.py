"""What a plan does to one resource, and what keeps it from doing so."""

from __future__ import annotations

from enum import StrEnum

from desired.frozen import frozen
from desired.problem import Where


class Action(StrEnum):
    """What becomes of a resource."""

    CREATE = "create"
    UPDATE = "update"  # The manifest asks for something else than before.
    REPAIR = "repair"  # The manifest asks for the same, and the machine drifted.
    MOVE = "move"  # One rename; mail is untouched.
    ADOPT = "adopt"  # What is there already becomes ours, byte for byte.
    QUARANTINE = "quarantine"  # The address goes, the mail is set aside as a tombstone.
    FORGET = "forget"  # We no longer manage it; its data stays where it is.
    DELETE = "delete"  # Only where somebody asked for exactly this.


SYMBOLS: dict[Action, str] = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPAIR: "~",
    Action.MOVE: ">",
    Action.ADOPT: "&",
    Action.QUARANTINE: "q",
    Action.FORGET: ".",
    Action.DELETE: "-",
}
BLOCKED_SYMBOL = "!"


@frozen
class Field:
    """One field of a resource before and after, as text that may be shown."""

    name: str
    before: str  # Empty: was not there.
    after: str  # Empty: will not be there.


@frozen
class Blocked:
    """A safety rule's refusal."""

    code: str  # Stable, kebab-case.
    reason: str  # What is in the way, in one sentence.
    remedy: str  # What to do, in one sentence.


@frozen
class Fingerprint:
    """Of what a change was planned from: it fits as long as neither half is another."""

    desired: str = ""  # Of what the manifest asks for; empty where it asks for nothing.
    observed: str = ""  # Of what the machine has; empty where it has nothing.


NOT_TAKEN = Fingerprint()


@frozen
class Lacking:
    """What is not there and no apply brings about: it is told, and nothing waits for it."""

    address: str
    reason: str  # What is not there, in one sentence.
    remedy: str  # What to do, in one sentence.
    concerns: str  # The kind of what would be otherwise if it were there.

    def __str__(self) -> str:
        return f"{self.address}: {self.reason}; {self.remedy}."


@frozen
class Change:
    """What a plan does to one resource, and why."""

    address: str  # `kind/name`, or the kind alone where there is one of it.
    action: Action
    why: str  # One sentence, lower-case start, no full stop.
    fingerprint: Fingerprint = NOT_TAKEN
    fields: tuple[Field, ...] = ()
    where: Where | None = None  # The line of the manifest that asks for it.
    blocked: Blocked | None = None
    # What the operator should know: a sentence each, and on lines below it what is to be copied.
    notes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()  # Addresses without which it must not be done.
    drifted: bool = False  # The machine is not as the last apply left it.
    unasked: bool = False  # Something goes only because the manifest does not name it any more.

    @property
    def kind(self) -> str:
        return self.address.partition("/")[0]
