"""Drift is what differs from what the last generation left, and nothing that the manifest asks."""

import pytest

from desired import engine_config
from reconcilers.drift import drift
from reconcilers.host.host import Access, Nature, UnseenError
from reconcilers.host.memory import MemoryHost
from reconcilers.host.read_only import ReadOnly
from reconcilers.report.drift import Drift, drift_document, drift_text

HEAD = 'domains = ["a.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\n'
LATE = '[mailboxes."late@a.com"]\nowner = "carol"\n'


def drifted(machine):
    return drift(ReadOnly(machine.host), machine.roots)


def inbox(machine, name="info"):
    return machine.roots.mailbox("a.com", "inbox", name)


def loosen_a_mode(machine):
    machine.host.set_access(inbox(machine), Access(0o755, 1000, 1000))


def lose_a_mailbox(machine):
    machine.host.remove_tree(inbox(machine))
    machine.host.remove_tree(machine.roots.mailbox("a.com", "sent", "info"))


def lose_the_readme(machine):
    machine.host.remove_file(machine.roots.readme)


def lose_the_key(machine):
    machine.host.remove_file(machine.roots.keys("a.com") / "private.key")


def lose_the_config(machine):
    machine.host.remove_file(machine.roots.engine_config)


def edit_the_config(machine):
    path = machine.roots.engine_config
    content = machine.host.read(path).replace(b'owner = "alice"', b'owner = "bob"')
    machine.host.plant_file(path, content, Access(0o640, 0, 0))


def put_a_link_in_the_way(machine):
    lose_a_mailbox(machine)
    machine.host.plant_other(inbox(machine), Nature.SYMLINK)


@pytest.mark.parametrize(
    ("happens", "address", "told"),
    [
        (loosen_a_mode, "mailbox/info@a.com", "inbox mode: was left as 0700, is 0755"),
        (lose_a_mailbox, "mailbox/info@a.com", "it is gone"),
        (lose_the_readme, "readme", "it is gone"),
        (lose_the_config, "config", "it is gone"),
        (edit_the_config, "config", "mailboxes.info@a.com.owner: was left as alice, is bob"),
        (put_a_link_in_the_way, "mailbox/info@a.com", "is a symbolic link where"),
        (lose_the_key, "dkim/a.com/aimx", "private.key is gone"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_happened_to_the_machine_is_drift(machine, happens, address, told):
    machine.apply(HEAD + INFO)
    happens(machine)

    found = drifted(machine)

    assert [change.address for change in found.changes] == [address]
    assert told in drift_text(found, columns=200)


def test_a_machine_as_it_was_left_has_no_drift(machine):
    machine.apply(HEAD + INFO)

    assert drifted(machine) == Drift(1)
    assert drift_text(Drift(1)) == "No drift. The machine is as generation 1 left it.\n"


def test_nothing_can_drift_where_nothing_was_applied(machine):
    assert drifted(machine) == Drift(0)
    assert "Nothing has been applied here yet" in drift_text(Drift(0))


def test_what_could_not_be_made_then_has_not_drifted_since(machine):
    machine.apply(HEAD + INFO + LATE)

    assert drifted(machine) == Drift(1)


def test_drift_is_told_of_a_generation_that_is_not_on_record(machine):
    machine.apply(HEAD + INFO)
    machine.host.remove_tree(machine.roots.generations / "1")
    loosen_a_mode(machine)

    found = drifted(machine)

    assert [change.address for change in found.changes] == ["mailbox/info@a.com"]
    assert "Generation 1 is not on record" in found.caveat


def test_a_record_that_cannot_be_understood_is_told(machine):
    machine.apply(HEAD + INFO)
    machine.host.plant_file(machine.roots.generations / "1" / "config.toml", b"what = is this")

    with pytest.raises(UnseenError, match="the engine config of generation 1"):
        drifted(machine)


def test_what_cannot_be_looked_at_is_neither_drifted_nor_fine(machine):
    machine.apply(HEAD + INFO)
    machine.host.plant_blindness(machine.roots.readme)

    found = drifted(machine)

    assert not found.is_none
    assert "  ? readme\n      could not be looked at: " in drift_text(found)


def test_before_the_layout_is_understood_nothing_else_is_compared(machine):
    machine.apply(HEAD + INFO)
    machine.host.plant_file(machine.roots.marker, b"99\n", Access(0o644, 0, 0))

    found = drifted(machine)

    assert [change.address for change in found.changes] == ["layout"]
    assert "Nothing else is compared" in drift_text(found)


def test_the_next_generation_takes_drift_as_it_left_things(machine):
    machine.apply(HEAD + INFO)
    loosen_a_mode(machine)
    machine.apply(HEAD + INFO + '[mailboxes."new@a.com"]\nowner = "bob"\n')

    assert drifted(machine) == Drift(2)


def test_drift_as_data_says_what_was_left_and_what_is(machine):
    machine.apply(HEAD + INFO)
    loosen_a_mode(machine)
    lose_the_readme(machine)

    assert drift_document(drifted(machine))["drift"] == [
        {
            "address": "mailbox/info@a.com",
            "kind": "mailbox",
            "is": "changed",
            "why": "its directories are not as the manifest asks",
            "fields": [{"name": "inbox mode", "left": "0700", "now": "0755"}],
        },
        {"address": "readme", "kind": "readme", "is": "gone", "why": "it is gone", "fields": []},
    ]


def test_an_engine_config_of_another_hand_is_no_generation(machine):
    """An older aimx wrote one, too; nothing of ours was applied."""
    desired = machine.desired(HEAD)
    machine.host.plant_file(machine.roots.engine_config, engine_config.body(desired))

    assert isinstance(machine.host, MemoryHost)
    assert drifted(machine) == Drift(0)


def test_drift_in_colour_says_the_same(machine):
    machine.apply(HEAD + INFO)
    lose_the_readme(machine)

    plain, coloured = (drift_text(drifted(machine), colour=colour) for colour in (False, True))

    assert "\x1b" not in plain
    assert coloured == plain.replace("  - readme", "\x1b[31m  - readme\x1b[0m")
