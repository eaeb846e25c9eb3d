from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pytest

from reconcilers.apply import apply
from reconcilers.host.faulty import Fault, Faulty
from reconcilers.host.host import Access, Host, StepError
from reconcilers.host.memory import MemoryHost
from reconcilers.journal import Journal, unfinished
from reconcilers.operations.engine import Commit, Prepare
from reconcilers.operations.files import (
    MakeDirectories,
    MakeDirectory,
    SyncDirectories,
    WriteFile,
)
from reconcilers.operations.mail import Move
from reconcilers.plan import Plan
from reconcilers.receipt import Outcome, Receipt, Tally, final
from reconcilers.roots import Roots
from reconcilers.step import Hands, Operation, Phase, Step

ROOTS = Roots(*map(PurePosixPath, ("/etc/aimx", "/var/lib/aimx", "/run/aimx", "/etc/aimx/m.toml")))
PRIVATE = Access(0o700, 0, 0)
DONE, FAILED, SKIPPED, NOT_STARTED = Outcome


@dataclass(frozen=True, slots=True)
class Fails:
    """Cannot be done."""

    def take(self, hands: Hands) -> None:
        raise StepError("no space is left")

    def holds(self, hands: Hands) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Pretends:
    """Returns as if it were done."""

    def take(self, hands: Hands) -> None:
        pass

    def holds(self, hands: Hands) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class FailsLate:
    """Writes the file, and cannot make it durable."""

    path: PurePosixPath

    def take(self, hands: Hands) -> None:
        hands.host.replace(self.path, b"new", PRIVATE)
        raise StepError("the disk reports an input/output error")

    def holds(self, hands: Hands) -> bool:
        return hands.host.read(self.path) == b"new"


@dataclass(slots=True)
class Engine:
    """An activation that remembers what it was asked for."""

    fails_at: str = ""
    asked: list[str] = field(default_factory=list)

    def prepare(self, config: bytes) -> None:
        self._ask("prepare")

    def commit(self) -> None:
        self._ask("commit")

    def drop(self) -> None:
        self._ask("drop")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what == self.fails_at:
            raise StepError(f"the engine refuses to {what}")


@pytest.fixture
def host() -> MemoryHost:
    host = MemoryHost(ROOTS)
    host.plant_directory(ROOTS.config)
    host.plant_directory(ROOTS.state)
    return host


def step(id: str, phase: Phase, operation: Operation, *after: str, closing: bool = False) -> Step:
    return Step(id, id.partition("#")[0], phase, operation, after, closing)


def make(name: str) -> MakeDirectory:
    return MakeDirectory(ROOTS.data / name, PRIVATE)


CONFIG = step("config#1", Phase.CONFIG, WriteFile(ROOTS.engine_config, b"new", PRIVATE))
PREPARE = step("engine#1", Phase.PREPARE, Prepare(b"new"))
COMMIT = step("engine#2", Phase.COMMIT, Commit())
MARKER = step("layout#1", Phase.MARKER, WriteFile(ROOTS.marker, b"2\n", PRIVATE))
MOVE = step("mailbox/b#1", Phase.RELOCATE, Move(ROOTS.data / "a", ROOTS.data / "b"))


def run(
    host: Host,
    *steps: Step,
    engine: Engine | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Receipt]:
    plan = Plan(0, "", (), steps, 0)
    hands = Hands(host, engine or Engine())
    return list(apply(plan, hands, Journal(host, ROOTS, 1), stop))


def outcomes(receipts: list[Receipt]) -> dict[str, Outcome]:
    return {receipt.step: receipt.outcome for receipt in final(receipts)}


def test_every_phase_is_done_in_its_order(host: MemoryHost) -> None:
    host.plant_directory(ROOTS.data / "a")
    engine = Engine()
    steps = (step("domain/x#1", Phase.STORAGE, make("x")), PREPARE, MOVE, CONFIG, COMMIT, MARKER)

    receipts = run(host, *steps, engine=engine)

    assert [(receipt.step, receipt.outcome) for receipt in receipts] == [
        (each.id, DONE) for each in steps
    ]
    assert engine.asked == ["prepare", "commit"]
    assert host.read(ROOTS.engine_config) == b"new"


def test_what_holds_already_is_not_taken(host: MemoryHost) -> None:
    run(host, CONFIG)
    before = host.look(ROOTS.engine_config)

    assert outcomes(run(host, CONFIG)) == {"config#1": DONE}
    assert host.look(ROOTS.engine_config) == before


def test_a_step_that_is_not_seen_to_hold_has_failed(host: MemoryHost) -> None:
    (receipt,) = run(host, step("a#1", Phase.STORAGE, Pretends()))

    assert receipt == Receipt("a#1", "a", FAILED, "taken, and not seen to hold afterwards")


def test_a_failure_skips_what_needs_it_and_nothing_else_of_its_phase(host: MemoryHost) -> None:
    receipts = run(
        host,
        step("a#1", Phase.STORAGE, Fails()),
        step("a#2", Phase.STORAGE, make("a"), "a#1"),
        step("b#1", Phase.STORAGE, make("b"), "a#2"),
        step("c#1", Phase.STORAGE, make("c")),
        step("d#1", Phase.STORAGE, make("d"), "b#1"),
    )

    assert receipts == [
        Receipt("a#1", "a", FAILED, "no space is left"),
        Receipt("a#2", "a", SKIPPED, "needs a"),
        Receipt("b#1", "b", SKIPPED, "needs a"),
        Receipt("c#1", "c", DONE),
        Receipt("d#1", "d", SKIPPED, "needs a"),
    ]


def test_what_only_adds_goes_on_after_a_failure_of_an_earlier_phase(host: MemoryHost) -> None:
    receipts = run(
        host,
        step("dkim/x#1", Phase.KEYS, Fails()),
        step("domain/x#1", Phase.STORAGE, make("x")),
        PREPARE,
        CONFIG,
        MARKER,
    )

    assert outcomes(receipts) == {
        "dkim/x#1": FAILED,
        "domain/x#1": DONE,
        "engine#1": NOT_STARTED,
        "config#1": NOT_STARTED,
        "layout#1": NOT_STARTED,
    }
    assert receipts[-1].reason == "dkim/x failed"


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase > Phase.STORAGE])
def test_nothing_of_a_later_phase_starts_after_a_failure(host: MemoryHost, phase: Phase) -> None:
    later = [step(f"z#{p}", p, make(f"z{p}")) for p in Phase if p > phase]

    receipts = run(host, step("a#1", phase, Fails()), *later)

    assert outcomes(receipts) == {"a#1": FAILED} | {each.id: NOT_STARTED for each in later}


def test_retiring_goes_on_after_a_failure(host: MemoryHost) -> None:
    receipts = run(
        host, step("a#1", Phase.RETIRE, Fails()), step("b#1", Phase.RETIRE, make("b")), MARKER
    )

    assert outcomes(receipts) == {"a#1": FAILED, "b#1": DONE, "layout#1": NOT_STARTED}


def test_what_a_failed_closing_step_should_have_made_durable_has_failed(host: MemoryHost) -> None:
    receipts = run(
        host,
        step("a#1", Phase.STORAGE, make("a")),
        step("sync#1", Phase.STORAGE, Fails(), closing=True),
        CONFIG,
    )

    assert final(receipts) == (
        Receipt("a#1", "a", FAILED, "not durable: no space is left"),
        Receipt("sync#1", "sync", FAILED, "no space is left"),
        Receipt("config#1", "config", NOT_STARTED, "sync failed"),
    )


def test_a_closing_step_makes_durable_what_was_made_beside_a_failure(host: MemoryHost) -> None:
    receipts = run(
        host,
        step("a#1", Phase.STORAGE, Fails()),
        step("b#1", Phase.STORAGE, make("b")),
        step("sync#1", Phase.STORAGE, SyncDirectories((ROOTS.data,)), "a#1", "b#1", closing=True),
    )

    assert outcomes(receipts) == {"a#1": FAILED, "b#1": DONE, "sync#1": DONE}


class TestRelocating:
    @pytest.fixture(autouse=True)
    def _mail(self, host: MemoryHost) -> None:
        host.plant_directory(ROOTS.data / "a")
        host.plant_directory(ROOTS.data / "c")

    def test_when_one_fails_those_done_are_moved_back(self, host: MemoryHost) -> None:
        engine = Engine()
        broken = step("mailbox/d#1", Phase.RELOCATE, Fails())
        never = step("mailbox/e#1", Phase.RELOCATE, Move(ROOTS.data / "c", ROOTS.data / "e"))

        receipts = run(host, PREPARE, MOVE, broken, never, CONFIG, COMMIT, engine=engine)

        assert host.names(ROOTS.data) == (".aimx", "a", "c")
        assert engine.asked == ["prepare", "drop"]
        assert final(receipts)[1] == Receipt(
            "mailbox/b#1", "mailbox/b", SKIPPED, "done, and taken back, since mailbox/d failed"
        )
        assert outcomes(receipts) == {
            "engine#1": DONE,
            "mailbox/b#1": SKIPPED,
            "mailbox/d#1": FAILED,
            "mailbox/e#1": NOT_STARTED,
            "config#1": NOT_STARTED,
            "engine#2": NOT_STARTED,
        }

    def test_when_the_engine_config_is_not_written_they_are_moved_back(
        self, host: MemoryHost
    ) -> None:
        engine = Engine()

        run(host, PREPARE, MOVE, step("config#1", Phase.CONFIG, Fails()), COMMIT, engine=engine)

        assert host.names(ROOTS.data) == (".aimx", "a", "c")
        assert engine.asked == ["prepare", "drop"]

    def test_when_the_engine_config_is_there_nevertheless_they_stay(self, host: MemoryHost) -> None:
        engine = Engine()
        late = step("config#1", Phase.CONFIG, FailsLate(ROOTS.engine_config))

        receipts = run(host, PREPARE, MOVE, late, COMMIT, engine=engine)

        assert host.read(ROOTS.engine_config) == b"new"
        assert outcomes(receipts)["config#1"] is FAILED
        assert host.names(ROOTS.data) == (".aimx", "b", "c")
        assert engine.asked == ["prepare", "drop"]

    def test_one_that_cannot_be_moved_back_has_failed(self, host: MemoryHost) -> None:
        taken = step("x#1", Phase.RELOCATE, make("a"))  # Something new is in the way.

        receipts = run(host, MOVE, taken, step("y#1", Phase.RELOCATE, Fails()))

        moved = final(receipts)[0]
        assert moved.outcome is FAILED
        assert moved.reason.startswith("done, and not to be taken back: /var/lib/aimx/a: is there")

    def test_when_stopped_those_done_are_moved_back(self, host: MemoryHost) -> None:
        engine = Engine()

        receipts = run(
            host,
            PREPARE,
            MOVE,
            CONFIG,
            COMMIT,
            engine=engine,
            stop=lambda: host.look(ROOTS.data / "b") is not None,
        )

        assert host.names(ROOTS.data) == (".aimx", "a", "c")
        assert engine.asked == ["prepare", "drop"]
        assert outcomes(receipts)["config#1"] is NOT_STARTED

    def test_a_later_failure_leaves_them_where_they_are(self, host: MemoryHost) -> None:
        engine = Engine(fails_at="commit")

        receipts = run(host, PREPARE, MOVE, CONFIG, COMMIT, MARKER, engine=engine)

        assert host.names(ROOTS.data) == (".aimx", "b", "c")
        assert engine.asked == ["prepare", "commit"]
        assert outcomes(receipts)["layout#1"] is NOT_STARTED


class TestStopping:
    def test_every_step_has_a_receipt(self, host: MemoryHost) -> None:
        steps = (
            step("a#1", Phase.STORAGE, make("a")),
            step("b#1", Phase.STORAGE, make("b")),
            step("b#2", Phase.STORAGE, make("b/c"), "b#1"),
            CONFIG,
        )

        receipts = run(host, *steps, stop=lambda: host.look(ROOTS.data / "a") is not None)

        assert receipts == [
            Receipt("a#1", "a", DONE),
            Receipt("b#1", "b", NOT_STARTED, "the apply was stopped"),
            Receipt("b#2", "b", NOT_STARTED, "the apply was stopped"),
            Receipt("config#1", "config", NOT_STARTED, "the apply was stopped"),
        ]

    def test_the_swap_follows_once_the_engine_config_is_written(self, host: MemoryHost) -> None:
        engine = Engine()

        receipts = run(
            host,
            PREPARE,
            CONFIG,
            COMMIT,
            MARKER,
            engine=engine,
            stop=lambda: host.look(ROOTS.engine_config) is not None,
        )

        assert engine.asked == ["prepare", "commit"]
        assert outcomes(receipts)["layout#1"] is NOT_STARTED


def test_what_is_prepared_and_refused_is_not_dropped_twice(host: MemoryHost) -> None:
    engine = Engine(fails_at="prepare")

    run(host, PREPARE, CONFIG, COMMIT, engine=engine)

    assert engine.asked == ["prepare"]
    assert host.look(ROOTS.engine_config) is None


def test_a_defect_is_no_failed_step(host: MemoryHost) -> None:
    @dataclass(frozen=True)
    class Broken:
        def take(self, hands: Hands) -> None:
            raise ZeroDivisionError

        def holds(self, hands: Hands) -> bool:
            return False

    with pytest.raises(ZeroDivisionError):
        run(host, step("a#1", Phase.STORAGE, Broken()))


def test_a_full_disk_ends_in_a_whole_report(host: MemoryHost) -> None:
    journal = Journal(faulty := Faulty(host, 1, Fault.FULL), ROOTS, 1)
    steps = (step("a#1", Phase.STORAGE, make("a")), CONFIG, MARKER)

    receipts = list(apply(Plan(0, "", (), steps, 0), Hands(faulty, Engine()), journal))

    assert outcomes(receipts) == {"a#1": FAILED, "config#1": NOT_STARTED, "layout#1": NOT_STARTED}
    assert journal.trouble == "the journal is incomplete: no space is left on its file system"


class TestAfterAnInterruption:
    @pytest.fixture
    def synced(self) -> list[str]:
        return []

    @pytest.fixture
    def host(self, host: MemoryHost, synced: list[str]) -> MemoryHost:
        journal = Journal(host, ROOTS, 1)
        journal.begin()
        host.sync_everything = lambda: synced.append("all")  # type: ignore[method-assign]
        return host

    def test_everything_is_synced_even_where_nothing_differs(
        self, host: MemoryHost, synced: list[str]
    ) -> None:
        assert unfinished(host, ROOTS)

        run(host)

        assert synced == ["all"]
        assert not unfinished(host, ROOTS)

    def test_it_is_synced_once(self, host: MemoryHost, synced: list[str]) -> None:
        run(host)
        run(host)

        assert synced == ["all"]

    def test_it_is_synced_again_after_a_failure(self, host: MemoryHost, synced: list[str]) -> None:
        run(host, step("a#1", Phase.STORAGE, Fails()))
        run(host)

        assert synced == ["all", "all"]

    def test_the_engine_config_waits_for_that(self, host: MemoryHost) -> None:
        def refuse() -> None:
            raise StepError("the disk reports an input/output error")

        host.sync_everything = refuse  # type: ignore[method-assign]

        receipts = run(host, CONFIG)

        assert outcomes(receipts) == {"config#1": NOT_STARTED}
        assert receipts[0].reason.startswith("what an interrupted apply left could not be synced")
        assert unfinished(host, ROOTS)


def test_a_tally_counts_steps_by_their_last_receipt() -> None:
    receipts = [
        Receipt("a", "a", DONE),
        Receipt("b", "b", FAILED, "x"),
        Receipt("c", "c", NOT_STARTED, "x"),
        Receipt("a", "a", SKIPPED, "taken back"),
    ]

    tally = Tally.of(receipts, 1.5, 42)

    assert tally == Tally(done=0, failed=1, skipped=1, not_started=1, seconds=1.5, generation=42)
    assert not tally.is_complete


def folders(name: str, access: Access = PRIVATE, *within: PurePosixPath) -> MakeDirectories:
    return MakeDirectories(within or (ROOTS.data / "inbox", ROOTS.data / "sent"), name, access)


@pytest.fixture
def storage(host: MemoryHost) -> MemoryHost:
    for each in ("inbox", "sent"):
        host.plant_directory(ROOTS.data / each)
    return host


def test_of_steps_that_are_taken_together_each_has_its_own_outcome(storage: MemoryHost) -> None:
    storage.plant_file(ROOTS.data / "sent" / "b", b"in the way")
    gone = folders("d", PRIVATE, ROOTS.data / "gone")
    steps = [
        step("mailbox/a#1", Phase.STORAGE, folders("a")),
        step("mailbox/b#1", Phase.STORAGE, folders("b")),
        step("mailbox/c#1", Phase.STORAGE, folders("c"), "mailbox/a#1"),
        step("mailbox/b#2", Phase.STORAGE, folders("b2"), "mailbox/b#1"),
        step("mailbox/d#1", Phase.STORAGE, gone),
        step("mailbox/e#1", Phase.STORAGE, folders("e", Access(0o755, 0, 0))),
    ]

    receipts = run(storage, *steps)

    assert [(each.step, each.outcome) for each in receipts] == [
        ("mailbox/a#1", DONE),
        ("mailbox/b#1", FAILED),
        ("mailbox/c#1", DONE),
        ("mailbox/b#2", SKIPPED),
        ("mailbox/d#1", FAILED),
        ("mailbox/e#1", DONE),
    ]
    assert receipts[1].reason.startswith(f"{ROOTS.data}/sent/b: a file stands where")
    assert receipts[4].reason.startswith(f"{ROOTS.data}/gone: it, or a directory above")
    assert storage.names(ROOTS.data / "inbox") == ("a", "b", "c", "e")
    assert storage.names(ROOTS.data / "sent") == ("a", "b", "c", "e")
    tree = storage.tree()
    modes = [tree[ROOTS.data / "inbox" / name][1].mode for name in "ae"]
    assert modes == [0o700, 0o755]


def test_many_are_taken_together_and_stop_is_asked_between(storage: MemoryHost) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(len(storage.names(ROOTS.data / "inbox") or ()))
        return len(asked) > 2

    receipts = run(
        storage, *(step(f"m{n}#1", Phase.STORAGE, folders(f"m{n}")) for n in range(200)), stop=stop
    )

    assert asked == [0, 64, 128]
    assert [each.outcome for each in receipts] == [DONE] * 128 + [NOT_STARTED] * 72


def test_what_is_taken_together_and_not_seen_to_be_there_has_failed(
    storage: MemoryHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = storage.make_directory

    def slip(path: PurePosixPath, access: Access) -> None:
        if path.name != "b":
            make(path, access)

    monkeypatch.setattr(storage, "make_directory", slip)
    steps = [step(f"{name}#1", Phase.STORAGE, folders(name)) for name in "abc"]

    receipts = run(storage, *steps)

    assert outcomes(receipts) == {"a#1": DONE, "b#1": FAILED, "c#1": DONE}
    assert receipts[1].reason == "taken, and not seen to hold afterwards"
