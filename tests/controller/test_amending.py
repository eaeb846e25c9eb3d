"""What commands write into a manifest and take out again: nothing else is touched."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.controller.amendments import (
    AddDomain,
    CreateHook,
    CreateMailbox,
    DeleteHook,
    DeleteMailbox,
    RemoveDomain,
    SetDefault,
    SetSelector,
)
from aimx.controller.editing import proposal
from aimx.controller.edits.manifest import Manifest
from aimx.controller.refusal import EditError, HinderedError
from desired.manifest import read
from desired.problem import Source
from reconcilers.host.host import Account
from reconcilers.host.memory import MemoryHost
from reconcilers.plan import Plan, Unsettled
from reconcilers.roots import Roots

ROOTS = Roots(*map(PurePosixPath, ("/config", "/data", "/run", "/config/manifest.toml")))
ROOT, ALICE = Account("root", 0, 0), Account("alice", 1000, 1000)
FRAGMENT = "/config/manifest.d/boxes.toml"

remarks = st.sampled_from(["", "# One.\n", "# One.\n# Two.\n", "\n# Alone.\n\n"])
ends = st.sampled_from(["\n", "  # Why.\n", "\n\n"])
boxes = st.lists(
    st.sampled_from(["x@a.com", "y@a.com", "z@b.com", "*@b.com"]), unique=True, max_size=4
)


@st.composite
def tables(draw, names):
    text = ""
    for name in names:
        text += f'{draw(remarks)}[mailboxes."{name}"]{draw(ends)}owner = "alice"{draw(ends)}'
        if "*" not in name and draw(st.booleans()):
            hook = f'name = "{name[0]}"\nevent = "on_receive"\ncmd = ["/bin/{name[0]}"]'
            text += f'\n[[mailboxes."{name}".hooks]]\n{hook}{draw(ends)}'
    return text


@st.composite
def manifests(draw):
    """A manifest and a fragment, as people space and remark on them."""
    domains = draw(st.permutations(["a.com", "b.com", "c.com"]))
    listed = draw(st.sampled_from([", ", ",\n  ", ",  "])).join(f'"{each}"' for each in domains)
    names = draw(boxes)
    here = draw(st.integers(0, len(names)))
    top = f'{draw(remarks)}domains = [{listed}]{draw(ends)}trust = "verified"{draw(ends)}\n'
    rest = f"{draw(remarks)}[smtp]\nkeep_raw = true\n{draw(remarks)}"
    override = f'{draw(remarks)}[domain."b.com"]\ntrust = "none"{draw(ends)}\n'
    text = top + override + draw(tables(names[:here])) + rest
    return (
        Source(str(ROOTS.manifest), text.encode()),
        Source(FRAGMENT, draw(tables(names[here:])).encode()),
    )


def amended(sources, amendment):
    """The files with it, as they would be written."""
    host = MemoryHost(ROOTS, ROOT, [ROOT, ALICE])
    manifest = Manifest(sources, read(sources).desired, host, ROOTS)
    proposed = proposal(amendment, manifest, read)
    after = {before.name: new for before, new in proposed.files}
    made = tuple(after.get(source.name, source) for source in sources)
    assert proposed.reading.desired == read(made).desired
    return made


def lines(sources):
    """What stands in them, but for empty lines."""
    return [
        [line for line in source.raw.decode().splitlines() if line.strip()] for source in sources
    ]


PAIRS = {
    "domain": (AddDomain("new.com"), RemoveDomain("new.com")),
    "domain with a selector": (AddDomain("new.com", "s1"), RemoveDomain("new.com")),
    "mailbox": (CreateMailbox("new@c.com", "alice"), DeleteMailbox("new@c.com")),
}


@pytest.mark.parametrize(("there", "back"), PAIRS.values(), ids=PAIRS)
@given(sources=manifests())
def test_what_comes_and_goes_leaves_every_line(there, back, sources) -> None:
    once = amended(sources, there)

    assert read(once).desired != read(sources).desired
    assert lines(amended(once, back)) == lines(sources)


@given(sources=manifests())
def test_another_default_domain_and_back_leaves_every_line(sources) -> None:
    first, second = (domain.name.ascii for domain in read(sources).desired.domains[:2])

    once = amended(sources, SetDefault(second))

    assert read(once).desired.default_domain.ascii == second
    assert amended(once, SetDefault(first)) == sources


@given(sources=manifests())
def test_hooks_come_and_go_where_their_mailbox_stands(sources) -> None:
    for name in read(sources).desired.mailboxes:
        if "*" in name:
            continue
        once = amended(sources, CreateHook(name, "after_send", ("/bin/new",), "new"))
        assert str(read(once).desired.mailboxes[name].hooks[-1].name) == "new"
        assert lines(amended(once, DeleteHook("new"))) == lines(sources)


@given(sources=manifests())
def test_a_domain_goes_with_all_that_is_its_own_and_the_rest_stays(sources) -> None:
    before = read(sources).desired

    after = read(amended(sources, RemoveDomain("b.com", force=True))).desired

    assert [each.name.ascii for each in after.domains] == [
        each.name.ascii for each in before.domains if each.name.ascii != "b.com"
    ]
    kept = {name: box for name, box in before.mailboxes.items() if not name.endswith("@b.com")}
    assert after.mailboxes == kept


@given(sources=manifests())
def test_each_file_that_is_written_leaves_a_manifest_that_makes_sense(sources) -> None:
    host = MemoryHost(ROOTS, ROOT, [ROOT, ALICE])
    manifest = Manifest(sources, read(sources).desired, host, ROOTS)

    proposed = proposal(RemoveDomain("b.com", force=True), manifest, read)

    standing = {source.name: source for source in sources}
    for before, after in proposed.files:
        standing[before.name] = after
        read(tuple(standing.values()))


def test_a_manifest_that_is_not_adopted_is_not_edited() -> None:
    source = Source("/config/config.toml", b'domains = ["a.com"]\n')

    with pytest.raises(EditError, match="is not adopted yet"):
        amended((source,), AddDomain("b.com"))


@pytest.mark.parametrize("untrusted", [False, True])
def test_a_hook_fires_on_whatever_it_was_made_for(untrusted) -> None:
    text = b'domains = ["a.com"]\n[mailboxes."x@a.com"]\nowner = "alice"\n'
    hook = CreateHook("x@a.com", "on_receive", ("/bin/new",), "new", fire_on_untrusted=untrusted)

    (made,) = amended((Source(str(ROOTS.manifest), text),), hook)

    (standing,) = read([made]).desired.mailboxes["x@a.com"].hooks
    assert standing.fire_on_untrusted == untrusted
    assert (b"fire_on_untrusted" in made.raw) == untrusted


def test_a_selector_that_signs_already_is_told() -> None:
    source = Source(str(ROOTS.manifest), b'domains = ["a.com"]\n')

    with pytest.raises(EditError, match="signs with the key of 'aimx' already"):
        amended((source,), SetSelector("a.com", "aimx"))


def test_a_kind_that_cannot_be_looked_at_keeps_an_edit_about_it_from_being_made() -> None:
    source = Source(str(ROOTS.manifest), b'domains = ["a.com", "b.com"]\n')
    host = MemoryHost(ROOTS, ROOT, [ROOT, ALICE])
    manifest = Manifest((source,), read((source,)).desired, host, ROOTS)
    plan = Plan(0, "", (), (), 0, unsettled=(Unsettled("mailbox", "nobody can look there"),))

    proposal(SetDefault("b.com"), manifest, read).require_unhindered(plan)
    with pytest.raises(HinderedError, match=r"blocked\. mailbox: nobody can look there"):
        proposal(CreateMailbox("x@a.com", "alice"), manifest, read).require_unhindered(plan)
