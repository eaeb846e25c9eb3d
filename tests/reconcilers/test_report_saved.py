import json

import pytest

from reconcilers.report.saved import SavedPlanError, load, saved
from reconcilers.roots import Roots

TEXT = 'domains = ["a.com"]\n[mailboxes."info@a.com"]\nowner = "alice"\n'


@pytest.fixture
def content(machine):
    return saved(machine.plan(TEXT), machine.roots, "3:120", 2)


def test_a_saved_plan_is_read_as_it_was_written(machine, content):
    plan = machine.plan(TEXT)

    loaded = load(content, machine.roots)

    assert loaded.generation == plan.generation
    assert loaded.allow_removals == 2
    assert loaded.mark.endswith("@3:120")
    assert [change["address"] for change in loaded.changes] == [c.address for c in plan.changes]


def test_equal_plans_are_saved_in_the_same_bytes(machine, content):
    assert saved(machine.plan(TEXT), machine.roots, "3:120", 2) == content


def test_a_saved_plan_holds_nothing_that_is_in_a_file(machine):
    key = machine.host.new_private_key()
    machine.host.plant_file(machine.roots.keys("a.com") / "private.key", key)

    told = saved(machine.plan(TEXT), machine.roots, "", 0).decode()

    assert "PRIVATE KEY" not in told
    assert not any(line.decode() in told for line in key.splitlines()[1:-1])


@pytest.mark.parametrize("name", ["config", "data", "manifest"])
def test_a_plan_for_another_instance_is_told_from_ours(machine, content, name):
    roots = {part: getattr(machine.roots, part) for part in ("config", "data", "manifest")}
    other = Roots(**{**roots, name: machine.roots.data / "other"}, runtime=machine.roots.runtime)

    with pytest.raises(SavedPlanError, match="it was made for the"):
        load(content, other)


def test_where_the_socket_is_makes_no_difference_to_a_plan(machine, content):
    roots = machine.roots
    load(content, Roots(roots.config, roots.data, roots.data / "run", roots.manifest))


def test_a_plan_cut_anywhere_is_refused(machine, content):
    for end in range(0, len(content) - 2, 7):
        with pytest.raises(SavedPlanError):
            load(content[:end], machine.roots)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(b"", "no saved plan", id="empty"),
        pytest.param(b"\x00\xff" * 999, "no saved plan", id="bytes"),
        pytest.param(b"[]", "no saved plan", id="a-list"),
        pytest.param(b'{"format": "aimx.plan"}', "no saved plan", id="a-plan-as-data"),
        pytest.param(
            b'{"format": "aimx.saved-plan", "format_version": "2.0"}', "format '2.0'", id="later"
        ),
        pytest.param(b'{"format": "aimx.saved-plan"}', "format ''", id="no-version"),
        pytest.param(b'{"format": "aimx.saved-plan"' + b"[" * 99999, "damaged", id="deep"),
    ],
)
def test_what_is_no_plan_of_ours_is_refused_in_a_sentence(machine, content, told):
    with pytest.raises(SavedPlanError, match=told):
        load(content, machine.roots)


def test_a_plan_that_somebody_edited_is_refused(machine, content):
    document = json.loads(content)
    document["consent"]["allow_removals"] = 999

    with pytest.raises(SavedPlanError, match="not as `aimx plan --out` wrote it"):
        load(json.dumps(document).encode(), machine.roots)
