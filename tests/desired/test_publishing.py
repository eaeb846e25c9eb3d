"""The DNS records of a domain, and whether what is published says the same."""

import pytest

from aimx.outbound.sign import Signer
from desired import manifest
from desired.names import Domain
from desired.problem import Source
from desired.publishing import DnsRecord, of_key, of_mail, of_policy
from reconcilers.host.keys import new_private_key
from reconcilers.signing import public_pem

MX = DnsRecord("MX", "b.example", "MX", "10 mail.example.com.")
SPF = DnsRecord("SPF", "b.example", "TXT", "v=spf1 mx -all")
DKIM = DnsRecord("DKIM", "s._domainkey.b.example", "TXT", "v=DKIM1; k=rsa; p=AAAA")
DMARC = DnsRecord("DMARC", "_dmarc.b.example", "TXT", "v=DMARC1; p=reject")


def desired(rest=""):
    text = f'domains = ["example.com", "b.example"]\n{rest}'
    return manifest.read([Source("manifest.toml", text.encode())]).desired


@pytest.mark.parametrize(
    ("record", "values", "is_there"),
    [
        pytest.param(MX, ["10 mail.example.com"], True, id="mx"),
        pytest.param(MX, ["5 other.example", "20 MAIL.example.com."], True, id="mx-second"),
        pytest.param(MX, ["10 other.example"], False, id="mx-elsewhere"),
        pytest.param(MX, [], False, id="mx-none"),
        pytest.param(SPF, ["anything", "V=SPF1 include:c.example MX ~all"], True, id="spf-other"),
        pytest.param(SPF, ["v=spf1 include:c.example -all"], False, id="spf-without-us"),
        pytest.param(SPF, ["v=spf1 mx -all", "v=spf1 mx ~all"], False, id="spf-twice"),
        pytest.param(SPF, ["v=spf10 mx -all"], False, id="spf-of-another-version"),
        pytest.param(DKIM, ["v=DKIM1;k=rsa;  p=AA AA;"], True, id="dkim-spaced"),
        pytest.param(DKIM, ["v=DKIM1; k=rsa; p=AAAB"], False, id="dkim-another"),
        pytest.param(DMARC, ["v=DMARC1; p=none"], True, id="dmarc-decided"),
        pytest.param(DMARC, ["v=spf1 mx -all"], False, id="dmarc-none"),
        pytest.param(DMARC, ["v=DMARC1; p=none", "v=DMARC1; p=reject"], False, id="dmarc-twice"),
    ],
)
def test_what_is_published_is_recognised(record, values, is_there) -> None:
    assert record.is_among(values) is is_there


def test_a_long_text_is_split_as_a_zone_file_has_it() -> None:
    record = DnsRecord("DKIM", "a.example", "TXT", "x" * 300)

    assert record.line() == f'a.example. TXT ("{"x" * 255}" "{"x" * 45}")'
    assert SPF.line() == 'b.example. TXT "v=spf1 mx -all"'
    assert MX.line() == "b.example. MX 10 mail.example.com."


def test_mail_of_every_domain_comes_to_the_one_host_that_answers() -> None:
    named = desired('[smtp]\nhostname = "mail.example.com"\n')

    assert list(of_mail(Domain.parse("b.example"), named)) == [MX, SPF]


def test_a_relay_may_send_for_the_domain() -> None:
    relayed = desired('[outbound]\nrelay = "relay.example.net:25"\n')

    spf = list(of_mail(Domain.parse("b.example"), relayed))[1]

    assert spf.value == "v=spf1 mx a:relay.example.net -all"


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ed25519-sha256"])
def test_a_keys_record_is_what_its_signatures_are_checked_by(algorithm) -> None:
    private = new_private_key(algorithm)

    record = of_key("b.example", "s", algorithm, public_pem(private, algorithm))

    assert (record.name, record.value) == (
        "s._domainkey.b.example",
        Signer(private, "s", "b.example").record,
    )


@pytest.mark.parametrize(
    ("box", "value"),
    [
        ("postmaster@b.example", "v=DMARC1; p=reject; rua=mailto:postmaster@b.example"),
        ("*@b.example", "v=DMARC1; p=reject; rua=mailto:postmaster@b.example"),
        ("info@b.example", "v=DMARC1; p=reject"),
    ],
)
def test_reports_go_to_a_postmaster_whom_there_is(box, value) -> None:
    declared = desired(f'[mailboxes."{box}"]\nowner = "alice"\n')

    assert of_policy(Domain.parse("b.example"), declared).value == value
