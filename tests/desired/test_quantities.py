from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.names import InvalidNameError
from desired.quantities import (
    Endpoint,
    parse_duration,
    parse_size,
    write_duration,
)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("100ms", timedelta(milliseconds=100)),
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("24h", timedelta(days=1)),
        ("30d", timedelta(days=30)),
        ("0s", timedelta()),
        ("999999999d", timedelta(days=999999999)),
    ],
)
def test_a_duration_has_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-5m", "1.5h", "5m30s", "1w", "9999999999d"])
def test_a_duration_is_nothing_else(text: str) -> None:
    with pytest.raises(InvalidNameError, match="is not a duration"):
        parse_duration(text)


@given(st.integers(0, 10**12))
def test_a_written_duration_reads_the_same(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds % (999_999_999 * 1000))

    assert parse_duration(write_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "octets"),
    [(1000, 1000), ("1000", 1000), ("25MiB", 25 << 20), ("1KiB", 1024), ("1GiB", 1 << 30), (0, 0)],
)
def test_a_size_is_octets_or_has_a_binary_unit(text: int | str, octets: int) -> None:
    assert parse_size(text) == octets


@pytest.mark.parametrize("text", ["", "25MB", "25 MiB", "1.5GiB", "-1", -1, "1_000", 10**16])
def test_a_size_is_nothing_else(text: int | str) -> None:
    with pytest.raises(InvalidNameError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("0.0.0.0:25", Endpoint("0.0.0.0", 25)),
        ("[::]:25", Endpoint("::", 25)),
        ("[0::0001]:5353", Endpoint("::1", 5353)),
        ("localhost:0", Endpoint("localhost", 0)),
    ],
)
def test_an_endpoint_is_a_host_and_a_port(text: str, endpoint: Endpoint) -> None:
    assert Endpoint.parse(text) == endpoint
    assert Endpoint.parse(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    "text",
    ["", "25", ":25", "127.0.0.1", "::1:25", "[::1]", "[nine]:25", "a:65536", "a:b", "a b:1"],
)
def test_half_an_endpoint_is_none(text: str) -> None:
    with pytest.raises(InvalidNameError):
        Endpoint.parse(text)
