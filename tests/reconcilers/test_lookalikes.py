"""A delete and a create that look like a rename are told with the block that makes them one."""

import json

import pytest

from desired import manifest
from desired.problem import Source
from reconcilers.report.document import written
from reconcilers.report.markdown import plan_markdown
from reconcilers.report.text import plan_text

HEAD = 'domains = ["a.com", "b.com"]\n'
GONE = "mailbox/info@a.com"


def boxes(*names, owner="alice"):
    return "".join(f'[mailboxes."{name}"]\nowner = "{owner}"\n' for name in names)


def offered(machine, text):
    """The block that the plan prints for info@a.com, if any."""
    notes = machine.change(text, GONE).notes
    return next((note.partition("\n")[2] for note in notes if "\n" in note), "")


BEFORE = HEAD + boxes("info@a.com", "ops@a.com")


@pytest.mark.parametrize("target", ["hello@a.com", "info@b.com", "*@a.com"])
def test_the_block_that_is_offered_makes_it_a_move(machine, target):
    machine.apply(BEFORE)
    text = HEAD + boxes(target, "ops@a.com")

    block = offered(machine, text)
    plan = machine.plan(f"{text}\n{block}\n")

    assert block == f'[[moved]]\nfrom = "{GONE}"\nto = "mailbox/{target}"'
    assert [str(change.action) for change in plan.changes] == ["move", "update"]
    assert manifest.read([Source("m", f"{text}\n{block}\n".encode())]).desired.moved


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(boxes("ops@a.com"), id="nothing comes"),
        pytest.param(boxes("ops@a.com", "new@b.com"), id="another name elsewhere"),
        pytest.param(boxes("ops@a.com") + boxes("new@a.com", owner="bob"), id="another's"),
        pytest.param(boxes("ops@a.com", "x@a.com", "y@a.com"), id="two may be meant"),
        pytest.param(boxes("new@a.com"), id="two go and one comes"),
        pytest.param(
            boxes("ops@a.com", "new@a.com")
            + f'[[removed]]\naddress = "{GONE}"\ndata = "tombstone"\n',
            id="a block removes it",
        ),
    ],
)
def test_nothing_is_offered_where_nobody_can_tell(machine, after):
    machine.apply(BEFORE)

    assert offered(machine, HEAD + after) == ""


def test_a_domain_that_is_renamed_offers_a_block_for_each_mailbox(machine):
    machine.apply(BEFORE)

    plan = machine.plan(HEAD + boxes("info@b.com", "ops@b.com"), allow_removals=2)

    blocks = [note for change in plan.changes for note in change.notes if "\n" in note]
    assert [block.splitlines()[-1] for block in blocks] == [
        'to = "mailbox/info@b.com"',
        'to = "mailbox/ops@b.com"',
    ]


def test_the_block_can_be_copied_from_every_report(machine):
    machine.apply(BEFORE)
    plan = machine.plan(HEAD + boxes("hello@a.com", "ops@a.com"))
    lines = ["[[moved]]", f'from = "{GONE}"', 'to = "mailbox/hello@a.com"']

    text = [line.strip() for line in plan_text(plan, columns=30).splitlines()]
    data = json.loads(written(plan))
    comment = plan_markdown(plan)

    start = text.index(lines[0])
    assert text[start : start + 3] == lines
    assert any(note.endswith("\n".join(lines)) for c in data["changes"] for note in c["notes"])
    assert "&#10;" in comment
    assert "<pre><code>&#91;&#91;moved&#93;&#93;" in comment
