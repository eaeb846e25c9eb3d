"""A reading that is amended is the reading that the whole manifest would have had."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desired.amended import amended
from desired.json_schema import json_schema
from desired.manifest import Reading, read
from desired.problem import ManifestError, Source

TOP = 'domains = ["a.com", "b.com"]\ntrust = "none"\n'
USERS = {"alice", "bob"}


def exists(name: str) -> bool:
    return name in USERS


def sources(*texts: str) -> tuple[Source, ...]:
    return tuple(Source(f"{number}.toml", text.encode()) for number, text in enumerate(texts))


def whole(*texts: str) -> Reading:
    return read(sources(*texts), owner_exists=exists)


def changed(before: str, after: str, who: Callable[[str], bool] = exists) -> Reading | None:
    return amended(whole(before), sources(after), who)


def same(one: Reading, other: Reading) -> bool:
    """In all that anybody asks of a reading."""
    facts = [
        (each.desired, each.desired.digest, each.desired.sources, each.desired.spellings)
        for each in (one, other)
    ]
    return facts[0] == facts[1] and one.warnings == other.warnings


def box(address: str, owner: str = "alice", rest: str = "") -> str:
    return f'[mailboxes."{address}"]\nowner = "{owner}"\n{rest}'


MANY = "".join(box(f"agent{number}@a.com") for number in range(20))

PLAIN = {
    "added at the end": (TOP + MANY, TOP + MANY + box("new@b.com")),
    "added behind another table": (
        TOP + box("info@a.com") + '[smtp]\nbind = ["127.0.0.1:25"]\n',
        TOP + box("info@a.com") + '[smtp]\nbind = ["127.0.0.1:25"]\n\n' + box("new@a.com", "bob"),
    ),
    "added between others": (TOP + MANY, TOP + MANY.replace("[", box("abc@b.com") + "[", 1)),
    "added as the first": (
        TOP + "[smtp]\nmax_recipients = 7\n",
        TOP + MANY + "[smtp]\nmax_recipients = 7\n",
    ),
    "added above a line that is empty": (
        TOP + "\n# receiving\n[smtp]\nmax_recipients = 7\n",
        TOP + MANY + "\n# receiving\n[smtp]\nmax_recipients = 7\n",
    ),
    "given to another": (TOP + MANY, TOP + MANY.replace('"alice"', '"bob"', 1)),
    "taken out": (TOP + MANY, TOP + MANY.replace(box("agent7@a.com"), "")),
    "replaced": (TOP + MANY, TOP + MANY.replace(box("agent7@a.com"), box("x@b.com", "bob"))),
    "a remark": (TOP + MANY, TOP + MANY.replace("owner", "# who\nowner", 1)),
    "remarks behind": (TOP + MANY, TOP + MANY.replace('alice"\n', 'alice"\t# who\r\n', 1)),
    "a mailbox becomes a remark": (
        TOP + MANY + box("old@a.com"),
        TOP + MANY + "".join(f"# {line}\n" for line in box("old@a.com").splitlines()),
    ),
    "a last line that is not ended": (TOP + MANY.rstrip("\n"), TOP + MANY + box("new@b.com")),
    "a header of remarks": ("# one\n" + TOP + MANY, "# two\n" + TOP + MANY + box("new@b.com")),
}


@pytest.mark.parametrize("name", PLAIN)
def test_an_edit_of_plain_mailboxes_is_understood_without_reading_the_rest(name):
    before, after = PLAIN[name]

    found = changed(before, after)

    assert found is not None
    assert same(found, whole(after))


HOOK = '[[mailboxes."info@a.com".hooks]]\nevent = "on_receive"\ncmd = ["/bin/true"]\n'
OTHERWISE = {
    "a domain that is not ours": (TOP + MANY, TOP + MANY + box("new@c.com")),
    "an address that is there": (TOP + MANY, TOP + MANY + box("agent1@a.com")),
    "an address in another spelling": (
        'domains = ["a.com"]\n[mailboxes.info]\nowner = "alice"\n',
        'domains = ["a.com"]\n[mailboxes.info]\nowner = "alice"\n' + box("info@a.com"),
    ),
    "an alias": (
        TOP + box("x@a.com", rest='aliases = ["new@a.com"]\n') + MANY,
        TOP + box("x@a.com", rest='aliases = ["new@a.com"]\n') + MANY + box("new@a.com"),
    ),
    "an owner who is nobody": (TOP + MANY, TOP + MANY + box("new@a.com", "carol")),
    "an owner who is no name": (TOP + MANY, TOP + MANY + box("new@a.com", "A B")),
    "root": (TOP + MANY, TOP + MANY + box("new@a.com", "root")),
    "the catchall": (TOP + MANY, TOP + MANY + box("*@a.com")),
    "the postmaster, who was missing": (TOP + MANY, TOP + MANY + box("postmaster@a.com")),
    "a capital letter": (TOP + MANY, TOP + MANY + box("New@a.com")),
    "a reserved name": (TOP + MANY, TOP + MANY + box("catchall@a.com")),
    "more than an owner": (TOP + MANY, TOP + MANY + box("new@a.com", rest='trust = "none"\n')),
    "an owner twice": (TOP + MANY, TOP + MANY + box("new@a.com", rest='owner = "bob"\n')),
    "the end of a header": (TOP + MANY, TOP + MANY + '[mailboxes."new@a.com"\n'),
    "half a line end": (TOP + MANY, TOP + MANY + "\r"),
    "twice the same": (TOP + MANY, TOP + MANY + 2 * box("new@a.com")),
    "no address": (TOP + MANY, TOP + MANY + box("")),
    "no owner": (TOP + MANY, TOP + MANY + box("new@a.com", "")),
    "an address without an end": (TOP + MANY, TOP + MANY + '[mailboxes."new@a.com\n'),
    "a quote in a remark": (TOP + MANY, TOP + MANY + box("new@a.com") + '# "\n' + 'owner = "x"\n'),
    "no end of a line": (
        TOP + "[smtp]\nmax_recipients = 7\n",
        TOP + box("new@a.com").rstrip("\n") + "[smtp]\nmax_recipients = 7\n",
    ),
    "one whose hooks stay": (TOP + box("info@a.com") + MANY + HOOK, TOP + MANY + HOOK),
    "one whose empty limits stay": (
        TOP + box("info@a.com") + MANY + '[mailboxes."info@a.com".limits]\n',
        TOP + MANY + '[mailboxes."info@a.com".limits]\n',
    ),
    "one that an identity uses": (
        TOP + box("info@a.com") + MANY + '[identities.al]\nname = "A"\nurl = "https://a.example"\n'
        'mailboxes = ["info"]\n',
        TOP + MANY + '[identities.al]\nname = "A"\nurl = "https://a.example"\n'
        'mailboxes = ["info"]\n',
    ),
    "one that was moved here": (
        TOP + box("info@a.com") + MANY + '[[moved]]\nfrom = "mailbox/x@a.com"\n'
        'to = "mailbox/info@a.com"\n',
        TOP + MANY + '[[moved]]\nfrom = "mailbox/x@a.com"\nto = "mailbox/info@a.com"\n',
    ),
    "one that is to be removed": (
        TOP + MANY + '[[removed]]\naddress = "mailbox/new@a.com"\n',
        TOP + MANY + box("new@a.com") + '[[removed]]\naddress = "mailbox/new@a.com"\n',
    ),
    "a setting": (TOP + MANY, TOP.replace('"none"', '"verified"') + MANY),
    "a domain": (TOP + MANY, TOP.replace('"b.com"', '"b.com", "c.com"') + MANY),
    "what only looks like a table": (
        TOP + "signature = '''\n[smtp]\n'''\n" + MANY,
        TOP + "signature = '''\n" + box("new@a.com") + "[smtp]\n'''\n" + MANY,
    ),
    "a table in a list": (
        TOP + 'trusted_senders = [\n"x@a.com"\n]\n' + MANY,
        TOP + 'trusted_senders = [\n[mailboxes."new@a.com"]\nowner = "bob"\n"x@a.com"\n]\n' + MANY,
    ),
    "a table of what stands in one line": (
        TOP + 'mailboxes = { "x@a.com" = { owner = "alice" } }\n',
        TOP + 'mailboxes = { "x@a.com" = { owner = "alice" } }\n' + box("new@a.com"),
    ),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_whatever_a_rule_may_speak_of_is_read(name):
    before, after = OTHERWISE[name]

    assert changed(before, after) is None


def test_a_warning_behind_the_edit_names_its_line_as_it_is_now():
    after = TOP + box("new@a.com") + box("info@a.com") + HOOK

    found = changed(TOP + box("info@a.com") + HOOK, after)

    assert found is not None
    assert "hook-never-fires" in {warning.code for warning in found.warnings}
    assert found.warnings == whole(after).warnings


@pytest.mark.parametrize(
    ("top", "rest"),
    [
        pytest.param(TOP.replace("none", "verified"), "", id="trust"),
        pytest.param(TOP, "[limits]\nsends_per_day = 7\n", id="limits"),
    ],
)
def test_the_same_mailbox_is_in_each_manifest_as_that_one_says(top, rest):
    new = box("new@a.com")
    changed(TOP + MANY, TOP + MANY + new)

    found = changed(top + MANY + rest, top + MANY + new + rest)

    assert found is not None
    assert same(found, whole(top + MANY + new + rest))


def test_a_fragment_is_amended_like_the_manifest():
    before, after = (TOP, box("info@a.com")), (TOP, box("info@a.com") + box("new@b.com", "bob"))

    found = amended(whole(*before), sources(*after), exists)

    assert found is not None
    assert same(found, whole(*after))


def test_octets_that_are_no_text_are_read():
    after = (TOP + MANY + box("new@a.com")).encode().replace(b"new", b"\xff")

    assert amended(whole(TOP + MANY), (Source("0.toml", after),), exists) is None


def test_two_files_that_changed_are_read():
    before, after = (TOP + MANY, box("x@b.com")), (TOP + MANY + box("n@b.com"), box("y@b.com"))

    assert amended(whole(*before), sources(*after), exists) is None


PLAIN_TABLES = [
    box("x@a.com"),
    box("x@a.com", "bob"),
    box("y@b.com"),
    box("z@b.com", "bob", "# a remark\n\n"),
    box("q@b.com", "bob", '# [mailboxes."r@b.com"]\n#owner = "bob"\n'),
]
OTHERS = [
    "# a remark\n",
    "\n",
    box("agent1@a.com"),
    box("postmaster@a.com"),
    box("*@b.com", "aimx-catchall"),
    box("v@a.com", rest='trust = "verified"\n'),
    box("w@a.com", rest='aliases = ["x@a.com"]\n'),
    '[mailboxes.x]\nowner = "alice"\n',
    box("info@a.com") + HOOK,
    HOOK,
    '[mailboxes."x@a.com".limits]\n',
    "[smtp]\nmax_recipients = 7\n",
    "[limits]\nreplies_per_thread_per_hour = 3\n",
    '[identities.al]\nname = "A"\nurl = "https://a.example"\nmailboxes = ["x"]\n',
    '[[moved]]\nfrom = "mailbox/y@b.com"\nto = "mailbox/x@a.com"\n',
    '[[removed]]\naddress = "mailbox/z@b.com"\n',
    'owner = "bob"\n',
    '[mailboxes."s@b.com"]\nowner = "bob" # of "all"\n',
    '[mailboxes."t@b.com"]\nowner = ""\n',
    '[mailboxes.""]\nowner = "bob"\n',
    ' [mailboxes."k@b.com"]\nowner = "bob"\n',
    '[mailboxes."l@b.com"] owner = "bob"\n',
    '[mailboxes."m@b.com"]\nowner = "bob"',
    "[mailboxes]\n",
    '"u@a.com" = { owner = "alice" }\n',
]
ANY = st.sampled_from([*PLAIN_TABLES, *OTHERS])
MOSTLY_PLAIN = st.sampled_from(PLAIN_TABLES) | ANY


@settings(max_examples=400)
@given(
    st.lists(ANY, max_size=4, unique=True),
    st.lists(MOSTLY_PLAIN, max_size=2, unique=True),
    st.lists(MOSTLY_PLAIN, max_size=2, unique=True),
)
def test_no_edit_is_understood_otherwise_than_by_reading_all(kept, left, come):
    cut = len(kept) // 2
    before = TOP + "".join([*kept[:cut], *left, *kept[cut:]])
    after = TOP + "".join([*kept[:cut], *come, *kept[cut:]])
    try:
        known = whole(before)
    except ManifestError:
        return  # Nothing was understood that could be amended.

    found = amended(known, sources(after), exists)

    assert found is None or same(found, whole(after))


def test_every_table_of_a_manifest_may_stand_below_the_edit():
    tried = []
    for name in json_schema()["properties"]:
        table = f"[{name}]\n"
        try:
            whole(TOP + MANY + table)
        except ManifestError:
            continue  # It is no table, or needs more than its header.
        tried.append(name)

        assert changed(TOP + MANY + table, TOP + MANY + box("new@a.com") + table), name

    assert {"smtp", "policy", "identities"} <= set(tried)
