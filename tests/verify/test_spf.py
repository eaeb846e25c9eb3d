import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail.envelope import Client, Envelope
from aimx.testing.zone import Zone, ZoneResolver
from aimx.verify.resolver import Answer
from aimx.verify.spf import SenderPolicy
from aimx.verify.verdict import Spf

# RFC 7208 A.1.
RFC_7208 = {
    "example.com": {
        "A": ["192.0.2.10", "192.0.2.11"],
        "MX": ["10 mail-a.example.com", "20 mail-b.example.com"],
    },
    "amy.example.com": {"A": "192.0.2.65"},
    "bob.example.com": {"A": "192.0.2.66"},
    "mail-a.example.com": {"A": "192.0.2.129"},
    "mail-b.example.com": {"A": "192.0.2.130"},
    "www.example.com": {"CNAME": "example.com"},
    "example.org": {"MX": "10 mail-c.example.org"},
    "mail-c.example.org": {"A": "192.0.2.140"},
    "65.2.0.192.in-addr.arpa": {"PTR": "amy.example.com"},
    "140.2.0.192.in-addr.arpa": {"PTR": "mail-c.example.org"},
    "4.0.0.10.in-addr.arpa": {"PTR": "bob.example.com"},
}


def envelope(
    client: str, sender: str = "alice@example.com", helo: str = "mx.example.net"
) -> Envelope:
    return Envelope(sender, ("bob@example.net",), Client(client, helo))


async def check(policy: SenderPolicy, envelope: Envelope) -> Spf:
    begun = policy.begin(envelope)
    return begun if isinstance(begun, Spf) else await policy.find(begun)


def checked(zone: dict, *args: str, **kwargs: str) -> Spf:
    policy = SenderPolicy(ZoneResolver(Zone(zone)))
    return asyncio.run(check(policy, envelope(*args, **kwargs)))


def published(record: str, zone: dict | None = None) -> dict:
    zone = RFC_7208 if zone is None else zone
    return {**zone, "example.com": {**zone.get("example.com", {}), "TXT": record}}


@pytest.mark.parametrize(
    ("record", "passing", "failing"),
    [
        ("v=spf1 +all", "10.0.0.4", ""),
        ("v=spf1 a -all", "192.0.2.10 192.0.2.11", "192.0.2.12"),
        ("v=spf1 a:example.org -all", "", "192.0.2.10 192.0.2.140"),
        ("v=spf1 mx -all", "192.0.2.129 192.0.2.130", "192.0.2.10"),
        ("v=spf1 mx:example.org -all", "192.0.2.140", "192.0.2.129"),
        ("v=spf1 mx mx:example.org -all", "192.0.2.129 192.0.2.130 192.0.2.140", "192.0.2.10"),
        ("v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.131 192.0.2.143", "192.0.2.132"),
        ("v=spf1 ptr -all", "192.0.2.65", "192.0.2.140 10.0.0.4"),
        ("v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.129", "192.0.2.65"),
    ],
)
def test_the_examples_of_rfc_7208(record, passing, failing):
    clients = passing.split() + failing.split()

    found = {client: checked(published(record), client).verdict for client in clients}

    assert found == {
        **dict.fromkeys(passing.split(), "pass"),
        **dict.fromkeys(failing.split(), "fail"),
    }


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        pytest.param("v=spf1 -all", "fail", id="fail"),
        pytest.param("v=spf1 ~all", "softfail", id="softfail"),
        pytest.param("v=spf1 ?all", "neutral", id="neutral"),
        pytest.param("v=spf1", "neutral", id="nothing matches"),
        pytest.param("v=spf1 ip4:192.0.2.1 -all", "pass", id="pass"),
        pytest.param("v=spf10 -all", "none", id="another version"),
        pytest.param("v=spf1 ip4:192.0.2.999 -all", "permerror", id="no address"),
        pytest.param("v=spf1 nonsense -all", "permerror", id="no mechanism"),
        pytest.param(["v=spf1 -all", "v=spf1 +all"], "permerror", id="two records"),
        pytest.param(["v=spf1 -all", "google-site-verification"], "fail", id="another text"),
        pytest.param("v=spf1 include:nowhere.example -all", "permerror", id="include of nothing"),
        pytest.param("v=spf1 redirect=example.com", "permerror", id="redirect to itself"),
        pytest.param(
            "v=spf1 a:n1.example a:n2.example a:n3.example -all", "permerror", id="void look-ups"
        ),
        pytest.param(
            "v=spf1 " + " ".join(["a:mail-a.example.com"] * 11) + " -all",
            "permerror",
            id="eleven look-ups",
        ),
        pytest.param(
            "v=spf1 " + " ".join(["a:mail-a.example.com"] * 10) + " -all", "fail", id="ten look-ups"
        ),
        pytest.param("v=spf1 exists:%{i}.%{h}.%{d} -all", "fail", id="macros"),
        pytest.param("v=spf1 a:é.example -all", "permerror", id="not ASCII"),
        pytest.param("v=spf1 -all exp=exp.example.com", "fail", id="explanation"),
        pytest.param("v=spf1 REDIRECT=bob.example.com", "permerror", id="a modifier in capitals"),
        pytest.param(
            "v=spf1 -all redirect=amy.example.com Redirect=bob.example.com",
            "permerror",
            id="a modifier twice",
        ),
        pytest.param("v=spf1 future=1 future=2 -all", "fail", id="an unknown modifier twice"),
        pytest.param("v=spf1 future=%x -all", "permerror", id="an unknown modifier's syntax"),
        pytest.param("v=spf1 a:%{d0}.example.com -all", "permerror", id="a macro of no labels"),
        pytest.param("v=spf1 a:%{d2} ?all", "neutral", id="a macro of two labels"),
        pytest.param("v=spf1 a:%%{d0}.example.com -all", "fail", id="a percent sign"),
    ],
)
def test_a_record_gives_its_word(record, verdict):
    assert checked(published(record), "192.0.2.1").verdict == verdict


def test_an_ipv6_client_is_checked():
    zone = {"example.com": {"TXT": "v=spf1 a -all", "AAAA": "2001:db8::1"}}

    assert checked(zone, "2001:db8::1").verdict == "pass"
    assert checked(zone, "2001:db8::2").verdict == "fail"


def test_hosts_that_have_no_address_of_the_clients_kind_are_no_void_look_ups():
    zone = {
        "example.com": {
            "TXT": "v=spf1 mx ip6:2001:db8::1 -all",
            "MX": [f"{number} mx{number}.example.com" for number in range(1, 6)],
        },
        **{f"mx{number}.example.com": {"A": "192.0.2.1"} for number in range(1, 6)},
    }

    assert checked(zone, "2001:db8::1").verdict == "pass"
    assert checked(zone, "2001:db8::2").verdict == "fail"


def test_too_many_hosts_of_an_mx_are_an_error():
    zone = {"example.com": {"TXT": "v=spf1 mx -all", "MX": [f"1 h{n}.example" for n in range(11)]}}

    assert checked(zone, "192.0.2.1").verdict == "permerror"


def test_the_null_sender_is_checked_by_the_name_of_helo():
    zone = {"mx.example.net": {"TXT": "v=spf1 ip4:192.0.2.1 -all"}}

    assert checked(zone, "192.0.2.1", sender="") == Spf(
        "pass", "mx.example.net lets 192.0.2.1 send for it", "mx.example.net"
    )


@pytest.mark.parametrize(
    ("sender", "helo"),
    [
        pytest.param("", "[192.0.2.1]", id="an address literal"),
        pytest.param("", "localhost", id="one label"),
        pytest.param("", "", id="nothing"),
        pytest.param("alice@[192.0.2.1]", "mx.example.net", id="an address literal as sender"),
        pytest.param("alice", "mx.example.net", id="no domain"),
        pytest.param("alice@" + "x" * 300 + ".example", "mx.example.net", id="a long name"),
    ],
)
def test_what_is_no_domain_has_no_policy(sender, helo):
    assert checked({}, "192.0.2.1", sender=sender, helo=helo).verdict == "none"


def test_the_domain_of_a_quoted_sender_is_what_follows_the_last_at():
    zone = {"example.com": {"TXT": "v=spf1 -all"}}

    found = checked(zone, "192.0.2.1", sender='"a@example.org"@Example.COM')

    assert found == Spf("fail", "example.com does not let 192.0.2.1 send for it", "example.com")


def test_a_domain_in_another_script_is_looked_up_by_its_a_label():
    zone = {"xn--bcher-kva.example": {"TXT": "v=spf1 -all"}}

    found = checked(zone, "192.0.2.1", sender="alice@bücher.example")

    assert (found.verdict, found.domain) == ("fail", "xn--bcher-kva.example")


@pytest.mark.parametrize(
    ("zone", "verdict"),
    [
        pytest.param({"example.com": {"fails": "SERVFAIL"}}, "temperror", id="the record"),
        pytest.param(
            {
                "example.com": {"TXT": "v=spf1 include:broken.example +all"},
                "broken.example": {"fails": "SERVFAIL"},
            },
            "temperror",
            id="an include",
        ),
        pytest.param(
            {
                "example.com": {"TXT": "v=spf1 ptr -all"},
                "1.2.0.192.in-addr.arpa": {"silent": True},
            },
            "fail",
            id="a ptr does not match then",
        ),
        pytest.param(
            {
                "example.com": {"TXT": "v=spf1 ptr -all"},
                "1.2.0.192.in-addr.arpa": {"PTR": ["broken.example.com", "sound.example.com"]},
                "broken.example.com": {"fails": "SERVFAIL"},
                "sound.example.com": {"A": "192.0.2.1"},
            },
            "pass",
            id="a name of a ptr is skipped then",
        ),
        pytest.param(
            {
                "example.com": {"TXT": "v=spf1 ptr a:broken.example.com -all"},
                "1.2.0.192.in-addr.arpa": {"PTR": "broken.example.com"},
                "broken.example.com": {"fails": "SERVFAIL"},
            },
            "temperror",
            id="a name of a ptr that is also asked for itself",
        ),
    ],
)
def test_a_name_that_could_not_be_looked_up_is_a_temporary_error(zone, verdict):
    assert checked(zone, "192.0.2.1").verdict == verdict


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        pytest.param("a:x." + "a" * 30_000 + "!", "its records have more than", id="a record"),
        pytest.param("a:x." + "a" * 600 + "!", "a term has more than", id="a term"),
        pytest.param("ip4:10.0.0.1 " * 1_300, "its records have more than", id="many terms"),
    ],
)
def test_a_record_without_end_is_not_read(record, reason):
    found = checked(published(f"v=spf1 {record} -all"), "192.0.2.1")

    assert found.verdict == "permerror"
    assert reason in found.reason


def test_a_long_text_beside_the_record_does_not_matter():
    assert checked(published(["v=spf1 -all", "x" * 30_000]), "192.0.2.1").verdict == "fail"


def test_the_hosts_of_an_mx_are_asked_for_at_once():
    hosts = ("mail-a.example.com", "A"), ("mail-b.example.com", "A")

    class Noting(ZoneResolver):
        """Notes what was foreseen by the time that the address of a host is waited for."""

        by_then: tuple[tuple[str, str], ...] = ()

        async def lookup(self, name: str, record: str) -> Answer:
            if record == "A" and not self.by_then:
                self.by_then = tuple(self.foreseen)
            return await super().lookup(name, record)

    resolver = Noting(Zone(published("v=spf1 mx -all")))

    found = asyncio.run(check(SenderPolicy(resolver), envelope("192.0.2.130")))

    assert found.verdict == "pass"
    assert resolver.by_then[-2:] == hosts


class Slow(ZoneResolver):
    """Takes eleven seconds for an answer."""

    def __init__(self, zone: Zone, clock: "Clock") -> None:
        super().__init__(zone)
        self._clock = clock

    async def lookup(self, name: str, record: str) -> Answer:
        self._clock.now += 11
        return await super().lookup(name, record)


def test_a_check_that_takes_too_long_is_a_temporary_error_that_is_not_kept():
    clock = Clock()
    slow = Slow(Zone(published("v=spf1 a -all")), clock)
    policy = SenderPolicy(slow, clock)

    found = [asyncio.run(check(policy, envelope("192.0.2.10"))) for _ in range(2)]

    assert found == [Spf("temperror", "the look-ups took more than 20 s", "example.com")] * 2
    assert slow.asked[: len(slow.asked) // 2] * 2 == slow.asked


def test_a_hostile_policy_costs_little():
    nested = {
        f"n{number}.example": {
            "TXT": f"v=spf1 include:n{number + 1}.example " + "ip4:10.0.0.1 " * 100 + "mx ?all",
            "MX": [f"10 h{number}-{host}.example" for host in range(10)],
        }
        for number in range(10)
    }
    started = time.process_time()

    found = checked(
        {**nested, "example.com": {"TXT": "v=spf1 include:n0.example -all"}}, "192.0.2.1"
    )

    assert found.verdict == "permerror"
    assert time.process_time() - started < 5


def test_the_text_of_an_explanation_is_never_fetched():
    resolver = ZoneResolver(
        Zone({"example.com": {"TXT": "v=spf1 a:b.example.com -all exp=exp.example.com"}})
    )

    asyncio.run(check(SenderPolicy(resolver), envelope("192.0.2.1")))

    assert ("exp.example.com", "TXT") not in resolver.asked


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def asked(zone: dict, *envelopes: Envelope, pause: float = 0) -> list[int]:
    """How often the DNS was asked for each of these, one after the other."""

    async def work() -> list[int]:
        counts = []
        clock = Clock()
        resolver = ZoneResolver(Zone(zone))
        policy = SenderPolicy(resolver, clock)
        for each in envelopes:
            before = len(resolver.asked)
            await check(policy, each)
            counts.append(len(resolver.asked) - before)
            clock.now += pause
        return counts

    return asyncio.run(work())


SHORT = {"example.com": {"TXT": "v=spf1 a -all"}, "b.example": {"TXT": "v=spf1 -all"}}


def test_a_verdict_is_kept_for_the_client_the_domain_and_the_name_of_helo():
    counts = asked(
        SHORT,
        envelope("192.0.2.1"),
        envelope("192.0.2.1", sender="carol@EXAMPLE.com", helo="MX.example.net"),
        envelope("192.0.2.2"),
        envelope("192.0.2.1", helo="other.example.net"),
        envelope("192.0.2.1", sender="alice@b.example"),
    )

    assert counts == [2, 0, 2, 2, 1]


def test_a_verdict_is_kept_no_longer_than_the_shortest_of_its_records():
    zone = {"example.com": {"TXT": "v=spf1 a:a.example -all"}, "a.example": {"A": "::", "ttl": 60}}
    zone["a.example"]["A"] = "192.0.2.9"

    assert asked(zone, *[envelope("192.0.2.1")] * 3, pause=59) == [2, 0, 2]


@pytest.mark.parametrize("macro", ["%{l}", "%{S}"])
def test_a_verdict_for_one_local_part_is_not_the_next_ones(macro):
    zone = {"example.com": {"TXT": f"v=spf1 exists:{macro}.allowed.example -all"}}

    assert asked(zone, envelope("192.0.2.1"), envelope("192.0.2.1")) == [2, 2]


def test_a_temporary_error_is_not_kept():
    zone = {"example.com": {"fails": "SERVFAIL"}}

    assert asked(zone, envelope("192.0.2.1"), envelope("192.0.2.1")) == [1, 1]


def test_two_checks_at_once_do_not_mix():
    zone = {
        f"d{number}.example": {"TXT": f"v=spf1 ip4:192.0.2.{number} -all"} for number in range(20)
    }

    async def work() -> list[Spf]:
        policy = SenderPolicy(ZoneResolver(Zone(zone)))
        return await asyncio.gather(
            *(check(policy, envelope("192.0.2.7", f"a@d{number}.example")) for number in range(20))
        )

    passing = [found.domain for found in asyncio.run(work()) if found.verdict == "pass"]

    assert passing == ["d7.example"]


words = st.sampled_from(
    [
        "a",
        "mx",
        "ptr",
        "all",
        "include:",
        "exists:",
        "redirect=",
        "exp=",
        "ip4:",
        "ip6:",
        "/",
        "//",
        "-",
        "~",
        "?",
        "+",
        ":",
        "=",
        "%",
        "%{i}",
        "%{l}",
        "%{d2r}",
        "%{p}",
        "%{",
        "example.com",
        "192.0.2.1",
        "::1",
        "/24",
        "\x00",
        "é",
    ]
)


@given(st.lists(st.lists(words, max_size=4).map("".join), max_size=6).map(" ".join))
def test_no_record_makes_it_raise(record):
    found = checked(published(f"v=spf1 {record}"), "192.0.2.1", sender="a.b-c@example.com")

    assert found.domain == "example.com"


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_sender_makes_it_raise(sender, helo):
    checked({}, "192.0.2.1", sender=sender, helo=helo)
