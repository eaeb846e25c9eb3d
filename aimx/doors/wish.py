"""What somebody wants of the machine, and the answer: the same for a command and a verb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from aimx.doors.events import Tell
from desired.frozen import asdict, field, frozen

if TYPE_CHECKING:
    from aimx.controller.amendments import Amendment

MOST_LANES = 64  # Each is a thread of whoever applies.


@frozen
class Wish:
    """How to look at the plan, and for which instance it is meant."""

    roots: Mapping[str, str] = field(default_factory=dict)  # By flag name: `data-dir` and so on.
    view: str = "text"  # Or `json`, of a plan also `markdown`; of a graph `mermaid` or `dot`.
    columns: int = 80
    color: bool = False
    allow_removals: int = 0
    purge: bool = False  # Delete the mail of what goes.
    advised: bool = True  # Say what to type next.
    replace: str = ""  # The address of a key that another one is to take the place of.
    amendment: Amendment | None = None  # What is to be changed in the manifest first.
    parallelism: int = 0  # How many steps at a time; 0: as suits the machine.
    every: bool = False  # Tell of resources that are as they should be, too.
    brief: bool = False  # Only what is known already, without a look at the machine.
    out: str = ""  # The file that the plan is to be saved in, or was, as it is typed and named.

    def headers(self) -> dict[str, str]:
        """Itself, as a frame says it."""
        said = {
            "Parallelism": str(self.parallelism or ""),
            "Purge": "true" if self.purge else "",
            "Replace": self.replace,
            "Amend": self._amended(),
            "Every": "true" if self.every else "",
            "Brief": "true" if self.brief else "",
            "Out": self.out,
        }
        return {
            **self.addressed(),
            "Format": self.view,
            "Columns": str(self.columns),
            "Color": "true" if self.color else "false",
            "Allow-Removals": str(self.allow_removals),
            "Advised": "true" if self.advised else "false",
            **{name: text for name, text in said.items() if text},
        }

    def addressed(self) -> dict[str, str]:
        """The instance that is meant, as a frame says it."""
        return {name.title(): path for name, path in self.roots.items()}

    def _amended(self) -> str:
        if self.amendment is None:
            return ""
        from aimx.controller.amendments import to_text  # Most wishes amend nothing.

        return to_text(self.amendment)


@frozen
class Question:
    """What is to be told, and changes nothing; each is a verb of the socket."""

    verb: Literal["EXPLAIN", "GRAPH", "DIFF", "HISTORY", "LIST"]
    address: str = ""  # Of the resource that is meant.
    of: str = ""  # What is to be listed; one of `LISTED`.
    generations: tuple[int, ...] = ()  # The one that is meant, or the two.

    def headers(self) -> dict[str, str]:
        """Itself, as a frame says it."""
        names = ("From", "To") if self.verb == "DIFF" else ("Generation",)
        numbers = {name: str(number) for name, number in zip(names, self.generations, strict=False)}
        said = {"Of": self.of, "Address": self.address}
        return {**{name: text for name, text in said.items() if text}, **numbers}


LISTED = ("domains", "mailboxes", "mailbox", "hooks", "records")

LASTING = "[1-9][0-9]{0,5}[smhd]"  # How long something is to hold.


@frozen
class Intent:
    """What is to hold from now on, or no more; each is a verb of the socket."""

    verb: Literal["ROLLBACK", "SUSPEND", "RESUME", "APPROVE"]
    plan: str = ""  # The id that was shown; of a rollback empty: only show it.
    generation: int | None = None  # To go back to; None: the one before.
    lasting: str = ""  # `2h`; see `LASTING`.
    reason: str = ""

    def headers(self) -> dict[str, str]:
        """Itself, as a frame says it."""
        said = {"Plan": self.plan, "For": self.lasting, "Reason": self.reason}
        number = {} if self.generation is None else {"Generation": str(self.generation)}
        return {**{name: text for name, text in said.items() if text}, **number}


@frozen
class Errand:
    """What is to be done about mail that was set aside."""

    does: Literal["list", "restore", "purge"]
    name: str = ""  # Of a tombstone, or an address that has one.

    def headers(self) -> dict[str, str]:
        """Itself, as a frame says it."""
        return {"Do": self.does, **({"Name": self.name} if self.name else {})}


@frozen
class Answer:
    """What to print, and what the exit code is to say."""

    exit: int  # Of the one table of exit codes.
    output: str
    plan_id: str = ""  # Of the plan that was shown; empty where there is nothing to apply.
    pending: int = 0  # Changes that an apply would carry out.
    blocked: int = 0
    removals: int = 0  # Of those that are pending.
    # An apply was killed: what is seen may not be on disk, and another apply makes sure of it.
    interrupted: bool = False
    saved: str = ""  # The plan as a file, where it is to be saved.
    generation: int = 0  # What the machine is at.
    failed: int = 0  # Steps of an apply that were not done.
    code: str = ""  # Of the socket's, where the manifest cannot be changed so.
    typed: str = ""  # What a person has to type for it to be carried out; empty: yes.
    refusal: bool = False  # Why nothing was begun, and not how anything stands or ended.

    def document(self) -> dict[str, Any]:
        return asdict(self)


class Administration(Protocol):
    """Who plans and applies: the daemon's controller. Whoever asks for it is told each step."""

    def check(self, wish: Wish) -> None:
        """Refuse a wish that is meant for another instance, with a `FrameError`."""

    async def plan(self, wish: Wish) -> Answer:
        """Look, and change nothing."""

    async def apply(self, wish: Wish, plan_id: str | None, uid: int, tell: Tell) -> Answer:
        """Carry out exactly the plan of this id (None: whatever the plan is now), or refuse."""

    async def apply_saved(self, wish: Wish, content: bytes, uid: int, tell: Tell) -> Answer:
        """Carry out exactly the plan that was saved with this content, or refuse."""

    async def intend(self, wish: Wish, intent: Intent, uid: int, tell: Tell) -> Answer:
        """Let it hold from now on, with the plan that it takes."""

    async def report(self, wish: Wish, question: Question) -> Answer:
        """Tell what is asked, and change nothing."""

    async def tombstones(
        self, wish: Wish, errand: Errand, plan_id: str | None, uid: int, tell: Tell
    ) -> Answer:
        """List them, show what would be done about one, or carry out exactly that plan."""

    async def status(self, wish: Wish, uid: int | None) -> dict[str, Any]:
        """The state as a document; with a uid, no more of it than is that user's."""

    def told(self, document: Mapping[str, Any], wish: Wish) -> Answer:
        """A state, in the form that was asked for."""
