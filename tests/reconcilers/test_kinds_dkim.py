import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from reconcilers.change import Action, Field
from reconcilers.host.host import Access, Nature

ONE = 'domains = ["a.com"]\n'
TWO = 'domains = ["a.com", "b.com"]\n'
KEY = "dkim/a.com/aimx"


def plant_key(machine, name="private.key", domain="b.com", content=None):
    content = machine.host.new_private_key() if content is None else content
    machine.host.plant_file(machine.roots.keys(domain) / name, content)
    return content


def test_a_new_key_is_rsa_2048_in_pkcs_1_and_its_public_half_stands_beside_it(machine):
    machine.apply(ONE)

    home = machine.roots.keys("a.com")
    private, public = (
        machine.host.read(home / "private.key"),
        machine.host.read(home / "public.key"),
    )
    key = load_pem_private_key(private, None)
    assert private.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    assert key.key_size == 2048
    assert key.public_key() == load_pem_public_key(public)
    accesses = {n: machine.host.look(home / n).mode for n in ("private.key", "public.key")}
    assert accesses == {"private.key": 0o600, "public.key": 0o644}
    assert machine.host.look(home).mode == 0o700


def test_a_key_put_there_beforehand_is_adopted_byte_for_byte(machine):
    content = plant_key(machine)

    change = machine.change(TWO, "dkim/b.com/aimx")
    machine.apply(TWO)

    home = machine.roots.keys("b.com")
    assert change.action is Action.ADOPT
    assert machine.host.read(home / "private.key") == content
    assert machine.host.look(home).mode == 0o700
    assert machine.host.look(home / "public.key").mode == 0o644


def test_a_key_in_pkcs_8_is_adopted_as_it_is(machine):
    pem = load_pem_private_key(machine.host.new_private_key(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    plant_key(machine, content=pem)

    machine.apply(TWO)

    assert machine.host.read(machine.roots.keys("b.com") / "private.key") == pem
    assert machine.plan(TWO).is_empty


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "it is not a private key in PEM", id="empty"),
        pytest.param(b"nonsense", "it is not a private key in PEM", id="nonsense"),
        pytest.param(
            b"-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----\n",
            "it is cut off",
            id="cut off",
        ),
        pytest.param(
            b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
            "it is protected by a passphrase, which nobody could type",
            id="encrypted",
        ),
    ],
)
def test_a_key_of_no_use_is_blocked_and_stays(machine, content, reason):
    plant_key(machine, content=content)

    change = machine.change(TWO, "dkim/b.com/aimx")
    machine.carry_out(machine.plan(TWO))

    assert change.blocked.code == "key-unusable"
    assert change.blocked.reason.endswith(f"cannot sign: {reason}")
    assert machine.host.read(machine.roots.keys("b.com") / "private.key") == content


def test_the_engine_does_not_hear_of_a_domain_whose_key_is_blocked(machine):
    machine.apply(ONE)
    before = machine.host.read(machine.roots.engine_config)
    plant_key(machine, content=b"nonsense")

    plan = machine.plan(TWO)
    machine.carry_out(plan)

    config = next(change for change in plan.changes if change.address == "config")
    assert config.blocked.reason == "it needs dkim/b.com/aimx, which is blocked"
    assert machine.host.read(machine.roots.engine_config) == before


def test_a_lost_key_is_never_made_anew(machine):
    machine.apply(ONE)
    machine.host.remove_file(machine.roots.keys("a.com") / "private.key")

    change = machine.change(ONE, KEY)
    machine.carry_out(machine.plan(ONE))

    assert change.blocked.code == "key-lost"
    assert "restore it from a backup" in change.blocked.remedy
    assert machine.host.look(machine.roots.keys("a.com") / "private.key") is None


def test_a_lost_key_directory_is_a_lost_key(machine):
    machine.apply(ONE)
    machine.host.remove_tree(machine.roots.keys("a.com"))

    assert machine.change(ONE, KEY).blocked.code == "key-lost"


def test_a_lost_key_does_not_hold_up_the_rest(machine):
    machine.apply(ONE)
    machine.host.remove_file(machine.roots.keys("a.com") / "private.key")
    text = ONE + '[mailboxes."x@a.com"]\nowner = "alice"\n'

    plan = machine.apply(text)

    assert [change.address for change in plan.blocked] == [KEY]
    assert [change.address for change in plan.pending] == ["mailbox/x@a.com", "config"]


def test_the_key_of_a_removed_domain_stays_and_signs_when_it_is_declared_again(machine):
    machine.apply(TWO)
    home = machine.roots.keys("b.com")
    before = {name: machine.host.read(home / name) for name in machine.host.names(home)}
    machine.apply(ONE, allow_removals=2)

    kept = {name: machine.host.read(home / name) for name in machine.host.names(home)}
    change = machine.change(TWO, "dkim/b.com/aimx")
    machine.apply(TWO)

    assert kept == before
    assert change.action is Action.ADOPT
    assert {name: machine.host.read(home / name) for name in machine.host.names(home)} == before


def test_a_public_key_alone_tells_of_a_lost_key(machine):
    plant_key(machine, "public.key", content=b"public")

    change = machine.change(TWO, "dkim/b.com/aimx")

    assert change.blocked.code == "key-lost"
    assert "public.key is still there" in change.blocked.reason


def test_no_key_is_made_where_nobody_can_tell_what_was_applied(machine):
    machine.apply(ONE)
    machine.host.plant_file(machine.roots.engine_config, b"not [ toml")
    machine.host.remove_tree(machine.roots.generations)

    change = machine.change(TWO, "dkim/b.com/aimx")

    assert change.blocked.code == "past-unknown"


def test_the_record_of_a_generation_tells_what_a_broken_engine_config_cannot(machine):
    machine.apply(ONE)
    machine.host.plant_file(machine.roots.engine_config, b"not [ toml")

    assert machine.change(TWO, "dkim/b.com/aimx").blocked is None
    machine.host.remove_tree(machine.roots.keys("a.com"))
    assert machine.change(TWO, KEY).blocked.code == "key-lost"


def test_another_selector_is_another_name_of_the_same_key(machine):
    machine.apply(ONE)
    home = machine.roots.keys("a.com")
    before = machine.host.read(home / "private.key")
    text = ONE + 'dkim_selector = "s2025"\n'

    change = machine.change(text, "dkim/a.com/s2025")
    plan = machine.apply(text)

    assert change.action is Action.UPDATE
    assert change.fields == (Field("selector", "aimx", "s2025"),)
    assert machine.host.read(home / "private.key") == before
    assert [change.address for change in plan.changes] == ["dkim/a.com/s2025", "config"]
    assert machine.plan(text).is_empty


def test_the_key_that_bears_the_selectors_name_is_the_one(machine):
    plant_key(machine, "private.key")
    named = plant_key(machine, "aimx.private.key")

    machine.apply(TWO)

    home = machine.roots.keys("b.com")
    key = load_pem_private_key(named, None).public_key()
    assert load_pem_public_key(machine.host.read(home / "aimx.public.key")) == key
    assert machine.host.look(home / "public.key") is None
    assert machine.plan(TWO).is_empty


def test_a_key_with_a_selectors_name_keeps_signing_under_another(machine):
    named = plant_key(machine, "aimx.private.key")
    machine.apply(TWO)
    text = TWO + '[domain."b.com"]\ndkim_selector = "s2"\n'

    machine.apply(text)

    home = machine.roots.keys("b.com")
    assert machine.host.read(home / "s2.private.key") == named
    assert machine.host.read(home / "aimx.private.key") == named
    assert machine.plan(text).is_empty


def test_a_public_key_of_another_key_is_derived_again(machine):
    machine.apply(ONE)
    public = machine.roots.keys("a.com") / "public.key"
    before = machine.host.tree()[public]
    machine.host.plant_file(public, b"something else", Access(0o644, 0, 0))

    change = machine.change(ONE, KEY)
    machine.apply(ONE)

    assert change.action is Action.REPAIR
    assert change.drifted
    assert machine.host.tree()[public] == before


def test_a_private_key_that_somebody_changed_is_kept_and_has_to_be_published(machine):
    machine.apply(ONE)
    private = machine.roots.keys("a.com") / "private.key"
    theirs = machine.host.new_private_key()
    machine.host.replace(private, theirs, Access(0o600, 0, 0))

    change = machine.change(ONE, KEY)
    machine.apply(ONE)

    assert [field.after.partition("; ")[2] for field in change.fields] == [
        "publish it, if that is what was changed"
    ]
    assert machine.host.read(private) == theirs


@pytest.mark.parametrize("name", ["", "private.key", "public.key"])
def test_a_mode_that_drifted_is_repaired(machine, name):
    machine.apply(ONE)
    path = machine.roots.keys("a.com") / name
    before = machine.host.tree()[path]
    machine.host.set_access(path, Access(0o666, 0, 0))

    machine.apply(ONE)

    assert machine.host.tree()[path] == before
    assert machine.plan(ONE).is_empty


def test_a_link_in_the_place_of_a_key_is_blocked(machine):
    machine.host.plant_other(machine.roots.keys("b.com") / "private.key", Nature.SYMLINK)

    assert machine.change(TWO, "dkim/b.com/aimx").blocked.code == "symlink-in-the-way"


def test_a_link_in_the_place_of_a_key_directory_is_blocked_and_the_others_go_on(machine):
    machine.host.plant_other(machine.roots.keys("b.com"), Nature.SYMLINK)

    plan = machine.plan(TWO)

    assert plan.unsettled == ()
    assert {c.address: c.blocked.code for c in plan.blocked} == {
        "dkim/b.com/aimx": "symlink-in-the-way",
        "config": "needs-another",
    }


def test_a_key_directory_of_somebody_else_is_blocked(machine):
    plant_key(machine)
    machine.host.plant_directory(machine.roots.keys("b.com"), Access(0o700, 1000, 1000))

    assert machine.change(TWO, "dkim/b.com/aimx").blocked.code == "foreign-owner"


def test_the_key_of_a_removed_domain_is_kept(machine):
    machine.apply(TWO)
    before = machine.host.read(machine.roots.keys("b.com") / "private.key")

    change = machine.change(ONE, "dkim/b.com/aimx")
    machine.apply(ONE)

    assert change.action is Action.FORGET
    assert change.notes == ("The key stays in /etc/aimx/dkim/b.com.",)
    assert machine.host.read(machine.roots.keys("b.com") / "private.key") == before


def test_a_domain_that_comes_back_finds_its_key(machine):
    machine.apply(TWO)
    machine.apply(ONE)

    assert machine.change(TWO, "dkim/b.com/aimx").action is Action.ADOPT


def test_a_key_that_the_operator_made_anew_after_a_loss_is_taken(machine):
    machine.apply(ONE)
    home = machine.roots.keys("a.com")
    machine.host.remove_file(home / "private.key")
    machine.host.plant_file(home / "private.key", machine.host.new_private_key())

    change = machine.change(ONE, KEY)
    machine.apply(ONE)

    assert (change.action, change.blocked) == (Action.REPAIR, None)
    assert machine.plan(ONE).is_empty
