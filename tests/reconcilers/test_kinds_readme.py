from reconcilers.change import Action, Field
from reconcilers.host.host import Access
from reconcilers.kinds.readme import TEXT, VERSION

ONE = 'domains = ["a.com"]\n'


def test_an_agent_finds_a_readme_of_this_version(machine):
    machine.apply(ONE)

    content = machine.host.read(machine.roots.readme).decode()
    assert content == TEXT
    assert content.startswith(f"<!-- aimx-readme-version: {VERSION} -->\n")
    assert machine.host.look(machine.roots.readme).mode == 0o644


def test_an_outdated_one_is_rewritten(machine):
    machine.apply(ONE)
    machine.host.plant_file(
        machine.roots.readme, b"<!-- aimx-readme-version: 0 -->\nold", Access(0o644, 0, 0)
    )

    change = machine.change(ONE, "readme")
    machine.apply(ONE)

    assert change.action is Action.UPDATE
    assert change.fields == (Field("version", "0", VERSION),)
    assert machine.host.read(machine.roots.readme) == TEXT.encode()


def test_what_somebody_added_to_this_version_stays(machine):
    machine.apply(ONE)
    content = TEXT.encode() + b"\nAsk Ann before you send anything.\n"
    machine.host.plant_file(machine.roots.readme, content, Access(0o600, 0, 0))

    machine.apply(ONE)

    assert machine.host.read(machine.roots.readme) == content
    assert machine.host.look(machine.roots.readme).mode == 0o644
