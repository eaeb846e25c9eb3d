import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcilers.fingerprint import canonical, plan_id
from reconcilers.host.host import Access
from reconcilers.operations.engine import Prepare
from reconcilers.operations.files import SyncDirectories
from reconcilers.plan import Unsettled
from reconcilers.receipt import Outcome
from reconcilers.report.document import written
from reconcilers.step import Phase

EXAMPLES = Path(__file__).parents[2] / "examples" / "manifests"
HEAD = 'domains = ["a.com", "b.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\n'


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_is_planned_and_applied_and_then_changes_nothing(machine, path):
    text = path.read_text()

    machine.apply(text)

    assert [change.blocked.code for change in machine.plan(text).changes] == [
        "owner-missing" for _ in machine.plan(text).blocked
    ]
    assert machine.plan(text).steps == ()


def test_applying_twice_changes_nothing_the_second_time(machine):
    machine.apply(HEAD + INFO)
    before = machine.host.tree()

    plan = machine.plan(HEAD + INFO)

    assert plan.is_empty
    assert (plan.generation, plan.unchanged) == (1, 11)
    assert machine.host.tree() == before


def test_keys_and_storage_come_before_the_engine_config_and_the_marker_is_last(machine):
    phases = [step.phase for step in machine.plan(HEAD + INFO).steps]

    assert phases == sorted(phases)
    assert set(phases) == set(Phase) - {Phase.MIGRATE, Phase.RELOCATE, Phase.RETIRE}
    assert phases[-1] is Phase.MARKER


def test_a_step_waits_only_for_steps_that_stand_before_it(machine):
    seen: set[str] = set()
    for step in machine.plan(HEAD + INFO).steps:
        assert seen.issuperset(step.after), step
        assert step.id not in seen
        seen.add(step.id)


def test_a_closing_step_makes_all_new_directories_of_its_phase_durable(machine):
    closing = [step for step in machine.plan(HEAD + INFO).steps if step.closing]

    assert [(step.id, type(step.operation)) for step in closing] == [
        ("sync/keys#1", SyncDirectories),
        ("sync/storage#1", SyncDirectories),
    ]
    assert machine.roots.folder("a.com", "inbox") in closing[1].operation.paths
    assert machine.roots.data.parent in closing[1].operation.paths


def test_the_engine_prepares_what_will_be_written_and_then_swaps(machine):
    plan = machine.plan(HEAD + INFO)
    machine.carry_out(plan)

    prepared = next(step for step in plan.steps if isinstance(step.operation, Prepare))
    assert prepared.operation.config == plan.config
    assert machine.engine.told == ["prepare", "commit"]


def test_a_change_that_the_engine_does_not_run_on_leaves_it_alone(machine):
    machine.apply(HEAD + INFO)
    machine.engine.told.clear()
    machine.host.remove_file(machine.roots.readme)

    machine.apply(HEAD + INFO)

    assert machine.engine.told == []


def test_a_repaired_key_reaches_the_engine_in_the_same_generation(machine):
    machine.apply(HEAD + INFO)
    config = machine.host.read(machine.roots.engine_config)
    public = machine.roots.keys("a.com") / "public.key"
    machine.host.replace(public, b"another", Access(0o644, 0, 0))

    plan = machine.plan(HEAD + INFO)

    assert plan.config is None
    assert [s.operation.config for s in plan.steps if isinstance(s.operation, Prepare)] == [config]


def test_what_cannot_be_looked_at_is_told_and_the_others_go_on(machine):
    machine.apply(HEAD)
    machine.host.plant_blindness(machine.roots.tls / "cert.pem")

    plan = machine.plan(HEAD + INFO)

    assert [each.address for each in plan.unsettled] == ["certificate"]
    assert [change.address for change in plan.pending] == ["mailbox/info@a.com", "config"]


def test_a_new_domain_whose_keys_cannot_be_seen_does_not_reach_the_engine(machine):
    machine.apply('domains = ["a.com"]\n')
    machine.host.plant_blindness(machine.roots.keys("b.com"))

    plan = machine.plan(HEAD)

    config = next(change for change in plan.changes if change.address == "config")
    assert config.blocked.reason == "it needs dkim/b.com/aimx, which could not be looked at"


def test_nothing_is_planned_where_the_layout_cannot_be_seen(machine):
    machine.apply(HEAD)
    machine.host.plant_blindness(machine.roots.marker)

    plan = machine.plan(HEAD + INFO)

    assert isinstance(plan.unsettled[0], Unsettled)
    assert plan.refused.code == "layout-unseen"
    assert plan.steps == ()


def test_planning_writes_nothing(machine):
    before = machine.host.tree()

    machine.plan(HEAD + INFO)

    assert machine.host.tree() == before


def test_mail_that_arrives_meanwhile_does_not_make_a_plan_stale(machine):
    machine.apply(HEAD + INFO)
    before = machine.plan(HEAD, allow_removals=1)

    inbox = machine.roots.mailbox("a.com", "inbox", "info")
    machine.host.plant_file(inbox / "2026-01-02-030405-new.md", b"mail", Access(0o600, 1000, 1000))

    after = machine.plan(HEAD, allow_removals=1)
    assert after.changes != before.changes
    assert plan_id(after) == plan_id(before)


@pytest.mark.parametrize(
    "path",
    ["/etc/aimx/dkim/a.com/private.key", "/etc/aimx/config.toml", "/var/lib/aimx/a.com/inbox/info"],
)
def test_whatever_a_plan_was_made_from_makes_it_stale_when_it_changes(machine, path):
    machine.apply(HEAD + INFO)
    text = HEAD + INFO.replace("info", "more") + INFO
    machine.host.set_access(PurePosixPath(path), Access(0o701, 0, 0))
    before = machine.plan(text)

    machine.host.set_access(PurePosixPath(path), Access(0o702, 0, 0))

    assert plan_id(machine.plan(text)) != plan_id(before)


_PRINTS = """
import sys
sys.path.insert(0, {tests!r})
from conftest import fresh
from reconcilers.report.document import written
sys.stdout.buffer.write(written(fresh().plan({text!r})))
"""


def test_a_plan_is_the_same_bytes_in_every_process(machine):
    program = _PRINTS.format(tests=str(Path(__file__).parent), text=HEAD + INFO)
    outputs = set()
    for seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        run = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True
        )
        outputs.add(run.stdout)

    assert outputs == {written(machine.plan(HEAD + INFO))}


OWNERS = st.sampled_from(["alice", "bob", "missing"])
MANIFESTS = st.builds(
    lambda domains, mailboxes: (
        f"domains = {sorted(domains)}\n"
        + "".join(
            f'[mailboxes."{local}@{domain}"]\nowner = "{owner}"\n'
            for (local, domain), owner in sorted(mailboxes.items())
            if domain in domains
        )
    ),
    st.sets(st.sampled_from(["a.com", "b.com", "c.com"]), min_size=1),
    st.dictionaries(
        st.tuples(st.sampled_from(["x", "y", "*"]), st.sampled_from(["a.com", "b.com", "c.com"])),
        OWNERS,
        max_size=5,
    ),
)


@given(before=MANIFESTS, after=MANIFESTS)
def test_whatever_is_applied_needs_no_second_apply(new_machine, before, after):
    machine = new_machine()
    machine.apply(before)
    machine.apply(after, allow_removals=99)

    plan = machine.plan(after)

    assert plan.steps == ()
    assert {change.blocked and change.blocked.code for change in plan.changes} <= {
        "owner-missing",
        "foreign-owner",
    }


@given(before=MANIFESTS, after=MANIFESTS, data=st.data())
def test_an_apply_that_was_killed_ends_where_an_uninterrupted_one_does(
    new_machine, before, after, data
):
    killed, whole = new_machine(), new_machine()
    for machine in (killed, whole):
        machine.apply(before)
    plan = killed.plan(after, allow_removals=99)
    if plan.steps:
        killed.take_until(plan, data.draw(st.sampled_from([step.id for step in plan.steps])))

    killed.apply(after, allow_removals=99)
    whole.apply(after, allow_removals=99)

    assert _mail_and_keys(killed) == _mail_and_keys(whole)
    assert killed.plan(after).steps == ()


def _mail_and_keys(machine):
    """The tree, but for the records of who did what when."""
    journals = (machine.roots.journal, machine.roots.generations)
    return {
        path: what
        for path, what in machine.host.tree().items()
        if not any(path.is_relative_to(journal) for journal in journals)
    }


def test_a_step_that_fails_holds_up_those_that_need_it(machine):
    machine.apply('domains = ["a.com"]\n')
    plan = machine.plan(HEAD)
    machine.host.plant_blindness(machine.roots.keys("b.com"))

    receipts = {receipt.step: receipt.outcome for receipt in machine.carry_out(plan)}

    assert receipts["dkim/b.com/aimx#1"] is Outcome.FAILED
    assert receipts["config#1"] is not Outcome.DONE
    assert b"b.com" not in machine.host.read(machine.roots.engine_config)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(HEAD + INFO, HEAD + INFO + INFO.replace("info", "more"), id="one-more"),
        pytest.param(HEAD + INFO, HEAD + INFO.replace("alice", "bob"), id="another-owner"),
        pytest.param(HEAD + INFO + INFO.replace("info", "more"), HEAD + INFO, id="one-less"),
        pytest.param('domains = ["a.com"]\n' + INFO, HEAD + INFO, id="a-domain-more"),
        pytest.param(HEAD + INFO, 'domains = ["a.com"]\n' + INFO, id="a-domain-less"),
        pytest.param(
            HEAD + INFO,
            HEAD
            + INFO.replace("info", "hello")
            + '[[moved]]\nfrom = "mailbox/info@a.com"\nto = "mailbox/hello@a.com"\n',
            id="moved",
        ),
    ],
)
def test_a_look_at_what_changes_alone_gives_the_plan_of_a_look_at_all(machine, before, after):
    machine.apply(before)
    whole = machine.plan(after, allow_removals=9)

    narrow = machine.plan(
        after, allow_removals=9, only={change.address for change in whole.changes}
    )

    assert whole.pending
    assert written(narrow) == written(whole)


def test_what_is_not_looked_at_counts_as_it_should_be(machine):
    machine.apply(HEAD + INFO)
    machine.host.remove_tree(machine.roots.mailbox("a.com", "inbox", "info"))
    machine.host.remove_file(machine.roots.keys("b.com") / "public.key")

    narrow = machine.plan(HEAD + INFO, only={"mailbox/other@a.com"})

    assert [change.address for change in machine.plan(HEAD + INFO).changes] == [
        "dkim/b.com/aimx",
        "mailbox/info@a.com",
    ]
    assert narrow.is_empty
    assert narrow.unchanged == 11


def test_a_move_is_looked_at_also_where_nobody_asked_for_it(machine):
    machine.apply(HEAD + INFO)
    moved = '[[moved]]\nfrom = "mailbox/info@a.com"\nto = "mailbox/hello@a.com"\n'

    narrow = machine.plan(HEAD + INFO.replace("info", "hello") + moved, only=set())

    assert [str(change.action) for change in narrow.changes if change.kind == "mailbox"] == ["move"]


@pytest.mark.parametrize("value", [1.5, frozenset({"a"})], ids=["a-float", "a-set"])
def test_what_has_no_one_form_has_no_fingerprint(value):
    with pytest.raises(TypeError, match="has no fingerprint"):
        canonical(value)
