import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.processes.gate import Full, Gate, Refusals, client, reduced


@pytest.mark.parametrize(
    ("given_address", "address"),
    [
        pytest.param("192.0.2.1", "192.0.2.1", id="ipv4"),
        pytest.param("::ffff:192.0.2.1", "192.0.2.1", id="mapped"),
        pytest.param("fe80::1%eth0", "fe80::1", id="zone"),
        pytest.param("2001:DB8::1", "2001:db8::1", id="upper-case"),
    ],
)
def test_an_address_has_one_form(given_address: str, address: str) -> None:
    assert reduced(given_address) == address


def test_the_hosts_of_one_ipv6_network_are_one_client() -> None:
    assert client("2001:db8:0:1::1") == client("2001:db8:0:1:ffff::2")
    assert client("2001:db8:0:1::1") != client("2001:db8:0:2::1")


def test_one_client_cannot_take_every_place() -> None:
    gate = Gate()

    for _ in range(2):
        gate.enter("192.0.2.1")

    assert gate.obstacle("192.0.2.1", 10, 2) is Full.ONE
    assert gate.obstacle("192.0.2.2", 10, 2) is None
    assert gate.obstacle("192.0.2.2", 2, 2) is Full.ALL


@given(st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]), max_size=30))
def test_who_leaves_makes_room(peers: list[str]) -> None:
    gate = Gate()
    inside = []
    for peer in peers:
        if gate.obstacle(peer, 5, 3) is None:
            gate.enter(peer)
            inside.append(peer)
    assert gate.inside.total() == len(inside) <= 5

    for peer in inside:
        gate.leave(peer)

    assert gate.inside == {}


ONE, OTHER = "192.0.2.1", "2001:db8::1"


def test_who_is_kept_out_without_end_is_a_line_a_minute() -> None:
    refusals = Refusals()

    lines = [refusals.worth_a_line(ONE, Full.ONE, second) for second in range(130)]

    assert {second: times for second, times in enumerate(lines) if times} == {0: 1, 60: 60, 120: 60}


def test_where_all_are_too_many_one_line_stands_for_all() -> None:
    refusals = Refusals()

    lines = [refusals.worth_a_line(peer, Full.ALL, 1.0) for peer in (ONE, OTHER, ONE)]

    assert lines == [1, 0, 0]


def test_each_client_has_a_line_of_its_own() -> None:
    refusals = Refusals()

    lines = [refusals.worth_a_line(peer, Full.ONE, 1.0) for peer in (ONE, OTHER, ONE, OTHER)]

    assert lines == [1, 1, 0, 0]


def test_of_too_many_clients_the_one_that_was_quiet_longest_is_forgotten() -> None:
    refusals = Refusals(most=2)
    third = "192.0.2.3"

    lines = [
        refusals.worth_a_line(peer, Full.ONE, 1.0) for peer in (ONE, OTHER, ONE, third, ONE, OTHER)
    ]

    assert lines == [1, 1, 0, 1, 0, 1]
