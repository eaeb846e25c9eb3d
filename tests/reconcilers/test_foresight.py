"""The machine that a plan leads to, planned again, needs nothing: seen before it is applied."""

import pytest

from reconcilers import foresight
from reconcilers.certificates import belongs_to, stand_in_for
from reconcilers.foresight import UnsettledPlanError, check, remaining
from reconcilers.host.host import Access, StepError, UnseenError
from reconcilers.host.memory import MemoryHost
from reconcilers.host.predicted import Predicted
from reconcilers.operations.files import MakeDirectory
from reconcilers.rsa import public_half, stand_in

TWO = (
    'domains = ["a.com", "b.com"]\n[mailboxes."info@a.com"]\nowner = "alice"\n'
    '[mailboxes."*@b.com"]\nowner = "bob"\n'
)
ONE = 'domains = ["a.com"]\n[mailboxes."info@a.com"]\nowner = "alice"\n'
SELECTOR = 'dkim_selector = "s2026"\n' + TWO
HOST = TWO + '[smtp]\nhostname = "mx.example"\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", TWO, id="fresh"),
        pytest.param(ONE, TWO, id="domain-added"),
        pytest.param(TWO, ONE, id="domain-left-out"),
        pytest.param(TWO, SELECTOR, id="selector"),
        pytest.param(TWO, HOST, id="certificate"),
        pytest.param(TWO, TWO.replace('owner = "bob"', 'owner = "nobody-here"'), id="blocked"),
        pytest.param(TWO, TWO.replace("info@", "other@"), id="mailbox-left-out"),
    ],
)
def test_a_plan_is_the_last_one_on_the_machine_that_it_leads_to(machine, before, after):
    if before:
        machine.apply(before)
    tree = machine.host.tree()
    made = machine.plan(after, allow_removals=9)

    left = remaining(made, machine.desired(after), machine.host, machine.roots)

    assert made.steps
    assert left == ()
    assert machine.host.tree() == tree


def test_drift_is_foreseen_to_be_gone(machine):
    machine.apply(TWO)
    machine.host.set_access(machine.roots.readme, Access(0o600, 0, 0))
    machine.host.remove_file(machine.roots.keys("a.com") / "public.key")
    made = machine.plan(TWO)

    assert made.pending
    assert remaining(made, machine.desired(TWO), machine.host, machine.roots) == ()


def test_a_plan_that_would_not_be_the_last_one_names_the_resource(machine, monkeypatch):
    made = machine.plan(TWO)
    # A step that is taken and does nothing, as a defect of ours could be.
    monkeypatch.setattr(MakeDirectory, "take", lambda step, hands: None)

    with pytest.raises(UnsettledPlanError, match=r"internal error: .* would still be to"):
        check(made, machine.desired(TWO), machine.host, machine.roots)


def _failing(error):
    def take(step, hands):
        raise error

    return take


def test_a_plan_whose_step_cannot_be_taken_names_the_step(machine, monkeypatch):
    made = machine.plan(TWO)
    monkeypatch.setattr(MakeDirectory, "take", _failing(StepError("/x: will not be there")))

    with pytest.raises(UnsettledPlanError, match=r"internal error: step .* could not be taken: /x"):
        check(made, machine.desired(TWO), machine.host, machine.roots)


def test_where_nobody_can_look_nothing_is_foreseen(machine, monkeypatch):
    made = machine.plan(TWO)
    monkeypatch.setattr(MakeDirectory, "take", _failing(UnseenError("/x: permission denied")))

    check(made, machine.desired(TWO), machine.host, machine.roots)


def test_what_would_take_long_is_not_foreseen(machine, monkeypatch):
    monkeypatch.setattr(foresight, "_MOST", 3)
    monkeypatch.setattr(MakeDirectory, "take", lambda step, hands: None)

    check(machine.plan(TWO), machine.desired(TWO), machine.host, machine.roots)


def test_the_stand_in_is_a_key_that_everybody_knows():
    assert public_half(stand_in()).modulus == (2**1279 - 1) * (2**607 - 1)
    assert belongs_to(stand_in_for("mx.example", stand_in()), stand_in(), "mx.example")


def test_what_is_moved_keeps_what_is_in_it(machine):
    host, data = machine.host, machine.roots.data
    host.plant_file(data / "a" / "deep" / "mail.md", b"mail")
    predicted = Predicted(host)
    predicted.make_directory(data / "a" / "new", Access(0o700, 0, 0))

    predicted.move(data / "a", data / "b")

    assert predicted.names(data) == ("b",)
    assert predicted.names(data / "b") == ("deep", "new")
    assert predicted.read(data / "b" / "deep" / "mail.md") == b"mail"
    assert predicted.look(data / "a" / "deep") is None
    assert isinstance(host, MemoryHost)
    assert host.names(data) == ("a",)


def test_what_is_made_anew_where_something_was_has_nothing_of_it(machine):
    host, data = machine.host, machine.roots.data
    host.plant_file(data / "a" / "deep" / "mail.md", b"mail")
    predicted = Predicted(host)
    predicted.replace(data / "a" / "deep" / "new.md", b"new", Access(0o600, 0, 0))

    predicted.remove_tree(data / "a")
    predicted.make_directory(data / "a", Access(0o700, 0, 0))
    predicted.move(data / "a", data / "b")
    predicted.make_directory(data / "a", Access(0o700, 0, 0))

    assert predicted.names(data) == ("a", "b")
    assert predicted.names(data / "a") == predicted.names(data / "b") == ()
    assert predicted.look(data / "a" / "deep" / "mail.md") is None
    assert predicted.look(data / "b" / "deep" / "new.md") is None


def test_ten_thousand_moves_are_soon_predicted(machine):
    host, data = machine.host, machine.roots.data
    predicted = Predicted(host)
    for number in range(10_000):  # Too many to look at all of them for each.
        predicted.make_directory(data / "a" / str(number), Access(0o700, 0, 0))
        predicted.move(data / "a" / str(number), data / "b" / str(number))

    assert predicted.names(data / "a") is None
    assert len(predicted.names(data / "b") or ()) == 10_000
