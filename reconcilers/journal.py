"""What an apply was about to do and what came of it, line by line.

It is for history and for an honest report after a crash. Nothing is decided by it but whether to
sync what an interrupted apply may have left unsynced, and doubt means to sync.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from desired.frozen import frozen
from reconcilers.host.host import Host, Reading, ReconcileError, UnseenError
from reconcilers.receipt import Outcome, Receipt
from reconcilers.records import parsed, rfc3339
from reconcilers.roots import Roots
from reconcilers.state import make_state, private_file
from reconcilers.step import Step

# An apply journals in the file of the generation that it leads to, or of the one that the machine
# is at where it leads to no new one. So an interrupted one is in one of the last two.
_LAST = 2

_LAST_LINE = 1 << 12  # Octets that an end has room in; all else that is longer is none.
_CLOSE = 1 << 22  # Octets that what is begun at a time has room in, many times over.
_PART = 1 << 20

_json: Callable[[object], str] = json.JSONEncoder(ensure_ascii=False).encode


@frozen
class Interrupted:
    """An apply that has no end on record, or one that left something unsynced."""

    generation: int | None  # None where not even that can be told.
    under_way: tuple[str, ...] = ()  # What was begun: it may be done, or half done, or not.
    trouble: str = ""  # Why its journal could not be read.


class Journal:
    """Written beside an apply. It never gets in its way: what cannot be written is missing."""

    def __init__(self, host: Host, roots: Roots, generation: int, mark: str = "") -> None:
        """`mark`: of the saved plan that is applied, if it is one."""
        self._host = host
        self._roots = roots
        self._path = _path(roots, generation)
        self._access = private_file(host)
        self.generation = generation
        self._mark = mark
        self.trouble = ""  # Why something is missing, for the report.
        # Written with what comes next: a line costs as much as a directory.
        self._lines = b""
        self._done: list[str] = []  # After them, the steps that are.
        self._intended: set[str] = set()

    def begin(self) -> Interrupted | None:
        """Open the record of an apply; tells of one before it that has no end."""
        before = interrupted(self._host, self._roots)
        try:
            make_state(self._host, self._roots, self._roots.journal)
        except ReconcileError as failure:
            self._missing(str(failure))
        saved = {"saved_plan": self._mark} if self._mark else {}
        self._write({"event": "begin", "generation": self.generation, **saved}, durably=True)
        if before and before.trouble:
            self._missing(before.trouble)
        return before

    def intend(self, steps: Iterable[Step]) -> None:
        """Before the steps; those that follow soon cost nothing when they are told with them."""
        new = {each.id: each.does for each in steps if each.id not in self._intended}
        if new:
            self._intended.update(new)
            self._write({"event": "intent", "steps": new})

    def outcome(self, receipt: Receipt) -> None:
        """What became of a step; after a kill some may still look as if under way."""
        if receipt.outcome is Outcome.DONE and not receipt.reason:
            self._done.append(receipt.step)
        else:
            reason = {"reason": receipt.reason} if receipt.reason else {}
            event = {"event": "outcome", "outcome": receipt.outcome.value, "steps": [receipt.step]}
            self._lines = self._told() + self._line({**event, **reason})

    def note(self, text: str) -> None:
        """Something that is no step's outcome."""
        self._write({"event": "note", "text": text})

    def synced(self, before: Interrupted) -> None:
        """What an interrupted apply left is on disk now: nobody need sync it again."""
        if before.generation is not None:
            path = _path(self._roots, before.generation)
            self._append(path, self._line({"event": "end", "synced": True}), durably=True)

    def end(self, *, synced: bool) -> None:
        """The apply is over, however it went; unless it went well, something may be unsynced."""
        self._write({"event": "end", "synced": synced}, durably=True)

    def _write(self, event: dict[str, object], *, durably: bool = False) -> None:
        self._append(self._path, self._told() + self._line(event), durably=durably)

    def _told(self) -> bytes:
        """What is still to be written, which is not to be told again."""
        if self._done:
            done = {"event": "outcome", "outcome": Outcome.DONE.value, "steps": self._done}
            self._lines += self._line(done)
        lines, self._lines, self._done = self._lines, b"", []
        return lines

    def _line(self, event: Mapping[str, object]) -> bytes:
        said = {"at": rfc3339(self._host.now()), **event}
        # A name on the machine need not be text, and is told by its escapes then.
        return _json(said).encode(errors="backslashreplace") + b"\n"

    def _append(self, path: PurePosixPath, lines: bytes, *, durably: bool) -> None:
        try:
            self._host.append(path, lines, self._access, durably=durably)
        except ReconcileError as failure:
            self._missing(str(failure))

    def _missing(self, why: str) -> None:
        self.trouble = self.trouble or f"the journal is incomplete: {why}"


def position(host: Reading, roots: Roots) -> str:
    """How far the journal is: another after each apply. Empty where it cannot be seen."""
    try:
        generation = max(_generations(host, roots), default=0)
        entry = host.look(_path(roots, generation))
    except UnseenError:
        return ""
    return f"{generation}:{entry.size}" if entry else ""


def is_applied(host: Reading, roots: Roots, mark: str, generation: int) -> bool:
    """Whether an apply of the saved plan, which was made at a generation, was begun before."""
    return any(
        event.get("event") == "begin" and event.get("saved_plan") == mark
        for number in (generation, generation + 1)
        for event in _events(filter(_names_a_plan, _lines(host, _path(roots, number))))
    )


def unfinished(host: Reading, roots: Roots) -> bool:
    """Whether an earlier apply may have left something unsynced."""
    return interrupted(host, roots) is not None


def interrupted(host: Reading, roots: Roots) -> Interrupted | None:
    """The latest apply that may have left something unsynced, if any."""
    generation = None
    try:
        for generation in _generations(host, roots)[-_LAST:]:
            path = _path(roots, generation)
            if not _ended(host.read_part(path, -_LAST_LINE, _LAST_LINE) or b""):
                return Interrupted(generation, tuple(_under_way(_events(_end(host, path)))))
    except ReconcileError as failure:
        return Interrupted(generation, trouble=str(failure))
    return None


def _generations(host: Reading, roots: Roots) -> list[int]:
    names = (name.partition(".") for name in host.names(roots.journal) or ())
    return sorted(int(stem) for stem, _, ending in names if ending == "jsonl" and stem.isdecimal())


def _lines(host: Reading, path: PurePosixPath) -> Iterator[bytes]:
    """All lines, of which a plan of a hundred thousand mailboxes has more than fit a file that is
    read at once."""
    rest, start = b"", 0
    while part := host.read_part(path, start, _PART):
        start += len(part)
        *whole, rest = (rest + part).split(b"\n")
        yield from whole
        rest = rest[:_PART]  # No beginning of an apply is as long: nobody asks for such a line.
    yield rest


def _names_a_plan(line: bytes) -> bool:
    """A look at the octets, which takes no time, where most lines are of steps."""
    return b'"saved_plan"' in line


def _end(host: Reading, path: PurePosixPath) -> list[bytes]:
    """The last lines. What an apply was about when it was killed stands close to its end."""
    return (host.read_part(path, -_CLOSE, _CLOSE) or b"").splitlines()


def _ended(end: bytes) -> bool:
    """Two applies never write at once, so whatever follows an end belongs to another."""
    match list(_events(end.splitlines()[-1:])):
        case [{"event": "end", "synced": True}]:
            return True
        case _:
            return False


def _under_way(events: Iterable[dict[str, object]]) -> Iterator[str]:
    """What the last apply intended and has no outcome for."""
    open_steps: dict[str, str] = {}
    for event in events:
        match event:
            case {"event": "begin"}:
                open_steps.clear()
            case {"event": "intent", "steps": dict(steps)}:
                open_steps.update((step, str(does)) for step, does in steps.items())
            case {"event": "outcome", "steps": list(steps)}:
                for step in steps:
                    open_steps.pop(str(step), None)
            case _:
                pass
    yield from open_steps.values()


def _events(lines: Iterable[bytes]) -> Iterator[dict[str, object]]:
    """The lines that are whole; a crash may have cut one short."""
    for line in lines:
        try:
            event = parsed(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _path(roots: Roots, generation: int) -> PurePosixPath:
    return roots.journal / f"{generation}.jsonl"
