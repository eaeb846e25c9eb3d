from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest

from desired.problem import Source
from reconcilers.generations import Generation, Who, discard, load, numbers, record
from reconcilers.host.faulty import Fault, Faulty, Killed
from reconcilers.host.host import UnseenError
from reconcilers.host.memory import MemoryHost
from reconcilers.receipt import Outcome, Receipt
from reconcilers.roots import Roots

ROOTS = Roots(*map(PurePosixPath, ("/etc/aimx", "/var/lib/aimx", "/run/aimx", "/etc/aimx/m.toml")))
GENERATION = Generation(
    42,
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    Who(0, "root", "aimx apply"),
    (
        Source("manifest.toml", b'domains = ["a.com"]\n'),
        Source("manifest.d/one.toml", "# häme\n".encode()),
        Source("elsewhere/one.toml", b"\xff"),
    ),
    b"# generation 42\n",
    b'{"generation": 41}',
    (
        Receipt("dkim/a.com/aimx#1", "dkim/a.com/aimx", Outcome.DONE),
        Receipt("readme#1", "readme", Outcome.FAILED, "no space is left"),
    ),
    resumed=True,
)


@pytest.fixture
def host() -> MemoryHost:
    return MemoryHost(ROOTS)


def test_what_is_recorded_is_loaded(host: MemoryHost) -> None:
    record(host, ROOTS, GENERATION)

    assert load(host, ROOTS, 42) == GENERATION
    assert host.read(ROOTS.generations / "42/config.toml") == b"# generation 42\n"


def test_numbers_are_in_the_order_of_numbers(host: MemoryHost) -> None:
    assert numbers(host, ROOTS) == ()

    for number in (10, 9, 101):
        record(host, ROOTS, replace(GENERATION, number=number))

    assert numbers(host, ROOTS) == (9, 10, 101)


def test_a_generation_that_is_not_on_record_is_none(host: MemoryHost) -> None:
    assert load(host, ROOTS, 1) is None


def test_a_record_stays_as_it_is(host: MemoryHost) -> None:
    record(host, ROOTS, GENERATION)
    record(host, ROOTS, replace(GENERATION, config=b"other"))

    assert load(host, ROOTS, 42) == GENERATION


def test_nobody_else_reads_it(host: MemoryHost) -> None:
    record(host, ROOTS, GENERATION)

    below = {
        path: access.mode
        for path, (_, access, _) in host.tree().items()
        if path.is_relative_to(ROOTS.generations)
    }
    assert set(below.values()) == {0o700, 0o600}


@pytest.mark.parametrize("fault", [Fault.KILLED_BEFORE, Fault.KILLED_AFTER])
def test_a_record_is_whole_or_not_there_wherever_it_is_killed(fault: Fault) -> None:
    record(counting := Faulty(MemoryHost(ROOTS), 0, fault), ROOTS, GENERATION)
    for strike in range(1, counting.changes + 1):
        host = MemoryHost(ROOTS)
        stale = replace(GENERATION, sources=(*GENERATION.sources, Source("more.toml", b"")))

        with pytest.raises(Killed):
            record(Faulty(host, strike, fault), ROOTS, stale)
        assert load(host, ROOTS, 42) in (None, stale)
        if not numbers(host, ROOTS):
            record(host, ROOTS, GENERATION)
            assert load(host, ROOTS, 42) == GENERATION


@pytest.mark.parametrize(
    "name", ["record.json", "config.toml", "plan.json", "receipts.json", "sources/2-one.toml"]
)
def test_a_damaged_record_says_where_and_what_to_do(host: MemoryHost, name: str) -> None:
    record(host, ROOTS, GENERATION)
    host.remove_file(ROOTS.generations / "42" / name)

    with pytest.raises(UnseenError, match=f"42/{name}: is gone. Restore it from a backup"):
        load(host, ROOTS, 42)


def test_a_record_of_something_else_is_refused(host: MemoryHost) -> None:
    host.plant_file(ROOTS.generations / "42/record.json", b"[]")

    with pytest.raises(UnseenError, match="42: is not a record that aimx wrote"):
        load(host, ROOTS, 42)


@pytest.mark.parametrize(
    ("keep", "left"), [(1, (3,)), (2, (2, 3)), (3, (1, 2, 3)), (50, (1, 2, 3))]
)
def test_the_latest_are_kept_with_their_journals(machine, keep, left):
    for number in (1, 2, 3):
        machine.apply(f'domains = ["a.com"]\nsignature = "{number}"\n')

    discard(machine.host, machine.roots, keep)

    assert numbers(machine.host, machine.roots) == left
    assert machine.host.names(machine.roots.journal) == tuple(f"{n}.jsonl" for n in left)
