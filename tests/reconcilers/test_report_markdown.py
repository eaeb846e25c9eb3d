import re
from dataclasses import replace

import pytest

from reconcilers.change import Action, Change
from reconcilers.fingerprint import plan_id
from reconcilers.plan import Plan
from reconcilers.report.markdown import MARKER, plan_markdown

TEXT = 'domains = ["a.com"]\n[mailboxes."info@a.com"]\nowner = "alice"\n'

HOSTILE = [
    "a | b | c",
    "a\n\n# heading",
    "`` ` ```\ncode",
    "</code></details><script>alert(1)</script>",
    "[click](https://evil.example) ![x](y) <https://evil.example>",
    "@everyone #1 **bold** ~~gone~~ www.evil.example",
    "\\| \\` &lt; &#124;",
    "--> <!-- aimx plan -->",
]


def plan_of(*changes: Change) -> Plan:
    return Plan(1, "digest", changes, (), 3)


def test_a_plan_is_a_table_with_its_id_and_the_next_command(machine):
    plan = machine.plan(TEXT)

    told = plan_markdown(plan, saved="next.plan")

    assert told.startswith(MARKER)
    assert told.count("\n| <code>") == len(plan.changes)
    assert plan_id(plan).removeprefix("sha256:") in told
    assert "<pre><code>aimx apply next&#46;plan</code></pre>" in told


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_manifest_holds_is_markup(text):
    harmless = plan_markdown(plan_of(Change("mailbox/x", Action.CREATE, "x")))
    told = plan_markdown(plan_of(Change(f"mailbox/{text}", Action.CREATE, text)))

    def markup(comment: str) -> list[str]:
        """All but what stands between `<code>` and its end, and the plan's id."""
        return re.sub(r"<code>[A-Za-z0-9 &#;]*</code>", "<code></code>", comment).splitlines()

    assert markup(told) == markup(harmless)


def test_what_is_blocked_comes_first(machine):
    machine.apply(TEXT)

    told = plan_markdown(machine.plan('domains = ["a.com"]\n'))

    rows = [line for line in told.splitlines() if line.startswith("| <code>")]
    assert rows[0].startswith("| <code>&#33;</code>")
    assert "**Refused:**" in told


def test_a_long_plan_is_folded_and_a_huge_one_cut():
    change = Change("mailbox/x", Action.CREATE, "the manifest declares it")
    many = [replace(change, address=f"mailbox/m{n}@a.com") for n in range(5000)]

    folded, cut = plan_markdown(plan_of(*many[:60])), plan_markdown(plan_of(*many))

    assert "<details>" in folded
    assert "left out" not in folded
    assert "left out here" in cut
    assert len(cut.encode()) < 65536
