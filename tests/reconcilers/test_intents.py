"""What is pinned or suspended outlives whoever heard it, and ends when its time is over."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired import manifest
from desired.desired import Desired, Moved
from desired.names import Address
from desired.problem import Source
from reconcilers.host.memory import MemoryHost
from reconcilers.intents import (
    Damaged,
    Intents,
    Pin,
    Suspension,
    author,
    end,
    keep_pin,
    keep_suspension,
    load,
)
from reconcilers.inverse import inverse
from reconcilers.records import unsealed
from reconcilers.roots import Roots

ROOTS = Roots(*map(PurePosixPath, ("/etc/aimx", "/var/lib/aimx", "/run/aimx", "/etc/aimx/m.toml")))
LATER = datetime(2030, 1, 1, tzinfo=UTC)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
PIN = Pin(3, LATER, "the new filter eats mail", 0, SINCE, former=5, manifest="ab" * 32)


@pytest.fixture
def host() -> MemoryHost:
    found = MemoryHost(ROOTS)
    found.plant_directory(ROOTS.data.parent)
    return found


moments = st.integers(1, 10**9).map(lambda seconds: NOW + timedelta(seconds=seconds))
earlier = st.integers(0, 10**9).map(lambda seconds: NOW - timedelta(seconds=seconds))
moves = st.lists(
    st.sampled_from(["a@a.com", "b@a.com", "*@a.com"]).map(Address.parse), min_size=2, max_size=2
).map(lambda pair: Moved(*pair))
pins = st.builds(
    Pin,
    generation=st.integers(1, 10**9),
    until=moments,
    reason=st.text(),
    uid=st.integers(0, 2**32 - 2),
    since=earlier,
    former=st.integers(0, 10**9),
    manifest=st.text("0123456789abcdef"),
    moved=st.lists(moves, max_size=3).map(tuple),
    account=st.text(),
)
suspensions = st.builds(
    Suspension,
    until=moments,
    reason=st.text(),
    uid=st.integers(0, 2**32),
    since=earlier,
    account=st.text(),
)


@given(pins, suspensions)
def test_what_is_kept_is_loaded(pin: Pin, suspension: Suspension) -> None:
    host = MemoryHost(ROOTS)
    host.plant_directory(ROOTS.data.parent)

    keep_pin(host, ROOTS, pin)
    keep_suspension(host, ROOTS, suspension)

    assert load(host, ROOTS, NOW) == Intents(pin, suspension)


def test_who_said_so_has_a_name_unless_it_was_said_before_names_were_kept(host) -> None:
    keep_suspension(host, ROOTS, Suspension(LATER, "", 0, SINCE, "root"))
    named = load(host, ROOTS, NOW).suspension
    said = unsealed(host.read(ROOTS.suspension))
    del said["account"]
    host.plant_file(ROOTS.suspension, json.dumps(said).encode())
    unnamed = load(host, ROOTS, NOW).suspension

    assert (author(named), author(unnamed)) == ("root", "uid 0")


def test_where_nothing_was_said_nothing_holds(host: MemoryHost) -> None:
    assert load(host, ROOTS, NOW) == Intents()


def test_what_is_over_holds_no_more(host: MemoryHost) -> None:
    over = NOW - timedelta(seconds=1)
    keep_pin(host, ROOTS, replace(PIN, until=over))
    keep_suspension(host, ROOTS, Suspension(over, "", 0, SINCE))

    assert load(host, ROOTS, NOW) == Intents()


def test_what_was_over_before_it_was_said_is_damaged_and_holds(host: MemoryHost) -> None:
    over = SINCE - timedelta(days=1)
    keep_pin(host, ROOTS, replace(PIN, until=over))
    keep_suspension(host, ROOTS, Suspension(over, "", 0, SINCE))

    assert load(host, ROOTS, NOW) == Intents(Damaged(ROOTS.pin), Damaged(ROOTS.suspension))


def test_the_first_to_end_is_told() -> None:
    suspension = Suspension(LATER - timedelta(days=1), "", 0, SINCE)

    assert Intents().ends is None
    assert Intents(PIN).ends == LATER
    assert Intents(PIN, suspension).ends == suspension.until


def test_what_ended_is_gone(host: MemoryHost) -> None:
    keep_pin(host, ROOTS, PIN)

    end(host, ROOTS.pin, ROOTS.suspension)

    assert load(host, ROOTS, NOW) == Intents()


@given(st.binary())
def test_no_bytes_make_loading_raise(content: bytes) -> None:
    host = MemoryHost(ROOTS)
    host.plant_file(ROOTS.pin, content)
    host.plant_file(ROOTS.suspension, content)

    assert load(host, ROOTS, NOW) == Intents(Damaged(ROOTS.pin), Damaged(ROOTS.suspension))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"generation": 3', id="cut short"),
        pytest.param(b'{"generation": true, "until": "2030-01-01"}', id="other types"),
        pytest.param(b"[" * 100_000, id="too deep"),
    ],
)
def test_a_damaged_pin_holds_and_says_how_to_lift_it(host: MemoryHost, content: bytes) -> None:
    host.plant_file(ROOTS.pin, content)

    pin = load(host, ROOTS, NOW).pin

    assert isinstance(pin, Damaged)
    assert str(pin).endswith("`aimx resume` removes it")


def desired(*names: str, moved: tuple[tuple[str, str], ...] = ()) -> Desired:
    tables = "".join(f'[mailboxes."{name}@a.com"]\nowner = "bob"\n' for name in names)
    text = f'domains = ["a.com"]\n{tables}'.encode()
    found = manifest.read([Source("manifest.toml", text)]).desired
    return replace(found, moved=tuple(move(source, target) for source, target in moved))


def move(source: str, target: str) -> Moved:
    return Moved(Address.parse(f"{source}@a.com"), Address.parse(f"{target}@a.com"))


def test_an_intent_that_cannot_be_read_holds(host: MemoryHost) -> None:
    keep_pin(host, ROOTS, PIN)
    keep_suspension(host, ROOTS, Suspension(LATER, "", 0, SINCE))
    host.plant_blindness(ROOTS.pin)
    host.plant_blindness(ROOTS.suspension)

    assert load(host, ROOTS, NOW) == Intents(Damaged(ROOTS.pin), Damaged(ROOTS.suspension))


def test_a_move_is_undone_on_the_way_back() -> None:
    assert inverse([desired("a"), desired("b", moved=(("a", "b"),))]) == (move("b", "a"),)


def test_moves_are_undone_in_an_order_that_does_not_vary() -> None:
    way = [desired("z", "a"), desired("y", "b", moved=(("z", "y"), ("a", "b")))]

    assert inverse(way) == (move("b", "a"), move("y", "z"))


def test_moves_in_a_row_are_undone_as_one() -> None:
    way = [
        desired("a", "z"),
        desired("b", "z", moved=(("a", "b"),)),
        desired("c", "z", moved=(("a", "b"), ("b", "c"))),
    ]

    assert inverse(way) == (move("c", "a"),)


@pytest.mark.parametrize(
    "way",
    [
        pytest.param([desired("a"), desired("a", moved=(("a", "b"),))], id="never carried out"),
        pytest.param(
            [desired("a"), desired("b", moved=(("a", "b"),)), desired("c")], id="removed since"
        ),
        pytest.param(
            [
                desired("a"),
                desired("b", moved=(("a", "b"),)),
                desired("a", moved=(("b", "a"),)),
            ],
            id="there and back",
        ),
        pytest.param(
            [desired("a"), desired("b", moved=(("a", "b"),)), desired("a", "b")],
            id="the old address is in use again",
        ),
        pytest.param(
            [desired("b"), desired("b", moved=(("a", "b"),))], id="a block of long before"
        ),
    ],
)
def test_what_did_not_move_or_is_in_use_stays_where_it_is(way: list[Desired]) -> None:
    assert inverse(way) == ()


names = st.lists(st.sampled_from("abcdef"), unique=True, min_size=1, max_size=4)


@given(st.lists(names, min_size=1, max_size=5), st.data())
def test_no_two_ways_back_share_an_end(generations: list[list[str]], data: st.DataObject) -> None:
    way = [
        desired(*each, moved=tuple(zip(each, data.draw(st.permutations(each)), strict=True)))
        for each in generations
    ]

    back = inverse(way)

    assert len({each.source for each in back}) == len({each.target for each in back}) == len(back)
    assert {str(each.target) for each in back} <= way[0].mailboxes.keys()
    assert {str(each.source) for each in back} <= way[-1].mailboxes.keys()
