from pathlib import PurePosixPath

import pytest

from reconcilers.change import Action
from reconcilers.fingerprint import plan_id
from reconcilers.host.host import Access, Nature

ONE = 'domains = ["a.com"]\n'


def test_a_fresh_install_gets_its_tree_and_then_its_marker(machine):
    machine.apply(ONE)

    tree = machine.host.tree()
    modes = {
        str(path.relative_to("/")): (access.mode, access.uid)
        for path, (nature, access, _) in tree.items()
        if nature is Nature.DIRECTORY and path.is_relative_to(machine.roots.state)
    }
    assert modes == {
        "var/lib/aimx/.aimx": (0o711, 0),
        "var/lib/aimx/.aimx/claims": (0o700, 0),
        "var/lib/aimx/.aimx/claims/hooks": (0o700, 0),
        "var/lib/aimx/.aimx/claims/mailboxes": (0o700, 0),
        "var/lib/aimx/.aimx/generations": (0o700, 0),
        "var/lib/aimx/.aimx/generations/1": (0o700, 0),
        "var/lib/aimx/.aimx/generations/1/sources": (0o700, 0),
        "var/lib/aimx/.aimx/journal": (0o700, 0),
        "var/lib/aimx/.aimx/out": (0o700, 802),
        "var/lib/aimx/.aimx/placing": (0o700, 0),
        "var/lib/aimx/.aimx/retiring": (0o700, 0),
        "var/lib/aimx/.aimx/spool": (0o700, 801),
        "var/lib/aimx/.aimx/tombstones": (0o700, 0),
    }
    assert tree[machine.roots.marker] == (Nature.FILE, Access(0o644, 0, 0), b"2\n")
    assert tree[machine.roots.data][1].mode == 0o755
    assert tree[machine.roots.identities][1].mode == 0o711
    assert tree[machine.roots.dkim][1].mode == 0o700


def test_the_marker_is_the_last_thing_that_is_written(machine):
    plan = machine.plan(ONE)

    assert str(plan.steps[-1].operation).startswith(f"write {machine.roots.marker}")


def test_rootless_everything_belongs_to_the_one_user(rootless):
    rootless.apply(ONE)

    owners = {
        access.uid
        for path, (_, access, _) in rootless.host.tree().items()
        if path.is_relative_to(rootless.roots.data)
    }
    assert owners == {1000}


def test_taking_the_lock_does_not_make_the_plan_of_a_fresh_install_stale(machine):
    before = machine.plan(ONE)

    machine.host.make_directory(machine.roots.data, Access(0o755, 0, 0))
    machine.host.make_directory(machine.roots.state, Access(0o711, 0, 0))

    assert plan_id(machine.plan(ONE)) == plan_id(before)


def test_taking_the_lock_does_not_make_the_plan_of_a_repair_stale(machine):
    machine.apply(ONE)
    machine.host.remove_tree(machine.roots.state)
    before = machine.plan(ONE)

    machine.host.make_directory(machine.roots.state, Access(0o711, 0, 0))

    assert plan_id(machine.plan(ONE)) == plan_id(before)


@pytest.mark.parametrize("path", ["/var/lib/aimx", "/var/lib/aimx/.aimx/spool", "/etc/aimx/dkim"])
def test_a_mode_that_drifted_is_repaired(machine, path):
    machine.apply(ONE)
    left = machine.host.tree()
    entry = machine.host.look(PurePosixPath(path))
    machine.host.set_access(PurePosixPath(path), Access(0o777, entry.uid, entry.gid))

    change = machine.change(ONE, "layout")
    machine.apply(ONE)

    assert (change.action, change.drifted) == (Action.REPAIR, True)
    assert [(f.name, f.before) for f in change.fields] == [(f"{path} mode", "0777")]
    assert machine.host.tree()[PurePosixPath(path)] == left[PurePosixPath(path)]


@pytest.mark.parametrize(
    "content", [b"1\n", b"3\n", b"", b"two", b"\xff\xfe", b"2\n2\n", b"2" * 99]
)
def test_any_other_marker_stops_everything_and_is_told(machine, content):
    machine.apply(ONE)
    machine.host.plant_file(machine.roots.marker, content)

    plan = machine.plan(ONE + '[mailboxes."x@a.com"]\nowner = "alice"\n')

    assert [(c.address, c.blocked.code) for c in plan.changes] == [("layout", "marker-corrupt")]
    assert plan.steps == ()
    assert plan.refused == plan.changes[0].blocked


def test_a_marker_without_its_newline_is_as_good(machine):
    machine.apply(ONE)
    machine.host.plant_file(machine.roots.marker, b"2", Access(0o644, 0, 0))

    assert machine.plan(ONE).is_empty


def test_something_else_in_the_place_of_a_directory_is_told_and_left(machine):
    machine.apply(ONE)
    machine.host.remove_tree(machine.roots.spool)
    machine.host.plant_other(machine.roots.spool, Nature.SYMLINK)

    plan = machine.plan(ONE)

    assert plan.refused.code == "symlink-in-the-way"
    assert str(machine.roots.spool) in plan.refused.reason


@pytest.mark.parametrize("nature", [Nature.SYMLINK, Nature.OTHER], ids=str)
@pytest.mark.parametrize(
    "path", ["/etc/aimx/dkim", "/var/lib/aimx/.aimx", "/var/lib/aimx/.aimx/claims"]
)
def test_a_fresh_install_enters_nothing_that_is_no_directory(machine, path, nature):
    machine.host.plant_directory(PurePosixPath(path).parent)
    machine.host.plant_other(PurePosixPath(path), nature)
    before = machine.host.tree()

    plan = machine.plan(ONE)

    assert plan.refused.code == f"{nature}-in-the-way"
    assert path in plan.refused.reason
    assert plan.steps == ()
    assert machine.host.tree() == before


@pytest.mark.parametrize(
    ("access", "code"),
    [
        pytest.param(Access(0o755, 1000, 1000), "foreign-owner", id="somebody's"),
        pytest.param(Access(0o1777, 0, 0), "directory-shared", id="everybody's"),
    ],
)
def test_a_fresh_install_takes_no_directory_that_is_not_ours(machine, access, code):
    machine.host.plant_directory(machine.roots.data, access)

    plan = machine.plan(ONE)

    assert plan.refused.code == code
    assert str(machine.roots.data) in plan.refused.reason


def test_a_worker_keeps_its_directory_where_its_user_cannot_be_found(machine):
    machine.apply(ONE)
    out = machine.roots.outbound
    gone = ONE + '[server]\nusers = { outbound = "nobody-knows" }\n'

    machine.apply(gone)
    kept = machine.host.look(out)
    machine.host.set_access(out, Access(0o755, 0, 0))
    machine.apply(gone)

    assert (kept.mode, kept.uid) == (0o700, 802)
    found = machine.host.look(out)
    assert (found.mode, found.uid) == (0o700, 65534)
    assert machine.plan(gone).is_empty


def test_a_missing_marker_comes_back(machine):
    machine.apply(ONE)
    machine.host.remove_file(machine.roots.marker)

    machine.apply(ONE)

    assert machine.host.read(machine.roots.marker) == b"2\n"
    assert machine.plan(ONE).is_empty


def test_the_config_directory_is_made_only_where_it_is_missing(machine):
    machine.host.set_access(machine.roots.config, Access(0o750, 0, 0))
    machine.apply(ONE)
    kept = machine.host.look(machine.roots.config).mode
    machine.host.remove_tree(machine.roots.config)

    plan = machine.plan(ONE)

    assert kept == 0o750
    assert str(plan.steps[0].operation) == f"make directory {machine.roots.config} 0755 0:0"
