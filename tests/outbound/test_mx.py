import asyncio
from random import Random
from typing import Any

import pytest

from aimx.outbound.mx import Exchangers, Hosts, Nowhere, addresses, exchangers
from aimx.testing.zone import Zone, ZoneResolver
from aimx.verify.resolver import NoAnswer

TABLE: dict[str, dict[str, Any]] = {
    "one.example": {"MX": ["20 b.example", "10 a.example", "30 c.example"]},
    "twice.example": {"MX": ["10 a.example", "20 a.example"]},
    "equals.example": {"MX": [f"10 {letter}.example" for letter in "abcdef"] + ["20 z.example"]},
    "null.example": {"MX": "0 ."},
    "half-null.example": {"MX": ["0 .", "10 a.example"]},
    "plain.example": {"A": "192.0.2.1"},
    "broken.example": {"fails": "SERVFAIL"},
    "both.example": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
    "six.example": {"AAAA": ["2001:db8::1"]},
    "text.example": {"TXT": "x"},
}
RESOLVER = ZoneResolver(Zone(TABLE))


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        pytest.param(
            "one.example", Hosts(("a.example", "b.example", "c.example")), id="by-preference"
        ),
        pytest.param("twice.example", Hosts(("a.example",)), id="a-host-twice"),
        pytest.param(
            "null.example",
            Nowhere("domain null.example takes no mail (null MX, 5.1.10)"),
            id="null-mx",
        ),
        pytest.param("half-null.example", Hosts(("a.example",)), id="null-mx-beside-another"),
        pytest.param("plain.example", Hosts(("plain.example",)), id="implicit"),
        pytest.param(
            "no.example", Nowhere("domain no.example does not exist (5.1.2)"), id="nxdomain"
        ),
        pytest.param("broken.example", NoAnswer("MX of broken.example: SERVFAIL"), id="unseen"),
    ],
)
def test_the_dns_says_who_takes_mail(domain: str, found: Exchangers) -> None:
    assert asyncio.run(exchangers(RESOLVER, domain, Random(1))) == found


def test_equals_are_shuffled_and_stay_before_the_others() -> None:
    orders = {
        found.names
        for seed in range(20)
        if isinstance(
            found := asyncio.run(exchangers(RESOLVER, "equals.example", Random(seed))), Hosts
        )
    }

    assert len(orders) > 10
    assert {order[-1] for order in orders} == {"z.example"}
    assert {frozenset(order[:-1]) for order in orders} == {
        frozenset(f"{letter}.example" for letter in "abcdef")
    }


@pytest.mark.parametrize(
    ("host", "ipv6", "found"),
    [
        pytest.param("both.example", False, ("192.0.2.1",), id="ipv4-only"),
        pytest.param("both.example", True, ("192.0.2.1", "2001:db8::1"), id="ipv4-first"),
        pytest.param("six.example", True, ("2001:db8::1",), id="ipv6-only"),
        pytest.param(
            "six.example",
            False,
            Nowhere(
                "six.example has no IPv4 address, and IPv6 is off: set `enable_ipv6 = true` to"
                " reach it"
            ),
            id="wrong-family",
        ),
        pytest.param(
            "text.example", False, Nowhere("text.example has no IPv4 address"), id="neither"
        ),
        pytest.param("text.example", True, Nowhere("text.example has no address"), id="none"),
        pytest.param(
            "broken.example", True, NoAnswer("AAAA of broken.example: SERVFAIL"), id="unseen"
        ),
    ],
)
def test_a_host_has_addresses(host: str, ipv6: bool, found: object) -> None:
    assert asyncio.run(addresses(RESOLVER, host, ipv6=ipv6)) == found
