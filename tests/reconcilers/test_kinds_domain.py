import pytest

from reconcilers.change import Action
from reconcilers.host.host import Access, Nature

ONE = 'domains = ["a.com"]\n'
TWO = 'domains = ["a.com", "b.com"]\n'


def test_every_domain_has_a_tree_that_all_may_traverse(machine):
    machine.apply(TWO)

    tree = machine.host.tree()
    for domain in ("a.com", "b.com"):
        root = machine.roots.domain(domain)
        accesses = [tree[path][1] for path in (root, root / "inbox", root / "sent")]
        assert accesses == [Access(0o755, 0, 0)] * 3


@pytest.mark.parametrize("folder", ["", "inbox", "sent"])
def test_a_mode_that_drifted_is_repaired(machine, folder):
    machine.apply(ONE)
    path = machine.roots.domain("a.com") / folder
    machine.host.set_access(path, Access(0o700, 0, 0))

    change = machine.change(ONE, "domain/a.com")
    machine.apply(ONE)

    assert (change.action, change.drifted) == (Action.REPAIR, True)
    assert machine.host.look(path).mode == 0o755


@pytest.mark.parametrize("folder", ["", "inbox", "sent"])
def test_a_link_in_its_place_is_blocked(machine, folder):
    machine.host.plant_directory(machine.roots.domain("a.com"), Access(0o755, 0, 0))
    path = machine.roots.domain("a.com") / folder
    machine.host.plant_other(path, Nature.SYMLINK)

    assert machine.change(ONE, "domain/a.com").blocked.code == "symlink-in-the-way"


def test_a_tree_of_somebody_else_is_blocked(machine):
    machine.host.plant_directory(machine.roots.domain("a.com"), Access(0o755, 1000, 1000))

    assert machine.change(ONE, "domain/a.com").blocked.code == "foreign-owner"


def test_a_tree_on_another_file_system_is_blocked(machine):
    machine.host.plant_directory(machine.roots.data)
    machine.host.plant_file_system(machine.roots.domain("b.com"))

    assert machine.change(TWO, "domain/b.com").blocked.code == "other-file-system"


def test_a_removed_domain_is_forgotten_and_mail_that_is_no_mailboxs_stays(machine):
    machine.apply(TWO)
    stranger = machine.roots.domain("b.com") / "inbox" / "stranger"
    machine.host.plant_file(stranger / "x.md", b"mail")

    change = machine.change(ONE, "domain/b.com")
    machine.apply(ONE)

    assert change.action is Action.FORGET
    assert machine.host.read(stranger / "x.md") == b"mail"
    assert machine.host.look(machine.roots.domain("b.com") / "sent") is None
    assert machine.plan(ONE).is_empty


def test_of_a_removed_domain_no_empty_directory_is_left(machine):
    machine.apply(TWO + '[mailboxes."x@b.com"]\nowner = "alice"\n')
    tree = machine.roots.domain("b.com")
    for name in ("old", "older"):
        machine.host.plant_directory(tree / "inbox" / name, Access(0o700, 1000, 1000))

    machine.apply(ONE, allow_removals=9)

    assert machine.host.look(tree) is None
    assert machine.host.names(machine.roots.retiring) == ()
    assert machine.plan(ONE).is_empty


@pytest.mark.parametrize("nature", [Nature.SYMLINK, Nature.FILE, Nature.OTHER])
def test_what_is_no_directory_stays_in_the_tree_of_a_removed_domain(machine, nature):
    machine.apply(TWO)
    stray = machine.roots.domain("b.com") / "inbox" / "stray"
    machine.host.plant_other(stray, nature)

    machine.apply(ONE)

    assert machine.host.look(stray).nature is nature
    assert machine.plan(ONE).is_empty


def test_a_domain_that_comes_back_has_its_tree_again(machine):
    machine.apply(TWO)
    machine.apply(ONE)

    machine.apply(TWO)

    assert machine.host.look(machine.roots.domain("b.com") / "sent").mode == 0o755
    assert machine.plan(TWO).is_empty
