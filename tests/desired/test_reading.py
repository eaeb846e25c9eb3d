import gc
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

import pytest

from desired.desired import (
    Controller,
    Desired,
    Dns,
    Hook,
    Http,
    Limits,
    Log,
    Metrics,
    Outbound,
    Policy,
    SelfService,
    ServerUsers,
    Smtp,
    Tls,
)
from desired.manifest import Reading
from desired.names import Domain, Glob, HookName
from desired.problem import Problem, Source, Where
from desired.quantities import Endpoint

Read = Callable[..., Reading]
Wrong = Callable[..., tuple[Problem, ...]]

OWNED = 'owner = "alice"\n'


def test_every_default_is_resolved(reading: Read) -> None:
    desired = reading('domains = ["a.com", "b.com"]').desired

    assert [str(domain.name) for domain in desired.domains] == ["a.com", "b.com"]
    assert desired.default_domain == Domain("a.com")
    assert desired.smtp == Smtp(hostname=Domain("a.com"))
    assert desired.policy.self_service.domains == (Domain("a.com"),)
    assert desired.metrics.bind == Endpoint("127.0.0.1", 9025)


def test_what_nobody_sets_is_as_documented(reading: Read) -> None:
    desired = reading('domains = ["a.com"]\n[mailboxes."x@a.com"]\n' + OWNED).desired

    assert desired.smtp == Smtp(
        hostname=Domain("a.com"),
        bind=(Endpoint("0.0.0.0", 25), Endpoint("::", 25)),
        workers=None,
        max_message_size=25 * 1024 * 1024,
        max_text_line=64 * 1024,
        max_command_line=1024,
        max_errors=20,
        max_recipients=100,
        max_connections=100,
        max_connections_per_ip=10,
        idle_timeout=timedelta(seconds=300),
        data_timeout=timedelta(seconds=600),
        subaddress="+",
        dmarc="record",
        keep_raw=False,
    )
    assert desired.tls == Tls(mode="self-signed", cert=None, key=None)
    assert desired.outbound == Outbound(
        mode="direct",
        port=25,
        relay=None,
        relay_password=None,
        timeout=timedelta(seconds=60),
        max_age=timedelta(days=2),
    )
    assert desired.dns == Dns(resolvers=(), timeout=timedelta(seconds=5))
    assert desired.http == Http(
        bind=(Endpoint("127.0.0.1", 8025),),
        acl=(),
        rate_per_minute=60,
        trusted_proxies=(),
        pair_scheme="posta",
    )
    assert desired.controller == Controller(
        debounce=timedelta(milliseconds=100),
        resync=timedelta(minutes=5),
        auto_apply="safe",
        source=None,
        signers=None,
    )
    assert desired.policy == Policy(
        self_service=SelfService(domains=(Domain("a.com"),), enabled=True, max_per_owner=50),
        drift="repair",
        max_removals=5,
        tombstone_retention=None,
        max_signature_age=timedelta(days=7),
        keep_generations=50,
    )
    assert desired.limits == Limits(
        sends_per_day=500, new_recipients_per_day=100, replies_per_thread_per_hour=10
    )
    assert desired.metrics == Metrics(bind=Endpoint("127.0.0.1", 9025))
    assert desired.log == Log(level="info", format=None)
    assert desired.users == ServerUsers(
        inbound="aimx-in", outbound="aimx-out", http="aimx-http", git="aimx-git"
    )
    assert (desired.enable_ipv6, desired.verify_host, desired.data_dir) == (False, None, None)
    (domain,) = desired.domains
    assert (domain.trust, domain.trusted_senders, domain.signature) == ("none", (), "")
    assert (str(domain.selector), domain.algorithms) == ("aimx", ("rsa-sha256",))
    assert (domain.rotate_every, domain.protect) == (None, None)
    mailbox = desired.mailboxes["x@a.com"]
    assert (mailbox.aliases, mailbox.allow_root_catchall, mailbox.protect) == ((), False, None)


LAYERS = """
domains = ["a.com", "b.com", "c.com"]
trust = "verified"
trusted_senders = ["*@top.example"]
signature = "top"
dkim_selector = "top"
[domain."B.com"]
trust = "none"
trusted_senders = []
signature = ""
dkim_selector = "b"
[domain."c.com"]
trusted_senders = ["*@c.example"]
[mailboxes."x@a.com"]
owner = "alice"
[mailboxes."x@b.com"]
owner = "alice"
[mailboxes."y@b.com"]
owner = "alice"
trust = "verified"
trusted_senders = ["*@y.example"]
[mailboxes."x@c.com"]
owner = "alice"
[mailboxes."y@c.com"]
owner = "alice"
trusted_senders = []
"""


@pytest.mark.parametrize(
    ("mailbox", "trust", "senders"),
    [
        pytest.param("x@a.com", "verified", ["*@top.example"], id="top"),
        pytest.param("x@b.com", "none", [], id="a domain's empty list replaces the top's"),
        pytest.param("y@b.com", "verified", ["*@y.example"], id="a mailbox replaces its domain"),
        pytest.param("x@c.com", "verified", ["*@c.example"], id="each setting by itself"),
        pytest.param("y@c.com", "verified", [], id="a mailbox's empty list is set"),
    ],
)
def test_the_nearest_layer_replaces_the_others(
    reading: Read, mailbox: str, trust: str, senders: list[str]
) -> None:
    found = reading(LAYERS).desired.mailboxes[mailbox]

    assert (found.trust, found.trusted_senders) == (trust, tuple(map(Glob, senders)))


def test_a_domain_replaces_signature_and_selector(reading: Read) -> None:
    domains = reading(LAYERS).desired.domains

    assert [(d.signature, str(d.selector)) for d in domains] == [
        ("top", "top"),
        ("", "b"),
        ("top", "top"),
    ]


@pytest.mark.parametrize(
    "older",
    [
        pytest.param('domain = "A.com"\n[mailboxes.info]\n' + OWNED, id="a local part for a key"),
        pytest.param(
            'domain = "a.com"\n[mailboxes.friendly]\naddress = "info@A.com"\n' + OWNED,
            id="a key of its own",
        ),
        pytest.param(
            'domains = ["a.com"]\n[mailboxes."info@a.com"]\naddress = "info@A.com"\n' + OWNED,
            id="the address said twice",
        ),
        pytest.param(
            '\ufeffdomains = ["a.com"]\r\n[mailboxes."info@a.com"]\r\nowner = "alice"\r\n',
            id="byte order mark and CRLF",
        ),
    ],
)
def test_an_older_shape_means_the_same(reading: Read, older: str) -> None:
    canonical = 'domains = ["a.com"]\n[mailboxes."info@a.com"]\n' + OWNED

    assert reading(older).desired == reading(canonical).desired


def test_fragments_are_one_manifest_with_what_they_add_to(reading: Read) -> None:
    boxes = f'[mailboxes."x@a.com"]\n{OWNED}[mailboxes."x@b.com"]\n{OWNED}'
    whole = reading('domains = ["a.com", "b.com"]\n' + boxes).desired

    split = reading(
        f'domains = ["a.com"]\n[mailboxes."x@a.com"]\n{OWNED}',
        f'domains = ["b.com"]\n[mailboxes."x@b.com"]\n{OWNED}',
    ).desired

    assert split == whole
    assert split.digest != whole.digest
    assert split.where("mailboxes", "x@b.com") == Where("manifest1.toml", 2, 12)
    assert split.where("domains", "b.com") == Where("manifest1.toml", 1, 12)


def test_the_digest_is_of_names_and_bytes() -> None:
    from desired.layers import digest

    one, other = Source("a", b"bc"), Source("ab", b"c")

    assert len(digest((one,))) == sha256().digest_size * 2
    assert len({digest(()), digest((one,)), digest((other,)), digest((one, other))}) == 4


def hooked(desired: Desired) -> tuple[Hook, ...]:
    return desired.mailboxes["x@a.com"].hooks


HOOK = """
domains = ["a.com"]
[mailboxes."x@a.com"]
owner = "alice"
[[mailboxes."x@a.com".hooks]]
event = "on_receive"
cmd = ["/bin/echo", "a b"]
"""


def test_a_hook_without_a_name_is_named_by_what_it_does(reading: Read) -> None:
    digest = sha256(b"on_receive\x1f/bin/echo\x1fa b\x1f\x00").hexdigest()
    trusting = sha256(b"on_receive\x1f/bin/echo\x1fa b\x1f\x01").hexdigest()

    (hook,) = hooked(reading(HOOK).desired)
    (fires,) = hooked(reading(HOOK + 'type = "cmd"\nfire_on_untrusted = true').desired)
    (named,) = hooked(reading(HOOK + 'name = "echo"').desired)

    assert hook == Hook(HookName(digest[:12]), "on_receive", ("/bin/echo", "a b"))
    assert (str(fires.name), str(named.name)) == (trusting[:12], "echo")


def test_two_unnamed_hooks_that_do_the_same_need_names(wrong: Wrong) -> None:
    second = HOOK.replace('domains = ["a.com"]', "").replace("x@a.com", "y@a.com")

    found = [problem for problem in wrong(HOOK + second) if problem.code == "duplicate"]

    assert [problem.hint for problem in found] == [
        "the first stands at manifest.toml:5:23; give each its own `name`"
    ]


def test_an_owner_who_does_not_exist_is_a_warning(reading: Read) -> None:
    asked: list[str] = []

    def exists(owner: str) -> bool:
        asked.append(owner)
        return owner != "bob"

    manifest = (
        'domains = ["a.com"]\n[mailboxes."postmaster@a.com"]\nowner = "alice"\n'
        '[mailboxes."b@a.com"]\nowner = "bob"\n[mailboxes."c@a.com"]\nowner = "bob"\n'
        '[mailboxes."*@a.com"]\nowner = "aimx-catchall"\n'
    )

    warnings = reading(manifest, owner_exists=exists).warnings

    assert [(warning.code, warning.where.line) for warning in warnings] == [
        ("owner-missing", 5),
        ("owner-missing", 7),
    ]
    assert asked == ["alice", "bob"]


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        pytest.param(("mailboxes", "info@a.com"), 5, 12, id="a key without its domain"),
        pytest.param(("mailboxes", "x@b.com"), 7, 12, id="a key in another case"),
        pytest.param(("domain", "b.com"), 3, 9, id="an override in another case"),
        pytest.param(("domains", "b.com"), 2, 3, id="a listed domain"),
        pytest.param(("mailboxes", "x@b.com", "owner"), 8, 1, id="below a key in another case"),
    ],
)
def test_what_is_desired_knows_its_line(
    reading: Read, path: tuple[str, ...], line: int, column: int
) -> None:
    manifest = (
        'domains = ["a.com",\n  "B.com"]\n[domain."B.com"]\ntrust = "none"\n'
        '[mailboxes.info]\nowner = "alice"\n[mailboxes."x@B.com"]\nowner = "alice"\n'
    )

    assert reading(manifest).desired.where(*path) == Where("manifest.toml", line, column)


def test_what_nobody_wrote_has_no_line(reading: Read) -> None:
    assert reading('domains = ["a.com"]').desired.where("smtp", "bind") is None


def test_reading_leaves_the_collector_as_it_was(reading: Read, wrong: Wrong) -> None:
    reading('domains = ["a.com"]')
    wrong("domains = [")

    assert gc.isenabled()


def test_a_pattern_that_matches_nothing_is_a_warning(wrong: Wrong) -> None:
    problems = wrong('domains = ["a.com"]\ntrusted_senders = ["*", "b.com", "*@b.com"]\n')

    assert [p.hint for p in problems if p.code == "pattern-never-matches"] == [
        "write '*@*'",
        "write '*@b.com'",
    ]


@pytest.mark.parametrize("address", ["postmaster@a.com", "*@a.com"])
def test_a_postmaster_or_a_catchall_reads_the_postmasters_mail(wrong: Wrong, address: str) -> None:
    assert not wrong(f'domains = ["a.com", "b.com"]\n[mailboxes."{address}"]\n{OWNED}')


def test_no_file_at_all_is_a_problem(wrong: Wrong) -> None:
    assert [problem.code for problem in wrong()] == ["no-manifest"]


def test_a_problem_of_a_whole_file_names_the_file() -> None:
    problem = Problem.of_file("manifest.d", "unreadable", "it is a directory", "name a file")

    assert str(problem) == "manifest.d: error: it is a directory [unreadable]"


@pytest.mark.parametrize(
    ("manifest", "line", "column"),
    [
        pytest.param('[mailboxes."x@a.com"]', 3, 12, id="as it is usually written"),
        pytest.param("[ mailboxes . 'x@a.com' ]", 3, 15, id="with spaces and other quotes"),
        pytest.param('[mailboxes."\\u0078@a.com"]', 3, 12, id="with an escape"),
        pytest.param('# [mailboxes."x@a.com"]\n[mailboxes."x@a.com"]', 4, 12, id="below a comment"),
        pytest.param(
            'signature = """\n[mailboxes."x@a.com"]\n"""\n[mailboxes."x@a.com"]',
            6,
            12,
            id="below a string that looks like it",
        ),
    ],
)
def test_a_mailbox_is_found_by_its_header(
    reading: Read, manifest: str, line: int, column: int
) -> None:
    whole = f'domains = ["a.com"]\ntrust = "none"\n{manifest}\nowner = "bob"\n'

    assert reading(whole).desired.where("mailboxes", "x@a.com") == Where(
        "manifest.toml", line, column
    )
