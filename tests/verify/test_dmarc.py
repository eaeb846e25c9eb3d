import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.testing.zone import Zone, ZoneResolver
from aimx.verify import dmarc, policy
from aimx.verify.organization import Walk, Walks, targets
from aimx.verify.policy import PolicyRecord
from aimx.verify.verdict import Dmarc, Signature, Spf

NO_SPF = Spf("none", "", "example.com")
BROKEN = {"fails": "SERVFAIL"}


def zone(**records: str) -> dict:
    """Policy records by domain, whose dots are written as two underscores."""
    return {f"_dmarc.{name.replace('__', '.')}": {"TXT": text} for name, text in records.items()}


def resolver(table: dict) -> ZoneResolver:
    return ZoneResolver(Zone(table))


def walked(domain: str, asked: ZoneResolver) -> Walk:
    return asyncio.run(Walks(asked).of(domain))


def judged(
    table: dict, domain: str, *signers: str, spf: Spf = NO_SPF, verdict: str = "pass"
) -> Dmarc:
    dkim = [Signature(signer, "s", verdict, "") for signer in signers]
    return asyncio.run(dmarc.judge(domain, spf, dkim, Walks(resolver(table))))


@pytest.mark.parametrize(
    ("texts", "record"),
    [
        pytest.param(["v=DMARC1; p=reject"], ("reject", "reject", "reject"), id="p"),
        pytest.param(["v=DMARC1; p=reject; sp=none"], ("reject", "none", "none"), id="sp"),
        pytest.param(
            ["v=DMARC1; p=none; sp=quarantine; np=reject"],
            ("none", "quarantine", "reject"),
            id="np",
        ),
        pytest.param(["v=DMARC1;p=none;np=reject;"], ("none", "none", "reject"), id="np alone"),
        pytest.param([" V = DMARC1 ; P = Reject"], ("reject",) * 3, id="blanks and case"),
        pytest.param(["v=DMARC1"], ("none",) * 3, id="no p"),
        pytest.param(["v=DMARC1; p=perhaps"], ("",) * 3, id="p is no policy"),
        pytest.param(
            ["v=DMARC1; p=perhaps; rua=mailto:a@example.com"], ("none",) * 3, id="but wants reports"
        ),
        pytest.param(["v=DMARC1; p=reject; sp=x"], ("",) * 3, id="sp is no policy"),
        pytest.param(["v=DMARC1; p=reject; t=y"], ("quarantine",) * 3, id="testing reject"),
        pytest.param(["v=DMARC1; p=quarantine; t=y"], ("none",) * 3, id="testing quarantine"),
        pytest.param(["v=DMARC1; p=reject; x; =; pct=0"], ("reject",) * 3, id="what is no tag"),
        pytest.param(["v=spf1 -all", "v=DMARC1; p=none"], ("none",) * 3, id="another text"),
    ],
)
def test_a_record_says_what_it_asks_for(texts, record):
    found = policy.read(text.encode() for text in texts)

    assert found is not None
    assert (found.domain, found.subdomains, found.nonexistent) == record


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([], id="none"),
        pytest.param(["v=dmarc1; p=none"], id="case of the version"),
        pytest.param(["v=DMARC10; p=none"], id="another version"),
        pytest.param(["p=none; v=DMARC1"], id="the version is not first"),
        pytest.param(["v=DMARC1; p=none", "v=DMARC1; p=reject"], id="two"),
    ],
)
def test_what_is_not_one_record_is_none(texts):
    assert policy.read(text.encode() for text in texts) is None


def test_the_other_tags_are_read():
    found = policy.read([b"v=DMARC1; p=none; adkim=S; aspf=s; psd=Y"])

    assert found == PolicyRecord("none", "none", "none", psd="y", strict_dkim=True, strict_spf=True)


@given(st.lists(st.binary(max_size=40), max_size=3))
def test_no_text_makes_it_raise(texts):
    policy.read([b"v=DMARC1;" + text for text in texts])
    policy.read(texts)


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("example.com", "example.com com"),
        ("a.b.example.com", "a.b.example.com b.example.com example.com com"),
        (
            "1.2.3.4.5.6.7.8",
            "1.2.3.4.5.6.7.8 2.3.4.5.6.7.8 3.4.5.6.7.8 4.5.6.7.8 5.6.7.8 6.7.8 7.8 8",
        ),
        (
            "x.y.z.1.2.3.4.5.6.7.8",
            "x.y.z.1.2.3.4.5.6.7.8 2.3.4.5.6.7.8 3.4.5.6.7.8 4.5.6.7.8 5.6.7.8 6.7.8 7.8 8",
        ),
    ],
)
def test_a_walk_visits_eight_names_at_most(domain, names):
    assert list(targets(domain)) == names.split()


@pytest.mark.parametrize(
    ("table", "domain", "organization"),
    [
        pytest.param({}, "a.example.com", "a.example.com", id="no record at all"),
        pytest.param(zone(example__com="v=DMARC1"), "a.example.com", "example.com", id="above"),
        pytest.param(
            zone(a__example__com="v=DMARC1", example__com="v=DMARC1"),
            "a.example.com",
            "example.com",
            id="the topmost",
        ),
        pytest.param(
            zone(a__example__com="v=DMARC1; psd=n", example__com="v=DMARC1"),
            "b.a.example.com",
            "a.example.com",
            id="psd=n ends the walk",
        ),
        pytest.param(
            zone(co__example="v=DMARC1; psd=y", a__co__example="v=DMARC1"),
            "b.a.co.example",
            "a.co.example",
            id="one below psd=y",
        ),
        pytest.param(
            zone(co__example="v=DMARC1; psd=y"), "b.a.co.example", "a.co.example", id="psd=y alone"
        ),
        pytest.param(
            zone(co__example="v=DMARC1; psd=y"), "co.example", "co.example", id="psd=y itself"
        ),
        pytest.param(
            zone(example="v=DMARC1; p=reject"),
            "b.a.example",
            "a.example",
            id="a top-level domain is nobody's organization",
        ),
    ],
)
def test_a_walk_finds_the_organization(table, domain, organization):
    assert walked(domain, resolver(table)).organization == organization


def test_a_walk_that_could_not_look_does_not_know_the_organization():
    found = walked("a.example.com", resolver({"_dmarc.example.com": BROKEN}))

    assert found.organization is None


def test_a_walk_ends_at_a_domain_that_says_it_is_the_organization():
    asked = resolver({**zone(example__com="v=DMARC1; psd=n"), "_dmarc.com": BROKEN})

    found = walked("example.com", asked)

    assert (found.organization, len(asked.asked)) == ("example.com", 1)


@pytest.mark.parametrize(
    ("table", "counts"),
    [
        pytest.param({"_dmarc.example.com": {"TXT": "v=DMARC1", "ttl": 60}}, [2, 0, 2], id="found"),
        pytest.param({"_dmarc.com": BROKEN}, [2, 2, 2], id="could not look"),
    ],
)
def test_a_walk_is_remembered_no_longer_than_the_shortest_of_its_answers(table, counts):
    asked = resolver(table)

    async def work() -> list[int]:
        now = [0.0]
        walks = Walks(asked, lambda: now[0])
        found = []
        for now[0] in (0, 59, 118):
            before = len(asked.asked)
            await walks.of("example.com")
            found.append(len(asked.asked) - before)
        return found

    assert asyncio.run(work()) == counts


REJECT = zone(example__com="v=DMARC1; p=reject")


@pytest.mark.parametrize(
    ("domain", "signers", "verdict"),
    [
        pytest.param("example.com", ["example.com"], "pass", id="the author's domain"),
        pytest.param("example.com", ["a.example.com"], "pass", id="one below"),
        pytest.param("a.example.com", ["example.com"], "pass", id="one above"),
        pytest.param("a.example.com", ["b.example.com"], "pass", id="one beside"),
        pytest.param("example.com", ["example.org"], "fail", id="another"),
        pytest.param("example.com", ["badexample.com"], "fail", id="one that ends alike"),
        pytest.param("example.com", ["example.org", "example.com"], "pass", id="one of two"),
        pytest.param("example.com", [], "fail", id="nobody"),
    ],
)
def test_a_signature_of_the_same_organization_is_enough(domain, signers, verdict):
    assert judged(REJECT, domain, *signers).verdict == verdict


def test_what_was_found_out_is_told():
    assert judged(REJECT, "a.example.com", "b.example.com") == Dmarc(
        "pass", "reject", "DKIM passes for b.example.com", "example.com"
    )


@pytest.mark.parametrize(
    ("tags", "signer", "verdict"),
    [
        ("adkim=s", "example.com", "pass"),
        ("adkim=s", "a.example.com", "fail"),
        ("aspf=s", "a.example.com", "pass"),
    ],
)
def test_strict_alignment_of_dkim_is_equality(tags, signer, verdict):
    table = zone(example__com=f"v=DMARC1; p=none; {tags}")

    assert judged(table, "example.com", signer).verdict == verdict


@pytest.mark.parametrize(
    ("tags", "sender", "word", "verdict"),
    [
        ("", "example.com", "pass", "pass"),
        ("", "bounce.example.com", "pass", "pass"),
        ("aspf=s", "bounce.example.com", "pass", "fail"),
        ("", "example.org", "pass", "fail"),
        ("", "example.com", "softfail", "fail"),
        ("", "example.com", "temperror", "temperror"),
        ("", "example.org", "temperror", "fail"),
    ],
)
def test_spf_counts_for_the_domain_that_it_checked(tags, sender, word, verdict):
    table = zone(example__com=f"v=DMARC1; p=none; {tags}")

    assert judged(table, "example.com", spf=Spf(word, "", sender)).verdict == verdict


@pytest.mark.parametrize(
    ("record", "domain", "names", "requested"),
    [
        pytest.param("p=none; sp=reject", "example.com", {}, "none", id="the domain itself"),
        pytest.param("p=none; sp=reject", "a.example.com", {}, "reject", id="below it"),
        pytest.param(
            "p=none; sp=quarantine; np=reject",
            "a.example.com",
            {"a.example.com": {"TXT": "here"}},
            "quarantine",
            id="below it, and it exists",
        ),
        pytest.param(
            "p=none; sp=quarantine; np=reject", "a.example.com", {}, "reject", id="it does not"
        ),
    ],
)
def test_the_policy_is_the_one_for_such_a_domain(record, domain, names, requested):
    table = {**zone(example__com=f"v=DMARC1; {record}"), **names}

    assert judged(table, domain).policy == requested


@pytest.mark.parametrize(
    ("policies", "signer", "verdict", "requested"),
    [
        pytest.param("sp=none; np=reject", None, "temperror", "", id="it decides"),
        pytest.param("sp=reject; np=none", None, "temperror", "", id="it decides otherwise"),
        pytest.param("sp=reject; np=reject", None, "fail", "reject", id="it decides nothing"),
        pytest.param("sp=none; np=reject", "a.example.com", "pass", "", id="nobody asks"),
    ],
)
def test_a_policy_is_not_guessed_where_nobody_knows_whether_the_domain_exists(
    policies, signer, verdict, requested
):
    table = {**zone(example__com=f"v=DMARC1; {policies}"), "a.example.com": BROKEN}

    found = judged(table, "a.example.com", *filter(None, [signer]))

    assert (found.verdict, found.policy) == (verdict, requested)


def test_a_public_suffix_may_speak_for_those_who_do_not():
    table = zone(example="v=DMARC1; p=none; np=reject; psd=y")

    assert judged(table, "nobody.example") == Dmarc(
        "fail", "reject", "neither SPF nor DKIM passes for nobody.example", "nobody.example"
    )


@pytest.mark.parametrize(
    ("table", "verdict"),
    [
        pytest.param({}, "none", id="no record"),
        pytest.param(zone(example__com="v=DMARC1; p=x"), "none", id="a record that asks nothing"),
        pytest.param({"_dmarc.example.com": BROKEN}, "temperror", id="no answer"),
    ],
)
def test_without_a_policy_there_is_no_verdict(table, verdict):
    assert judged(table, "example.com", "example.com").verdict == verdict


@pytest.mark.parametrize(
    ("table", "signer", "word", "verdict"),
    [
        pytest.param({}, "example.com", "temperror", "temperror", id="the key"),
        pytest.param({}, "example.org", "temperror", "fail", id="the key of a stranger"),
        pytest.param(
            {"_dmarc.b.example.com": BROKEN}, "b.example.com", "pass", "temperror", id="its walk"
        ),
        pytest.param({"_dmarc.com": BROKEN}, "b.example.com", "pass", "temperror", id="our walk"),
        pytest.param({"_dmarc.com": BROKEN}, "example.com", "pass", "pass", id="no walk needed"),
    ],
)
def test_what_could_not_be_looked_up_is_never_a_failure(table, signer, word, verdict):
    found = judged({**REJECT, **table}, "example.com", signer, verdict=word)

    assert found.verdict == verdict


def test_a_domain_in_another_script_is_looked_up_by_its_a_label():
    table = zone(**{"xn--bcher-kva__example": "v=DMARC1; p=reject"})

    assert judged(table, "bücher.example", "xn--bcher-kva.example").verdict == "pass"


@given(st.text(max_size=40))
def test_no_domain_makes_it_raise(domain):
    judged({}, domain, "example.com")
