from collections.abc import Callable
from operator import or_
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from desired.engine_config import Header, body, headed, header, is_whole, render
from desired.manifest import Reading, read
from desired.problem import Source
from desired.restored import restored

Read = Callable[..., Reading]

DOMAINS = ("a.com", "b.example", "xn--mnchen-3ya.de")
texts = st.text(st.characters(codec="utf-8"), max_size=12)
trusts = st.sampled_from(["none", "verified"])
globs = st.lists(st.sampled_from(["*@a.com", "bob@*", "x?@b.example"]), max_size=2)
durations = st.sampled_from(["0s", "90s", "1500ms", "36h", "7d"])
networks = st.lists(st.sampled_from(["10.1.2.3/8", "::1", "192.0.2.1"]), max_size=2)
endpoints = st.sampled_from(["127.0.0.1:0", "[::0001]:2525", "localhost:25"])
counts = st.integers(1, 10**6)
users = st.sampled_from(["alice", "_b-1", "host$"])


def table(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


overrides = table(
    trust=trusts,
    trusted_senders=globs,
    signature=texts,
    dkim_selector=st.sampled_from(["s2025", "a.b"]),
    dkim=table(algorithms=st.just(["rsa-sha256", "ed25519-sha256"]), rotate_every=durations),
)
hooks = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["on_receive", "after_send"]),
        "cmd": st.lists(texts.map(lambda text: "/" + text.replace("\0", "")), min_size=1),
    },
    optional={"timeout_secs": st.integers(1, 600)},
)
limits = table(sends_per_day=counts, new_recipients_per_day=counts)
mailboxes = st.fixed_dictionaries(
    {"owner": users},
    optional={
        "trust": trusts,
        "trusted_senders": globs,
        "limits": limits,
        "hooks": st.lists(hooks, max_size=1),
    },
)
catchalls = st.fixed_dictionaries(
    {"owner": st.just("root"), "allow_root_catchall": st.just(value=True)}
)
identities = st.fixed_dictionaries(
    {"name": texts},
    optional={
        "mailboxes": st.just(["info"]),
        "webhook": st.just({"url": "https://hook.example/x", "events": ["sent"]}),
    },
)
relays = st.sampled_from(
    [
        {},
        {"relay": "[::1]:2525"},
        {"relay": "smtps://u%40x@h.example", "relay_password": "env:RELAY"},
    ]
)
manifests = st.fixed_dictionaries(
    {"domains": st.permutations(DOMAINS)},
    optional={
        "trust": trusts,
        "trusted_senders": globs,
        "signature": texts,
        "enable_ipv6": st.booleans(),
        "verify_host": texts,
        "data_dir": st.just("/srv/mail"),
        "domain": st.dictionaries(st.sampled_from(DOMAINS), overrides),
        "mailboxes": st.dictionaries(
            st.sampled_from(["info", "x@b.example", "x'y@a.com"]), mailboxes
        ),
        "identities": st.dictionaries(st.just("alice"), identities),
        "smtp": table(
            hostname=st.just("mx.a.com"),
            bind=st.lists(endpoints, min_size=1, max_size=2),
            workers=st.integers(1, 8),
            max_message_size=st.sampled_from([1000, "25MiB"]),
            idle_timeout=durations,
            subaddress=st.sampled_from(["", "-"]),
            keep_raw=st.booleans(),
        ),
        "tls": st.sampled_from(
            [{"mode": "off"}, {"mode": "files", "cert": "/c.pem", "key": "/k.pem"}]
        ),
        "outbound": st.builds(or_, table(port=st.integers(1, 65535), max_age=durations), relays),
        "dns": table(resolvers=st.lists(endpoints, max_size=2), timeout=durations),
        "http": table(bind=st.lists(endpoints, max_size=1), trusted_proxies=networks),
        "controller": table(debounce=durations, auto_apply=st.just("none"), signers=texts),
        "policy": table(
            drift=st.just("report"),
            max_removals=counts,
            self_service=table(enabled=st.booleans(), domains=st.just(["b.example"])),
        ),
        "limits": limits,
        "metrics": table(bind=st.sampled_from(["", "[::1]:1"])),
        "log": table(level=st.just("debug"), format=st.just("text")),
        "server": table(users=table(inbound=users, git=users)),
    },
)


def raw(manifest: dict[str, Any]) -> bytes:
    return tomlkit.dumps(manifest).encode()


@given(manifests, catchalls, st.booleans())
def test_a_rendered_config_means_what_it_was_rendered_from(
    manifest: dict[str, Any], catchall: dict[str, Any], has_catchall: bool
) -> None:
    if has_catchall:
        manifest.setdefault("mailboxes", {})["*@b.example"] = catchall
    for mailbox, hook in (
        (name, hook)
        for name, box in manifest.get("mailboxes", {}).items()
        for hook in box.get("hooks", ())
    ):
        hook["name"] = f"hook-{len(mailbox)}"  # Names are unique over the manifest.
    for identity in manifest.get("identities", {}).values():
        identity["url"] = "https://alice.example"
        if "info" not in manifest.get("mailboxes", {}):
            identity.pop("mailboxes", None)

    desired = read([Source("manifest.toml", raw(manifest))]).desired
    rendered = render(desired, generation=7)
    again = read([Source("config.toml", rendered)]).desired

    assert again == desired
    assert restored(rendered) == desired
    assert header(rendered) == Header(7, desired.digest)
    assert render(desired, generation=7) == rendered


def test_the_same_desired_state_has_one_config(reading: Read) -> None:
    one = reading('domains = ["a.com"]\ntrust = "none"\n').desired
    other = reading('domain = "A.com" # The same, in an older shape.\n').desired

    assert render(one, 1).splitlines()[2:] == render(other, 1).splitlines()[2:]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'domains = ["a.com"]\n',
        b"# aimx engine config\n# generation 1\n",
        b"\n# aimx engine config: compiled by `aimx apply`; edit the manifest instead.\n",
    ],
)
def test_a_config_that_nobody_compiled_has_no_header(text: bytes) -> None:
    assert header(text) is None


def test_a_config_is_its_header_and_its_body():
    desired = read([Source("m.toml", b'domains = ["a.com"]\n')]).desired

    whole = render(desired, 7)

    assert whole.endswith(body(desired))
    assert headed(desired, 7, body(desired)) == whole
    assert header(whole) == Header(7, desired.digest)
    assert is_whole(whole)


def test_a_config_that_is_cut_or_changed_is_not_whole():
    whole = render(read([Source("m.toml", b'domains = ["a.com"]\n')]).desired, 7)

    assert not any(is_whole(whole[:length]) for length in range(len(whole)))
    assert not any(
        is_whole(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]) for at in range(len(whole))
    )
