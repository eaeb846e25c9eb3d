import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from reconcilers.change import Action
from reconcilers.host.host import Access
from reconcilers.inspection import explained
from reconcilers.step import Phase

ONE = 'domains = ["a.com"]\n'
BOTH = ONE + '[domain."a.com"]\ndkim = { algorithms = ["rsa-sha256", "ed25519-sha256"] }\n'
ALONE = ONE + '[domain."a.com"]\ndkim = { algorithms = ["ed25519-sha256"] }\n'
FIRST, SECOND = "dkim/a.com/aimx", "dkim/a.com/aimx-ed25519"


def home(machine):
    return machine.roots.keys("a.com")


def files(machine):
    return {
        name: machine.host.read(home(machine) / name) for name in machine.host.names(home(machine))
    }


def plant(machine, name="ed25519-private.key", algorithm="ed25519-sha256"):
    content = machine.host.new_private_key(algorithm)
    machine.host.plant_file(home(machine) / name, content)
    return content


def test_a_domain_that_asks_for_it_gets_a_second_key_beside_the_first(machine):
    plan = machine.apply(BOTH)

    found = files(machine)
    key = load_pem_private_key(found["ed25519-private.key"], None)
    assert [change.address for change in plan.changes if change.kind == "dkim"] == [FIRST, SECOND]
    assert sorted(found) == [
        "ed25519-private.key",
        "ed25519-public.key",
        "private.key",
        "public.key",
    ]
    assert isinstance(key, Ed25519PrivateKey)
    assert load_pem_public_key(found["ed25519-public.key"]) == key.public_key()
    assert machine.host.look(home(machine) / "ed25519-private.key").mode == 0o600
    assert machine.host.look(home(machine) / "ed25519-public.key").mode == 0o644
    assert machine.plan(BOTH).is_empty


def test_its_key_is_there_before_the_engine_hears_of_it(machine):
    machine.apply(ONE)

    steps = machine.plan(BOTH).steps

    order = [step.phase for step in steps if step.address in (SECOND, "config")]
    assert [step.phase for step in steps if step.address == SECOND] == [Phase.KEYS] * 3
    assert order == sorted(order)
    (prepare,) = (step for step in steps if step.phase is Phase.PREPARE)
    assert f"{SECOND}#3" in prepare.after


@pytest.mark.parametrize("order", ["rsa-sha256, ed25519-sha256", "ed25519-sha256, rsa-sha256"])
def test_of_two_new_keys_the_principal_one_makes_the_directory(machine, order):
    listed = ", ".join(f'"{name}"' for name in order.split(", "))
    text = ONE + f'[domain."a.com"]\ndkim = {{ algorithms = [{listed}] }}\n'

    plan = machine.apply(text)

    after = {step.id: step.after for step in plan.steps}
    assert f"{FIRST}#3" in after[f"{SECOND}#1"]
    assert machine.plan(text).is_empty


def test_the_first_key_stays_as_it_was(machine):
    machine.apply(ONE)
    before = files(machine)

    plan = machine.apply(BOTH)

    assert files(machine).items() >= before.items()
    assert [change.address for change in plan.changes] == [SECOND, "config"]


def test_a_key_put_there_beforehand_is_adopted_byte_for_byte(machine):
    machine.apply(ONE)
    content = plant(machine)

    change = machine.change(BOTH, SECOND)
    machine.apply(BOTH)

    assert change.action is Action.ADOPT
    assert files(machine)["ed25519-private.key"] == content
    assert machine.plan(BOTH).is_empty


def test_the_key_that_bears_the_selectors_name_is_the_one(machine):
    machine.apply(ONE)
    named = plant(machine, "aimx-ed25519.private.key")

    machine.apply(BOTH)

    key = load_pem_private_key(named, None).public_key()
    assert load_pem_public_key(files(machine)["aimx-ed25519.public.key"]) == key
    assert "ed25519-private.key" not in files(machine)
    assert machine.plan(BOTH).is_empty


def test_a_lost_second_key_is_never_made_anew_and_the_first_goes_on_signing(machine):
    machine.apply(BOTH)
    machine.host.remove_file(home(machine) / "ed25519-private.key")

    change = machine.change(BOTH, SECOND)
    machine.carry_out(machine.plan(BOTH))

    assert change.blocked.code == "key-lost"
    assert change.blocked.remedy == (
        "restore it from a backup; if it is lost for good, `aimx dkim-keygen --domain a.com"
        " --selector aimx-ed25519 --force` makes a new one, which is to be published; until then"
        " mail of a.com is signed without it"
    )
    assert machine.host.look(home(machine) / "ed25519-private.key") is None


@pytest.mark.parametrize(
    ("manifest", "address", "left"),
    [
        pytest.param(BOTH, FIRST, "a.com receives and cannot send", id="RSA of both"),
        pytest.param(ALONE, SECOND, "a.com receives and cannot send", id="Ed25519 alone"),
    ],
)
def test_a_domain_without_its_principal_key_cannot_send(machine, manifest, address, left):
    machine.apply(manifest)
    for name in machine.host.names(home(machine)):
        machine.host.remove_file(home(machine) / name)

    assert machine.change(manifest, address).blocked.remedy.endswith(left)


def test_a_key_that_is_put_in_the_place_of_a_lost_one_is_taken_over(machine):
    machine.apply(BOTH)
    machine.host.remove_file(home(machine) / "ed25519-private.key")
    theirs = plant(machine)

    change = machine.change(BOTH, SECOND)
    machine.apply(BOTH)

    assert (change.action, change.blocked) == (Action.REPAIR, None)
    assert files(machine)["ed25519-private.key"] == theirs
    assert machine.plan(BOTH).is_empty


@pytest.mark.parametrize(
    ("name", "algorithm", "reason"),
    [
        ("ed25519-private.key", "rsa-sha256", "it is not an Ed25519 key"),
        ("private.key", "ed25519-sha256", "it is not an RSA key"),
    ],
)
def test_a_key_of_another_algorithm_is_blocked_and_stays(machine, name, algorithm, reason):
    content = plant(machine, name, algorithm)
    address = SECOND if name.startswith("ed25519") else FIRST

    change = machine.change(BOTH, address)
    config = machine.change(BOTH, "config")
    machine.carry_out(machine.plan(BOTH))

    assert change.blocked.code == "key-unusable"
    assert change.blocked.reason.endswith(f"cannot sign: {reason}")
    assert config.blocked.reason == f"it needs {address}, which is blocked"
    assert files(machine)[name] == content


def test_no_second_key_is_made_where_nobody_can_tell_what_was_applied(machine):
    machine.apply(ONE)
    machine.host.plant_file(machine.roots.engine_config, b"not [ toml")
    machine.host.remove_tree(machine.roots.generations)

    assert machine.change(BOTH, SECOND).blocked.code == "past-unknown"


def test_a_key_that_is_not_asked_for_any_more_stays_and_signs_when_it_is_again(machine):
    machine.apply(BOTH)
    before = files(machine)

    change = machine.change(ONE, SECOND)
    machine.apply(ONE)
    kept, again = files(machine), machine.change(BOTH, SECOND)
    machine.apply(BOTH)

    assert (change.action, change.why) == (
        Action.FORGET,
        "the manifest asks for no signatures of it any more",
    )
    assert change.notes == ("The key stays in /etc/aimx/dkim/a.com.",)
    assert again.action is Action.ADOPT
    assert before == kept == files(machine)


def test_another_selector_names_both_keys_anew(machine):
    machine.apply(BOTH)
    before = files(machine)
    text = 'dkim_selector = "s2"\n' + BOTH

    change = machine.change(text, "dkim/a.com/s2-ed25519")
    machine.apply(text)

    assert change.notes == (
        "The key stays the same; publish it as s2-ed25519._domainkey.a.com before mail is signed"
        " with this selector.",
    )
    assert files(machine) == before
    assert machine.plan(text).is_empty


def test_a_selector_may_take_the_name_of_a_key_that_goes(machine):
    machine.apply(BOTH)
    text = 'dkim_selector = "aimx-ed25519"\n' + ONE

    change = machine.change(text, SECOND)
    machine.apply(text)

    assert change.action is Action.UPDATE
    assert machine.plan(text).is_empty


@pytest.mark.parametrize("name", ["ed25519-private.key", "ed25519-public.key"])
def test_a_mode_that_drifted_is_repaired(machine, name):
    machine.apply(BOTH)
    path = home(machine) / name
    before = machine.host.tree()[path]
    machine.host.set_access(path, Access(0o666, 0, 0))

    change = machine.change(BOTH, SECOND)
    machine.apply(BOTH)

    assert change.action is Action.REPAIR
    assert machine.host.tree()[path] == before


def test_an_apply_that_was_killed_between_the_two_keys_is_finished_by_the_next(machine):
    machine.take_until(machine.plan(BOTH), f"{SECOND}#2")
    first = files(machine)["private.key"]

    machine.apply(BOTH)

    assert files(machine)["private.key"] == first
    assert machine.plan(BOTH).is_empty


def test_its_explanation_has_its_own_algorithm_and_selector(machine):
    machine.apply(BOTH)
    desired = machine.desired(BOTH)

    told = explained(SECOND, machine.plan(BOTH), desired, machine.host, machine.roots)

    assert (
        dict(told.desired).items()
        >= {
            "algorithm": "ed25519-sha256",
            "selector": "aimx-ed25519",
        }.items()
    )
