import re
from dataclasses import replace

import pytest

from desired.engine_config import is_whole
from reconcilers.change import Action, Change
from reconcilers.host.host import Access
from reconcilers.reconciler import World
from reconcilers.report.view import counts
from reconcilers.safety import judge


def manifest(mailboxes, head='domains = ["a.com"]\n'):
    return head + "".join(
        f'[mailboxes."m{number}@a.com"]\nowner = "alice"\n' for number in range(mailboxes)
    )


def refusal(machine, before, after, allow=0, head='domains = ["a.com"]\n'):
    machine.apply(manifest(before, head))
    plan = machine.plan(manifest(after, head), allow_removals=allow)
    return plan.refused and plan.refused.reason


LAX = 'domains = ["a.com"]\n[policy]\nmax_removals = 1000\n'


@pytest.mark.parametrize(
    ("before", "after", "head", "reason"),
    [
        pytest.param(2, 1, None, None, id="one of two goes"),
        pytest.param(1, 0, None, "no mailbox would be left of 1", id="the only one"),
        pytest.param(9, 0, LAX, "no mailbox would be left of 9", id="all of nine"),
        pytest.param(9, 3, None, "6 removals are more than policy.max_removals = 5", id="six"),
        pytest.param(9, 4, None, None, id="five of nine"),
        pytest.param(10, 0, LAX, "no mailbox would be left of 10", id="all of ten"),
        pytest.param(10, 8, None, None, id="a fifth of ten"),
        pytest.param(10, 7, None, "3 of 10 are more than 20 % of kind mailbox", id="more"),
        pytest.param(40, 30, LAX, "10 of 40 are more than 20 % of kind mailbox", id="a quarter"),
    ],
)
def test_a_plan_that_removes_too_much_is_refused(machine, before, after, head, reason):
    assert refusal(machine, before, after, head=head or 'domains = ["a.com"]\n') == reason


def test_a_refused_plan_has_no_steps_and_says_what_to_do(machine):
    machine.apply(manifest(9))

    plan = machine.plan(manifest(2))

    assert plan.steps == ()
    assert plan.refused.remedy == (
        "if all of them are meant, run `aimx apply --allow-removals 7`; else declare what is"
        " missing again"
    )
    assert {change.blocked.code for change in plan.blocked} == {
        "too-many-removals",
        "needs-another",
    }


def test_as_many_removals_as_are_allowed_pass(machine):
    assert refusal(machine, 9, 0, allow=9) is None


def test_fewer_than_there_are_do_not(machine):
    assert refusal(machine, 9, 0, allow=8) is not None


def test_one_commit_cannot_loosen_the_policy_and_remove(machine):
    machine.apply(manifest(20))

    plan = machine.plan(manifest(14, LAX))

    assert plan.refused.reason == "6 removals are more than policy.max_removals = 5"


def test_a_stricter_policy_holds_at_once(machine):
    machine.apply(manifest(9))

    strict = 'domains = ["a.com"]\n[policy]\nmax_removals = 0\n'

    assert machine.plan(manifest(8, strict)).refused is not None


def test_what_a_killed_apply_was_allowed_the_next_one_finishes(machine):
    machine.apply(manifest(9))
    allowed = machine.plan(manifest(2), allow_removals=7)
    machine.take_until(allowed, "engine#1")

    plan = machine.apply(manifest(2))

    assert counts(plan)["quarantine"] == 7
    assert machine.plan(manifest(2)).is_empty


def test_protection_outlives_the_block_that_says_so(machine):
    before = machine.desired(manifest(3))
    kept = replace(before.mailboxes["m0@a.com"], protect=True)
    before = replace(before, mailboxes={**before.mailboxes, "m0@a.com": kept})
    world = World(machine.host, machine.roots, machine.desired(manifest(0)), before, 1, b"")
    gone = Change("mailbox/m0@a.com", Action.QUARANTINE, "it left the manifest", unasked=True)

    verdict = judge([gone], world, allow_removals=99)

    assert verdict.blocked["mailbox/m0@a.com"].code == "protected"


def test_the_last_domain_is_never_removed(machine):
    before = machine.desired(manifest(1))
    world = World(machine.host, machine.roots, replace(before, domains=()), before, 1, b"")
    gone = Change("domain/a.com", Action.FORGET, "it left the manifest")

    verdict = judge([gone], world, allow_removals=99)

    assert verdict.refused.reason == (
        "cannot remove 'a.com': it is the last configured domain. An AIMX install must have at"
        f" least one domain. For a full teardown stop the daemon and delete {machine.roots.config}"
        f" and {machine.roots.data}, all keys and all mail with them."
    )


PROTECTED = 'domains = ["a.com"]\n[mailboxes."m0@a.com"]\nowner = "alice"\nlifecycle.protect = {}\n'
OTHERS = manifest(3, "").replace('[mailboxes."m0@a.com"]\nowner = "alice"\n', "")


def with_protection(value):
    return PROTECTED.format(value) + OTHERS


def test_taking_the_line_out_does_not_lift_a_protection(machine):
    machine.apply(with_protection("true"))
    machine.apply(manifest(3))

    plan = machine.plan('domains = ["a.com"]\n' + OTHERS, allow_removals=9)

    blocked = {change.address: change.blocked.code for change in plan.blocked}
    assert blocked == {"mailbox/m0@a.com": "protected", "config": "needs-another"}
    assert plan.steps == ()


def test_a_protection_is_lifted_by_a_manifest_that_says_so_and_was_applied(machine):
    machine.apply(with_protection("true"))
    machine.apply(with_protection("false"))

    plan = machine.apply('domains = ["a.com"]\n' + OTHERS)

    assert counts(plan)["quarantine"] == 1


def test_what_is_protected_is_repaired_all_the_same(machine):
    machine.apply(with_protection("true"))
    machine.host.set_access(machine.roots.mailbox("a.com", "sent", "m0"), Access(0o755, 1000, 1000))

    change = machine.change(with_protection("true"), "mailbox/m0@a.com")

    assert (change.action, change.blocked) == (Action.REPAIR, None)


def test_a_removed_block_does_not_lift_a_protection(machine):
    machine.apply(with_protection("true"))
    block = '[[removed]]\naddress = "mailbox/m0@a.com"\n'

    change = machine.change('domains = ["a.com"]\n' + OTHERS + block, "mailbox/m0@a.com")

    assert change.blocked.code == "protected"


def test_a_protected_domain_cannot_leave(machine):
    head = 'domains = ["a.com", "b.com"]\n'
    machine.apply(head + '[domain."b.com"]\nlifecycle = { protect = true }\n' + manifest(2, ""))
    machine.apply(head + manifest(2, ""))

    change = machine.change(manifest(2), "domain/b.com", allow_removals=9)

    assert change.blocked.code == "protected"


def test_the_protection_of_a_domain_is_lifted_as_that_of_a_mailbox_is(machine):
    head = 'domains = ["a.com", "b.com"]\n[domain."b.com"]\nlifecycle = { protect = %s }\n'
    machine.apply(head % "true" + manifest(2, ""))
    machine.apply(head % "false" + manifest(2, ""))

    change = machine.change(manifest(2), "domain/b.com", allow_removals=9)

    assert change.blocked is None


def test_protection_follows_a_mailbox_that_moves(machine):
    machine.apply(with_protection("true"))
    hello = '[mailboxes."hello@a.com"]\nowner = "alice"\n'
    block = '[[moved]]\nfrom = "mailbox/m0@a.com"\nto = "mailbox/hello@a.com"\n'
    machine.apply('domains = ["a.com"]\n' + OTHERS + hello + block)

    change = machine.change('domains = ["a.com"]\n' + OTHERS, "mailbox/hello@a.com")

    assert change.blocked.code == "protected"


def test_nothing_goes_while_another_removal_keeps_the_engine_config_as_it_is(machine):
    machine.apply(with_protection("true"))

    plan = machine.plan('domains = ["a.com"]\n[mailboxes."m2@a.com"]\nowner = "alice"\n')

    assert {change.address: change.blocked.code for change in plan.blocked} == {
        "mailbox/m0@a.com": "protected",
        "mailbox/m1@a.com": "needs-another",
        "config": "needs-another",
    }
    assert plan.steps == ()


def killed_early(machine):
    """An apply that was allowed to let seven of nine go, killed before anything was written."""
    machine.apply(manifest(9))
    allowed = machine.plan(manifest(2), allow_removals=7)
    first = next(step for step in allowed.steps if step.address != "config")
    machine.take_until(allowed, first.id)


def test_what_was_allowed_is_written_down_before_anything_else_is_done(machine):
    killed_early(machine)

    plan = machine.apply(manifest(2))

    assert plan.refused is None
    assert counts(plan)["quarantine"] == 7
    assert machine.host.look(machine.roots.consent) is None
    assert machine.plan(manifest(2)).is_empty


def test_what_was_allowed_of_one_manifest_is_not_of_another(machine):
    killed_early(machine)

    assert machine.plan(manifest(1)).refused is not None


def test_a_consent_ends_with_its_generation(machine):
    killed_early(machine)
    machine.apply(manifest(2))
    machine.apply(manifest(9))

    assert machine.plan(manifest(2)).refused is not None


def test_a_consent_that_cannot_be_read_permits_nothing(machine):
    killed_early(machine)
    private = machine.host.tree()[machine.roots.consent][1]
    machine.host.replace(machine.roots.consent, b"{", private)

    assert machine.plan(manifest(2)).refused is not None


GUARDED = 'domains = ["a.com"]\n[policy]\nmax_removals = 0\n'


GUARDS = pytest.mark.parametrize(
    ("first", "then", "guard", "loosened", "code"),
    [
        pytest.param(
            with_protection("true"),
            'domains = ["a.com"]\n' + OTHERS,
            b"protect = true",
            b"protect = false",
            "protected",
            id="protection",
        ),
        pytest.param(
            manifest(2, GUARDED),
            'domains = ["a.com"]\n[mailboxes."m1@a.com"]\nowner = "alice"\n',
            b"max_removals = 0",
            b"max_removals = 9",
            "too-many-removals",
            id="policy",
        ),
    ],
)


@GUARDS
def test_a_hand_in_the_engine_config_lifts_no_guard(machine, first, then, guard, loosened, code):
    machine.apply(first)
    raw = machine.host.read(machine.roots.engine_config)
    machine.host.plant_file(machine.roots.engine_config, raw.replace(guard, loosened))

    change = machine.change(then, "mailbox/m0@a.com")

    assert guard in raw
    assert change.blocked.code == code


@GUARDS
def test_a_hand_lifts_no_guard_where_the_engine_config_does_not_say_how_it_was_written(
    machine, first, then, guard, loosened, code
):
    machine.apply(first)
    record = machine.roots.generations / "1" / "config.toml"
    raw = re.sub(rb", whole sha256:\w+", b"", machine.host.read(record))
    machine.host.plant_file(record, raw)
    machine.host.plant_file(machine.roots.engine_config, raw.replace(guard, loosened))

    change = machine.change(then, "mailbox/m0@a.com")

    assert is_whole(raw) is None
    assert change.blocked.code == code
