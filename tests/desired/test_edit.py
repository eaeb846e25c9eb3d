from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from desired.edit import Append, Delete, Edit, Lead, Put, Remove, Unsafe, edit
from desired.problem import ManifestError, Source
from desired.statements import comments, cut

MANIFEST = """\
#:schema ./aimx.schema.json
# All of it.
domains = ["a.com", "b.com"]  # Two.
trust = "none"

# Alice's.
[mailboxes."x@a.com"]
owner = "alice"  # A person.
lifecycle = { protect = true }
# Until here.

[[mailboxes."x@a.com".hooks]]
event = "on_receive"
cmd = ["/bin/a"]

# ---- Agents

# Bob's.
[mailboxes."y@a.com"]
  owner = "bob"

[smtp]
keep_raw = true
"""
HOOK = {"event": "after_send", "cmd": ["/bin/b"]}


def changed(text: str, change: Edit) -> str:
    result = edit(Source("manifest.toml", text.encode()), change)
    assert isinstance(result, Source), result
    return result.raw.decode()


CASES: dict[str, tuple[Edit, str, str]] = {
    "a value keeps its comment": (
        Put(("mailboxes", "x@a.com", "owner"), "eve"),
        'owner = "alice"  # A person.\n',
        'owner = "eve"  # A person.\n',
    ),
    "a key of the top goes before the first table": (
        Put(("signature",), 'from "A"'),
        'trust = "none"\n',
        'trust = "none"\nsignature = "from \\"A\\""\n',
    ),
    "a new key stands as its neighbours do": (
        Put(("mailboxes", "y@a.com", "trust"), "verified"),
        '  owner = "bob"\n',
        '  owner = "bob"\n  trust = "verified"\n',
    ),
    "a key of an inline table": (
        Put(("mailboxes", "x@a.com", "lifecycle", "protect"), value=False),
        "{ protect = true }",
        "{ protect = false }",
    ),
    "a table for a key": (
        Put(("policy", "self_service", "enabled"), value=False),
        "keep_raw = true\n",
        "keep_raw = true\n\n[policy]\nself_service = { enabled = false }\n",
    ),
    "an override's table for its key": (
        Put(("domain", "b.com", "signature"), "B"),
        "keep_raw = true\n",
        'keep_raw = true\n\n[domain."b.com"]\nsignature = "B"\n',
    ),
    "a mailbox behind the others": (
        Put(("mailboxes", "z@a.com"), {"owner": "zoe", "hooks": [HOOK]}),
        '  owner = "bob"\n',
        '  owner = "bob"\n\n[mailboxes."z@a.com"]\nowner = "zoe"\n\n'
        '[[mailboxes."z@a.com".hooks]]\nevent = "after_send"\ncmd = ["/bin/b"]\n',
    ),
    "hooks for a mailbox": (
        Put(("mailboxes", "y@a.com", "hooks"), [HOOK, HOOK]),
        '  owner = "bob"\n',
        '  owner = "bob"\n'
        + 2 * '\n[[mailboxes."y@a.com".hooks]]\nevent = "after_send"\ncmd = ["/bin/b"]\n',
    ),
    "a hook behind the others": (
        Append(("mailboxes", "x@a.com", "hooks"), HOOK),
        'cmd = ["/bin/a"]\n',
        'cmd = ["/bin/a"]\n\n'
        '[[mailboxes."x@a.com".hooks]]\nevent = "after_send"\ncmd = ["/bin/b"]\n',
    ),
    "a move is noted at the end": (
        Append(("moved",), {"from": "mailbox/x@a.com", "to": "mailbox/z@a.com"}),
        "keep_raw = true\n",
        'keep_raw = true\n\n[[moved]]\nfrom = "mailbox/x@a.com"\nto = "mailbox/z@a.com"\n',
    ),
    "a domain is appended": (
        Append(("domains",), "c.com"),
        '"b.com"]  # Two.',
        '"b.com", "c.com"]  # Two.',
    ),
    "a domain is removed": (Remove(("domains",), "a.com"), '"a.com", ', ""),
    "a domain leads": (
        Lead(("domains",), "b.com"),
        'domains = ["a.com", "b.com"]  # Two.',
        'domains = ["b.com", "a.com"]  # Two.',
    ),
    "a list that is not there is made": (
        Append(("trusted_senders",), "*@c.com"),
        'trust = "none"\n',
        'trust = "none"\ntrusted_senders = ["*@c.com"]\n',
    ),
    "a key goes": (Delete(("trust",)), 'trust = "none"\n', ""),
    "the last key of a table goes": (Delete(("smtp", "keep_raw")), "keep_raw = true\n", ""),
    "a table goes with what speaks of it": (
        Delete(("mailboxes", "x@a.com")),
        MANIFEST[MANIFEST.index("# Alice") : MANIFEST.index("# ---- Agents")],
        "",
    ),
    "what stands above the next table stays": (
        Remove(("mailboxes", "x@a.com", "hooks"), {"event": "on_receive", "cmd": ["/bin/a"]}),
        '[[mailboxes."x@a.com".hooks]]\nevent = "on_receive"\ncmd = ["/bin/a"]\n\n',
        "",
    ),
}


@pytest.mark.parametrize(("change", "before", "after"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_an_edit_changes_these_lines_and_no_other(
    change: Edit, before: str, after: str, newline: str
) -> None:
    expected = MANIFEST.replace(before, after, 1)

    text = changed(MANIFEST.replace("\n", newline), change)

    assert text == expected.replace("\n", newline)


@pytest.mark.parametrize(("change", "before", "after"), CASES.values(), ids=CASES)
def test_an_edit_that_was_made_changes_nothing(change: Edit, before: str, after: str) -> None:
    once = changed(MANIFEST, change)

    assert changed(once, change) == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("#:schema a\n# b\n[smtp]\n", "#:schema a\n", id="a directive"),
        pytest.param("# a\n\n# b\n[smtp]\n", "# a\n\n", id="a heading"),
        pytest.param("# a\n# b\n[smtp]\n", "# a\n# b\n", id="a heading without a line below"),
    ],
)
def test_what_introduces_the_file_stays_when_its_first_table_goes(text: str, expected: str) -> None:
    assert changed(text, Delete(("smtp",))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", 'domains = ["a.com"]\n', id="nothing"),
        pytest.param("# a", 'domains = ["a.com"]\n\n# a', id="a comment"),
        pytest.param("[smtp]", 'domains = ["a.com"]\n\n[smtp]', id="a table"),
        pytest.param(
            "#:schema a\n# b\n[smtp]\n",
            '#:schema a\n\ndomains = ["a.com"]\n\n# b\n[smtp]\n',
            id="a directive",
        ),
        pytest.param(
            "# a\n\n# b\n[smtp]\n", '# a\n\ndomains = ["a.com"]\n\n# b\n[smtp]\n', id="a heading"
        ),
        pytest.param(
            'trust = "none"', 'trust = "none"\ndomains = ["a.com"]\n', id="a line without end"
        ),
        pytest.param("\ufeff", '\ufeffdomains = ["a.com"]\n', id="a byte order mark"),
    ],
)
def test_the_first_domain_goes_to_the_top(text: str, expected: str) -> None:
    assert changed(text, Append(("domains",), "a.com")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            'domains = [\n  "a.com",  # One.\n  "b.com",\n]\n',
            'domains = [\n  "a.com",  # One.\n  "b.com",\n  "c.com",\n]\n',
            id="appended",
        ),
        pytest.param(
            'domains = [\n  "a.com",  # One.\n  "b.com"  # Two.\n]\n',
            'domains = [\n  "a.com",  # One.\n  "b.com",  # Two.\n  "c.com"\n]\n',
            id="no last comma",
        ),
    ],
)
def test_an_array_over_several_lines_keeps_its_comments(text: str, expected: str) -> None:
    assert changed(text, Append(("domains",), "c.com")) == expected


UNSAFE: dict[str, tuple[str, Edit, str, str]] = {
    "inline hooks": (
        '[mailboxes.x]\nhooks = [{ event = "on_receive", cmd = ["/a"] }]\n',
        Append(("mailboxes", "x", "hooks"), HOOK),
        "manifest.toml:2:1: `mailboxes.x.hooks` is left as it is: its entries stand in one line;"
        " write it by hand",
        '{ event = "after_send", cmd = ["/bin/b"] }\n',
    ),
    "the first hook of a mailbox in one line": (
        '[mailboxes]\nx = { owner = "a" }\n',
        Append(("mailboxes", "x", "hooks"), HOOK),
        "manifest.toml:2:1: `mailboxes.x.hooks` is left as it is: its table stands in one line;"
        " write it by hand",
        'hooks = [{ event = "after_send", cmd = ["/bin/b"] }]\n',
    ),
    "another hook of a mailbox in one line": (
        '[mailboxes]\nx = { hooks = [{ event = "on_receive", cmd = ["/a"] }] }\n',
        Append(("mailboxes", "x", "hooks"), HOOK),
        "manifest.toml:2:7: `mailboxes.x.hooks` is left as it is: its table stands in one line;"
        " write it by hand",
        '{ event = "after_send", cmd = ["/bin/b"] }\n',
    ),
    "the first hook where none are written": (
        "[mailboxes.x]\nhooks = []\n",
        Append(("mailboxes", "x", "hooks"), HOOK),
        "manifest.toml:2:1: `mailboxes.x.hooks` is left as it is: its entries stand in one line;"
        " write it by hand",
        'hooks = [{ event = "after_send", cmd = ["/bin/b"] }]\n',
    ),
    "a table written with dots": (
        '[mailboxes.x]\nowner = "a"\nlifecycle.protect = true\n',
        Put(("mailboxes", "x", "lifecycle", "other"), 1),
        "manifest.toml:3:1: `mailboxes.x.lifecycle.other` is left as it is: its table is written"
        " with dots; write it by hand",
        "lifecycle.other = 1\n",
    ),
    "a list that would lose its comment": (
        "trusted_senders = [\n  # Us.\n]\n",
        Put(("trusted_senders",), ["*@a.com"]),
        "manifest.toml:1:1: `trusted_senders` is left as it is: a comment inside it would be lost;"
        " write it by hand",
        'trusted_senders = ["*@a.com"]\n',
    ),
    "a table that is there": (
        "[smtp]\nkeep_raw = true\n",
        Put(("smtp",), {"workers": 2}),
        "manifest.toml:1:2: `smtp` is left as it is: it is a table with a place of its own;"
        " write it by hand",
        "[smtp]\nworkers = 2\n",
    ),
    "a key below one that is no table": (
        'smtp = "a"\n',
        Put(("smtp", "workers"), 2),
        "manifest.toml:1:1: `smtp.workers` is left as it is: what it would stand in is not a"
        " table; write it by hand",
        "[smtp]\nworkers = 2\n",
    ),
    "an entry of what is no list": (
        'domains = "a.com"\n',
        Append(("domains",), "b.com"),
        "manifest.toml:1:1: `domains` is left as it is: it is not an array; write it by hand",
        '"b.com"\n',
    ),
    "what leads where comments stand beside the entries": (
        'domains = [\n  "a.com",  # One.\n  "b.com",\n]\n',
        Lead(("domains",), "b.com"),
        "manifest.toml:1:1: `domains` is left as it is: comments stand beside its entries;"
        ' put "b.com" first by hand',
        '"b.com"\n',
    ),
    "what leads and is not there": (
        'domains = ["a.com"]\n',
        Lead(("domains",), "b.com"),
        "manifest.toml:1:1: `domains` is left as it is: it does not have that entry;"
        ' put "b.com" first by hand',
        '"b.com"\n',
    ),
    "what is listed twice": (
        'domains = ["a.com", "a.com"]\n',
        Remove(("domains",), "a.com"),
        "manifest.toml:1:1: `domains` is left as it is: it is written in a way that cannot be"
        ' edited; take "a.com" out by hand',
        "",
    ),
}


@pytest.mark.parametrize(("text", "change", "reason", "lines"), UNSAFE.values(), ids=UNSAFE)
def test_what_cannot_be_edited_safely_is_left_to_a_person(
    text: str, change: Edit, reason: str, lines: str
) -> None:
    result = edit(Source("manifest.toml", text.encode()), change)

    assert result == Unsafe(reason, lines)


def test_a_text_that_is_no_toml_is_not_edited() -> None:
    with pytest.raises(ManifestError):
        changed("a = [", Delete(("a",)))


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (Put(("smtp", "keep_raw"), True), "[smtp]\nkeep_raw = 1\n", "[smtp]\nkeep_raw = true\n"),
        (Put(("a",), 0), "a = false\n", "a = 0\n"),
        (Put(("a",), [True]), "a = [1]\n", "a = [true]\n"),
        (Put(("a", "b"), 1), "a = {b = 1.0}\n", "a = {b = 1}\n"),
        (Append(("a",), 1), "a = [true]\n", "a = [true, 1]\n"),
        (Remove(("a",), 1), "a = [true, 1]\n", "a = [true]\n"),
        (Remove(("a",), 1), "a = [true]\n", "a = [true]\n"),
    ],
)
def test_what_is_equal_only_to_python_is_not_the_same(
    change: Edit, before: str, after: str
) -> None:
    assert changed(before, change) == after


_names = st.sampled_from(["owner", "trust", "trusted_senders", "signature", "a b"])
_tables = st.sampled_from(
    [(), ("smtp",), ("mailboxes", "x@a.com"), ("mailboxes", "n@a.com"), ("domain", "b.com")]
)
_values = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.booleans(),
    st.integers(-9, 9),
    st.lists(st.text(max_size=4), max_size=3),
)


def put(tables: dict[str, Any], table: tuple[str, ...], name: str, value: Any) -> dict[str, Any]:
    holder = tables = deepcopy(tables)
    for part in table:
        holder = holder.setdefault(part, {})
    holder[name] = value
    return tables


@given(data=st.data(), table=_tables, name=_names, value=_values)
def test_a_key_that_is_put_is_there_and_nothing_else_is_touched(
    data: st.DataObject,
    manifests: st.SearchStrategy[str],
    table: tuple[str, ...],
    name: str,
    value: Any,
) -> None:
    text = data.draw(manifests)

    result = edit(Source("manifest.toml", text.encode()), Put((*table, name), value))

    if isinstance(result, Unsafe):
        assert tomli.loads(result.lines)
        return
    edited = result.raw.decode()
    assert tomli.loads(edited) == put(tomli.loads(text), table, name, value)
    assert comments(edited) == comments(text)
    assert edited.count("\r\n") in (0, edited.count("\n"))
    assert not others(text, (*table, name)) - others(edited, (*table, name))


def others(text: str, path: tuple[str, ...]) -> Counter[str]:
    """The statements that are not about the path."""
    return Counter(
        statement.text.rstrip("\r\n")
        for statement in cut(text)
        if statement.kind != "pair" or path[: len(statement.path)] != statement.path
    )


@given(data=st.data(), item=st.text(st.characters(codec="utf-8"), max_size=6))
def test_what_is_appended_and_removed_again_leaves_what_was(
    data: st.DataObject, manifests: st.SearchStrategy[str], item: str
) -> None:
    text = data.draw(manifests)
    path = ("trusted_senders",)
    source = Source("manifest.toml", text.encode())

    added = edit(source, Append(path, item))

    before = tomli.loads(text).get(path[0], [])
    if isinstance(added, Unsafe) or item in before:
        return
    assert tomli.loads(added.raw.decode())[path[0]] == [*before, item]
    removed = edit(added, Remove(path, item))
    assert isinstance(removed, Source)
    assert tomli.loads(removed.raw.decode()).get(path[0], []) == before
    assert comments(removed.raw.decode()) == comments(text)


@given(data=st.data())
def test_what_leads_changes_places_and_nothing_else_is_touched(
    data: st.DataObject, manifests: st.SearchStrategy[str]
) -> None:
    text = data.draw(manifests)
    path = data.draw(st.sampled_from(["domains", "trusted_senders"]))
    items = tomli.loads(text).get(path, [])
    listed = isinstance(items, list) and items and all(isinstance(each, str) for each in items)
    item = data.draw(st.sampled_from(items)) if listed else "a.com"

    result = edit(Source("manifest.toml", text.encode()), Lead((path,), item))

    if isinstance(result, Unsafe):
        return
    assert listed
    edited = result.raw.decode()
    rest = [other for other in items if other != item]
    assert tomli.loads(edited) == {**tomli.loads(text), path: [item, *rest]}
    assert comments(edited) == comments(text)
    assert not others(text, (path,)) - others(edited, (path,))


@given(data=st.data())
def test_a_table_that_is_added_and_deleted_again_leaves_every_line(
    data: st.DataObject, manifests: st.SearchStrategy[str]
) -> None:
    text = data.draw(manifests)
    path = ("mailboxes", "new@a.com")

    added = edit(Source("manifest.toml", text.encode()), Put(path, {"owner": "a", "hooks": [HOOK]}))

    assert isinstance(added, Source)
    removed = edit(added, Delete(path))
    assert isinstance(removed, Source)
    assert written(removed.raw.decode()) == written(text)


def written(text: str) -> list[str]:
    """The lines that are not empty."""
    return [line for line in text.splitlines() if line.strip()]


@given(data=st.data())
def test_a_deleted_table_is_gone_and_the_others_stay(
    data: st.DataObject, manifests: st.SearchStrategy[str]
) -> None:
    text = data.draw(manifests)

    result = edit(Source("manifest.toml", text.encode()), Delete(("mailboxes", "x@a.com")))

    expected = tomli.loads(text)
    expected.get("mailboxes", {}).pop("x@a.com", None)
    assert isinstance(result, Source)
    found = tomli.loads(result.raw.decode())
    assert {**found, "mailboxes": found.get("mailboxes", {})} == {
        **expected,
        "mailboxes": expected.get("mailboxes", {}),
    }
