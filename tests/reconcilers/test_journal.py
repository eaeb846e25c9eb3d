from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest

from reconcilers.host.faulty import Fault, Faulty
from reconcilers.host.host import LARGEST_FILE, Access, Nature
from reconcilers.host.memory import MemoryHost
from reconcilers.journal import (
    Interrupted,
    Journal,
    interrupted,
    is_applied,
    position,
    unfinished,
)
from reconcilers.operations.files import MakeDirectory, SyncDirectories
from reconcilers.receipt import Outcome, Receipt
from reconcilers.roots import Roots
from reconcilers.step import Phase, Step

ROOTS = Roots(*map(PurePosixPath, ("/etc/aimx", "/var/lib/aimx", "/run/aimx", "/etc/aimx/m.toml")))
STEP = Step(
    "domain/a.com#1",
    "domain/a.com",
    Phase.STORAGE,
    MakeDirectory(ROOTS.data / "a.com", Access(0o755, 0, 0)),
)
DONE = Receipt(STEP.id, STEP.address, Outcome.DONE)
FAILED = Receipt(STEP.id, STEP.address, Outcome.FAILED, "no space is left")


@pytest.fixture
def host() -> MemoryHost:
    return MemoryHost(ROOTS)


def events(host: MemoryHost, generation: int) -> list[dict[str, Any]]:
    content = host.read(ROOTS.journal / f"{generation}.jsonl") or b""
    return [json.loads(line) for line in content.splitlines()]


def test_each_step_has_its_intent_and_its_outcome(host: MemoryHost) -> None:
    journal = Journal(host, ROOTS, 42)
    journal.begin()
    journal.intend([STEP])
    journal.outcome(FAILED)
    journal.end(synced=False)

    at = {"at": "2026-01-02T03:04:05Z"}
    assert events(host, 42) == [
        {**at, "event": "begin", "generation": 42},
        {
            **at,
            "event": "intent",
            "steps": {"domain/a.com#1": "make directory /var/lib/aimx/a.com 0755 0:0"},
        },
        {
            **at,
            "event": "outcome",
            "outcome": "failed",
            "steps": ["domain/a.com#1"],
            "reason": "no space is left",
        },
        {**at, "event": "end", "synced": False},
    ]


def test_nobody_else_reads_it(host: MemoryHost) -> None:
    Journal(host, ROOTS, 1).begin()

    directory, file = host.look(ROOTS.journal), host.look(ROOTS.journal / "1.jsonl")
    assert directory is not None
    assert file is not None
    assert (directory.mode, file.mode) == (0o700, 0o600)


def test_a_fresh_machine_has_no_interrupted_apply(host: MemoryHost) -> None:
    assert interrupted(host, ROOTS) is None


def test_an_apply_without_an_end_was_interrupted_at_what_it_intended(host: MemoryHost) -> None:
    journal = Journal(host, ROOTS, 1)
    journal.begin()
    journal.intend([STEP])

    assert interrupted(host, ROOTS) == Interrupted(
        1, ("make directory /var/lib/aimx/a.com 0755 0:0",)
    )


def test_an_end_that_says_that_all_is_synced_is_an_end(host: MemoryHost) -> None:
    journal = Journal(host, ROOTS, 1)
    journal.begin()
    journal.end(synced=True)
    assert not unfinished(host, ROOTS)

    journal = Journal(host, ROOTS, 1)
    assert journal.begin() is None
    journal.end(synced=False)
    assert unfinished(host, ROOTS)


def test_the_next_one_of_the_same_generation_is_told(host: MemoryHost) -> None:
    first = Journal(host, ROOTS, 1)
    first.begin()
    first.intend([STEP])
    first.outcome(DONE)
    first.note("and on")

    assert Journal(host, ROOTS, 1).begin() == Interrupted(1)


def test_what_was_synced_since_is_not_told_again(host: MemoryHost) -> None:
    Journal(host, ROOTS, 5).begin()

    # The manifest was reverted before the engine config was written: back to generation 4.
    journal = Journal(host, ROOTS, 4)
    before = journal.begin()
    assert before == Interrupted(5)
    journal.synced(before)
    journal.end(synced=True)

    assert not unfinished(host, ROOTS)


def test_a_line_that_was_cut_short_is_passed_over(host: MemoryHost) -> None:
    Journal(host, ROOTS, 1).begin()
    path, access = ROOTS.journal / "1.jsonl", Access(0o600, 0, 0)
    host.append(path, b'{"event": "end", "syn', access)
    assert unfinished(host, ROOTS)

    journal = Journal(host, ROOTS, 1)
    journal.begin()
    journal.end(synced=True)
    assert not unfinished(host, ROOTS)


def test_other_files_are_no_journals(host: MemoryHost) -> None:
    host.plant_file(ROOTS.journal / "notes.txt", b"")
    host.plant_file(ROOTS.journal / "x.jsonl", b"")

    assert not unfinished(host, ROOTS)


def test_a_journal_that_cannot_be_read_is_said_and_ignored(host: MemoryHost) -> None:
    host.plant_other(ROOTS.journal / "7.jsonl", Nature.SYMLINK)

    journal = Journal(host, ROOTS, 8)
    before = journal.begin()

    assert before is not None
    assert before.generation == 7
    assert journal.trouble.startswith("the journal is incomplete: /var/lib/aimx/.aimx/journal/7.js")
    assert [event["event"] for event in events(host, 8)] == ["begin"]


def test_a_journal_that_cannot_be_written_does_not_get_in_the_way(host: MemoryHost) -> None:
    host.plant_other(ROOTS.journal, Nature.SYMLINK)

    journal = Journal(host, ROOTS, 1)
    before = journal.begin()
    assert before is not None
    assert before.generation is None
    journal.synced(before)
    journal.intend([STEP])
    journal.end(synced=True)

    assert journal.trouble.startswith("the journal is incomplete: /var/lib/aimx/.aimx/journal: a s")


def test_where_its_directory_cannot_be_made_it_is_missing_and_said(host: MemoryHost) -> None:
    journal = Journal(Faulty(host, 1, Fault.FULL), ROOTS, 1)

    assert journal.begin() is None

    assert journal.trouble == "the journal is incomplete: no space is left on its file system"


def applied(host: MemoryHost, generation: int, *, ended: bool = True) -> None:
    journal = Journal(host, ROOTS, generation)
    journal.begin()
    if ended:
        journal.end(synced=True)


@pytest.mark.parametrize(
    ("interrupted_at", "told"),
    [
        pytest.param(9, None, id="the last but two"),
        pytest.param(10, Interrupted(10), id="the last but one"),
        pytest.param(11, Interrupted(11), id="the last"),
    ],
)
def test_the_last_two_generations_are_those_of_the_highest_numbers(
    host: MemoryHost, interrupted_at: int, told: Interrupted | None
) -> None:
    for generation in (9, 10, 11):
        applied(host, generation, ended=generation != interrupted_at)

    assert interrupted(host, ROOTS) == told


def test_its_position_is_another_after_each_apply(host: MemoryHost) -> None:
    found = [position(host, ROOTS)]
    for generation in (9, 9, 10):
        applied(host, generation)
        found.append(position(host, ROOTS))

    size = len(host.read(ROOTS.journal / "10.jsonl") or b"")
    assert found == ["", f"9:{size - 1}", f"9:{2 * (size - 1)}", f"10:{size}"]


@pytest.mark.parametrize("blind", [ROOTS.journal, ROOTS.journal / "9.jsonl"], ids=["all", "one"])
def test_where_it_cannot_be_seen_it_has_no_position(host: MemoryHost, blind: PurePosixPath) -> None:
    applied(host, 9)
    host.plant_blindness(blind)

    assert position(host, ROOTS) == ""


def test_what_follows_soon_is_intended_with_the_first_and_not_again(host: MemoryHost) -> None:
    other = replace(STEP, id="domain/a.com#2")
    journal = Journal(host, ROOTS, 1)
    journal.begin()

    journal.intend([STEP, other])
    journal.outcome(DONE)
    journal.intend([other])
    journal.outcome(replace(DONE, step=other.id))
    journal.note("and on")

    told = [(event["event"], list(event.get("steps", ()))) for event in events(host, 1)]
    assert told == [
        ("begin", []),
        ("intent", [STEP.id, other.id]),
        ("outcome", [STEP.id, other.id]),
        ("note", []),
    ]


def test_outcomes_are_told_in_the_order_in_which_they_came(host: MemoryHost) -> None:
    steps = [replace(STEP, id=f"domain/a.com#{number}") for number in range(1, 5)]
    journal = Journal(host, ROOTS, 1)
    journal.begin()

    journal.intend(steps)
    for each in steps:
        journal.outcome(replace(FAILED if each is steps[2] else DONE, step=each.id))
    journal.end(synced=False)

    told = [(event.get("outcome"), event["steps"]) for event in events(host, 1)[2:-1]]
    assert told == [
        ("done", [steps[0].id, steps[1].id]),
        ("failed", [steps[2].id]),
        ("done", [steps[3].id]),
    ]


def test_only_what_has_no_outcome_was_under_way(host: MemoryHost) -> None:
    other = replace(STEP, id="domain/a.com#2", operation=SyncDirectories(()))
    journal = Journal(host, ROOTS, 1)
    journal.begin()

    journal.intend([STEP, other])
    journal.outcome(DONE)
    journal.note("and on")

    assert interrupted(host, ROOTS) == Interrupted(1, ("sync 0 directories",))


# Of a plan of a hundred thousand mailboxes: more than any file that is read at once.
LONG = b'{"event": "outcome", "steps": ["x"], "outcome": "done"}\n' * (LARGEST_FILE // 50)
BEGUN = b'{"event": "begin", "generation": 7, "saved_plan": "sha256:f@6:9"}\n'
INTENT = b'{"event": "intent", "steps": {"y": "make directory /y"}}\n'
END = b'{"event": "end", "synced": true}\n'


def test_a_journal_of_any_length_tells_that_its_apply_came_to_its_end(host: MemoryHost) -> None:
    host.plant_file(ROOTS.journal / "7.jsonl", BEGUN + INTENT + LONG + END)

    assert not unfinished(host, ROOTS)


def test_a_journal_of_any_length_tells_what_was_under_way(host: MemoryHost) -> None:
    host.plant_file(ROOTS.journal / "7.jsonl", BEGUN + LONG + INTENT)

    assert interrupted(host, ROOTS) == Interrupted(7, ("make directory /y",))


def test_a_journal_of_any_length_tells_which_saved_plan_was_applied(host: MemoryHost) -> None:
    host.plant_file(ROOTS.journal / "7.jsonl", BEGUN + LONG + END)

    assert is_applied(host, ROOTS, "sha256:f@6:9", 6)
    assert not is_applied(host, ROOTS, "sha256:e@6:9", 6)
