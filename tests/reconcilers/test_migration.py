"""Installs of layout 1, each planned, applied, interrupted everywhere, and looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import PurePosixPath

import pytest

from desired import manifest
from desired.desired import Desired, Removed
from desired.engine_config import render
from desired.names import Address
from desired.problem import ManifestError, Source, render_problem
from reconcilers.apply import apply
from reconcilers.change import Action
from reconcilers.downgrade import downgrade
from reconcilers.generations import Who, applied, leads_to, record
from reconcilers.host.faulty import Fault, Faulty, Killed
from reconcilers.host.host import Access, Account, Host, Nature, StepError
from reconcilers.host.keys import new_private_key
from reconcilers.host.memory import MemoryHost
from reconcilers.host.read_only import ReadOnly
from reconcilers.journal import Journal
from reconcilers.plan import Plan
from reconcilers.planning import plan
from reconcilers.receipt import Outcome, Tally, final
from reconcilers.roots import Roots
from reconcilers.rsa import public_half
from reconcilers.state import make_state
from reconcilers.step import Hands, Phase

ROOTS = Roots(
    *map(PurePosixPath, ("/etc/aimx", "/var/lib/aimx", "/run/aimx", "/etc/aimx/manifest.toml"))
)
ALICE = Account("alice", 1001, 1001)
ACCOUNTS = [
    ALICE,
    *(
        Account(name, uid, uid)
        for uid, name in enumerate(("bob", "aimx-in", "aimx-out", "aimx-catchall"), start=1002)
    ),
]
HOME = ROOTS.data / "one.example"
KEY = new_private_key()
OTHER_KEY = new_private_key()
MAIL = b"+++\n"

SINGLE = """\
# written by hand
domain = "one.example"
[mailboxes.info]
address = "info@one.example"
owner = "alice"
[mailboxes.catchall]
address = "*@one.example"
owner = "aimx-catchall"
"""
FRIENDLY = """\
domain = "one.example"
[mailboxes.help]  # calls itself otherwise
address = "support@one.example"
owner = "alice"
[mailboxes.info]
address = "info@one.example"
owner = "bob"
"""
MIXED = """\
domains = ["one.example"]
[mailboxes.help]
address = "support@one.example"
owner = "alice"
[mailboxes."info@one.example"]
owner = "bob"
"""
TWO = """\
domains = ["one.example", "two.example"]
dkim_selector = "aimx"
[domain."two.example"]
dkim_selector = "s2025"
trust = "verified"
[mailboxes.info]
address = "info@one.example"
owner = "alice"
[mailboxes.sales]
address = "sales@two.example"
owner = "bob"
"""


@dataclass(frozen=True, slots=True)
class Install:
    """An install of layout 1, by what is in it."""

    config: str
    files: Mapping[str, str]  # Where mail is, and whose it is.
    two: bool = False  # The second domain has a key of its own.


INSTALLS = {
    "one domain with a catchall": Install(
        SINGLE,
        {
            "inbox/info/2026-01-02-030405-hello.md": "alice",
            "inbox/info/2026-01-02-030500-report/data.csv": "alice",
            "inbox/catchall/2026-01-02-030405-stray.md": "aimx-catchall",
            "sent/info/2026-01-02-030405-re-hello.md": "alice",
        },
    ),
    "names that are no local parts": Install(
        FRIENDLY, {"inbox/help/a.md": "alice", "sent/help/b.md": "alice", "inbox/info/c.md": "bob"}
    ),
    "names and addresses": Install(MIXED, {"inbox/help/a.md": "alice", "inbox/info/c.md": "bob"}),
    "two domains with overrides": Install(
        TWO,
        {"inbox/info/a.md": "alice", "inbox/sales/b.md": "bob", "sent/sales/c.md": "bob"},
        two=True,
    ),
    "no sent tree": Install(SINGLE, {"inbox/info/a.md": "alice"}),
}

# Where the mail of each is afterwards.
PLACES = {
    "inbox/help/a.md": "one.example/inbox/support/a.md",
    "sent/help/b.md": "one.example/sent/support/b.md",
    "inbox/sales/b.md": "two.example/inbox/sales/b.md",
    "sent/sales/c.md": "two.example/sent/sales/c.md",
}

installs = pytest.mark.parametrize("install", INSTALLS.values(), ids=INSTALLS.keys())


def machine(install: Install, roots: Roots = ROOTS) -> MemoryHost:
    host = MemoryHost(roots, accounts=ACCOUNTS)
    host.plant_directory(roots.config, Access(0o755, 0, 0))
    host.plant_file(roots.engine_config, install.config.encode(), Access(0o600, 0, 0))
    host.plant_directory(roots.dkim, Access(0o700, 0, 0))
    _plant_key(host, roots.dkim, KEY)
    if install.two:
        _plant_key(host, roots.keys("two.example"), OTHER_KEY)
    host.plant_directory(roots.data, Access(0o755, 0, 0))
    for path, owner in install.files.items():
        _plant_mail(host, roots.data / path, owner)
    return host


def _plant_key(host: MemoryHost, home: PurePosixPath, key: bytes) -> None:
    host.plant_file(home / "private.key", key, Access(0o600, 0, 0))
    host.plant_file(home / "public.key", public_half(key).pem, Access(0o644, 0, 0))


def _plant_mail(host: MemoryHost, path: PurePosixPath, owner: str) -> None:
    account = host.account(owner)
    assert account is not None
    host.plant_file(path, MAIL, Access(0o600, account.uid, account.gid))
    for above in path.parents:
        if above.parent.name in {"inbox", "sent"}:
            host.plant_directory(above, Access(0o700, account.uid, account.gid))


def wanted(host: Host, roots: Roots = ROOTS) -> Desired:
    """From the manifest, or from what an older install left in its place."""
    path = roots.manifest if host.look(roots.manifest) else roots.engine_config
    content = host.read(path)
    assert content is not None
    return manifest.read([Source(str(path), content)]).desired


def planned(host: Host, roots: Roots = ROOTS) -> Plan:
    return plan(wanted(host, roots), ReadOnly(host), roots)


class Engine:
    def prepare(self, config: bytes) -> None: ...

    def commit(self) -> None: ...

    def drop(self) -> None: ...


def converge(host: Host) -> None:
    """Plan and apply, as whoever holds the lock does."""
    make_state(host, ROOTS)
    made = planned(host)
    assert not made.blocked, made.blocked
    receipts = list(apply(made, Hands(host, Engine()), Journal(host, ROOTS, leads_to(made))))
    tally = Tally.of(final(receipts), 0, leads_to(made))
    if tally.is_complete:
        who = Who(0, "root", "test")
        record(host, ROOTS, applied(host, ROOTS, made, receipts, document=b"", sources=(), who=who))
    else:
        assert any(receipt.outcome is Outcome.FAILED for receipt in receipts)


def standing(host: MemoryHost) -> Mapping[PurePosixPath, object]:
    """All that is there but how it came about, and certificates, which nobody makes twice."""
    return {
        path: (nature, access, b"" if path.suffix == ".pem" else content)
        for path, (nature, access, content) in host.tree().items()
        if not any(path.is_relative_to(kept) for kept in (ROOTS.journal, ROOTS.generations))
    }


@installs
def test_a_plan_shows_the_whole_migration_and_changes_nothing(install: Install) -> None:
    host = machine(install)
    before = host.tree()

    made = planned(host)

    assert host.tree() == before
    by_address = {change.address: change for change in made.changes}
    layout = by_address["layout"]
    assert (layout.action, layout.blocked) == (Action.MOVE, None)
    told = {field.before: field.after for field in layout.fields}
    assert told[str(ROOTS.data / "inbox")] == str(ROOTS.data / "one.example/inbox")
    assert told[str(ROOTS.dkim / "private.key")] == str(ROOTS.dkim / "one.example/private.key")
    assert by_address["manifest"].action is Action.ADOPT
    assert {change.address for change in made.changes if change.action is Action.CREATE} <= {
        *("domain/two.example", "certificate", "readme"),
        *(() if "inbox/catchall" in str(install.files) else ("mailbox/*@one.example",)),
    }


@installs
def test_a_migration_keeps_every_mail_and_every_key_as_it_was(install: Install) -> None:
    host = machine(install)
    inodes = {path: _inode(host, path) for path in install.files}

    converge(host)

    for path, owner in install.files.items():
        there = ROOTS.data / PLACES.get(path, f"one.example/{path}")
        account = host.account(owner)
        assert account is not None
        assert _inode(host, there, absolute=True) == inodes[path]
        assert host.tree()[there] == (Nature.FILE, Access(0o600, account.uid, account.uid), MAIL)
    assert host.read(ROOTS.keys("one.example") / "private.key") == KEY
    if install.two:
        assert host.read(ROOTS.keys("two.example") / "private.key") == OTHER_KEY
    assert host.read(ROOTS.manifest) == install.config.encode()
    assert host.read(ROOTS.marker) == b"2\n"
    assert not {"inbox", "sent"} & set(host.names(ROOTS.data) or ())
    assert not {"private.key", "public.key"} & set(host.names(ROOTS.dkim) or ())


def _inode(host: MemoryHost, path: str | PurePosixPath, *, absolute: bool = False) -> int:
    entry = host.look(PurePosixPath(path) if absolute else ROOTS.data / path)
    assert entry is not None
    return entry.inode


@installs
def test_what_was_migrated_is_planned_to_stay_as_it_is(install: Install) -> None:
    host = machine(install)

    converge(host)

    assert planned(host).is_empty


FRIENDLIER = INSTALLS["names that are no local parts"]


@pytest.mark.parametrize(
    ("install", "fault"),
    [
        *(
            pytest.param(install, Fault.KILLED_BEFORE, id=f"killed-{name}")
            for name, install in INSTALLS.items()
        ),
        pytest.param(FRIENDLIER, Fault.REFUSED, id="refused"),
        pytest.param(FRIENDLIER, Fault.FAILED_AFTER, id="failed-after"),
    ],
)
def test_a_migration_that_was_interrupted_anywhere_ends_like_one_that_was_not(
    install: Install, fault: Fault
) -> None:
    before = machine(install)
    whole = deepcopy(before)
    converge(counting := Faulty(whole, 0, fault))

    for strike in range(1, counting.changes + 1):
        host = deepcopy(before)
        with suppress(Killed, StepError):
            converge(Faulty(host, strike, fault))
        if host.look(ROOTS.marker) is not None:
            assert host.look(ROOTS.data / "inbox") is None

        converge(host)

        assert standing(host) == standing(whole), f"struck at change {strike}"
        assert planned(host).is_empty


def _blocked(host: MemoryHost) -> tuple[str, str]:
    before = host.tree()
    made = planned(host)
    assert made.refused is not None
    assert made.steps == ()
    assert host.tree() == before
    return made.refused.code, made.refused.reason


@pytest.mark.parametrize("folder", ["inbox", "sent"])
def test_an_old_tree_and_a_new_one_are_not_mixed(folder: str) -> None:
    host = machine(INSTALLS["one domain with a catchall"])
    _plant_mail(host, ROOTS.data / "one.example" / folder / "info" / "new.md", "alice")

    code, reason = _blocked(host)

    assert code == "both-exist"
    assert f"{ROOTS.data / folder} and {ROOTS.data / 'one.example' / folder}" in reason


def test_two_trees_without_any_other_sign_are_seen_as_well() -> None:
    host = machine(INSTALLS["one domain with a catchall"])
    config = b'domains = ["one.example"]\n[mailboxes."info@one.example"]\nowner = "alice"\n'
    host.replace(ROOTS.engine_config, config, Access(0o640, 0, 0))
    _plant_mail(host, ROOTS.data / "one.example/inbox/info/new.md", "alice")

    assert _blocked(host)[0] == "both-exist"


@pytest.mark.parametrize(
    ("left", "sign"),
    [
        pytest.param("inbox", f"{ROOTS.data}/inbox is a mail tree without a domain", id="inbox"),
        pytest.param("sent", f"{ROOTS.data}/sent is a mail tree without a domain", id="sent"),
        pytest.param("key", f"{ROOTS.dkim}/private.key is a key without a domain", id="key"),
    ],
)
def test_a_single_sign_of_layout_1_is_enough_and_told(left: str, sign: str) -> None:
    host = MemoryHost(ROOTS, accounts=ACCOUNTS)
    config = b'domains = ["one.example"]\n[mailboxes."info@one.example"]\nowner = "alice"\n'
    host.plant_directory(ROOTS.data, Access(0o755, 0, 0))
    host.plant_file(ROOTS.manifest, config, Access(0o640, 0, 0))
    if left == "key":
        host.plant_file(ROOTS.dkim / "private.key", KEY, Access(0o600, 0, 0))
    else:
        _plant_mail(host, ROOTS.data / left / "info/a.md", "alice")

    (layout,) = (change for change in planned(host).changes if change.address == "layout")

    assert layout.action is Action.MOVE
    assert layout.why == f"this is an install of layout version 1: {sign}"


def test_what_a_migration_makes_is_never_open_to_more_than_it_will_be() -> None:
    host = machine(INSTALLS["one domain with a catchall"])
    make_state(host, ROOTS)

    for step in planned(host).steps:
        if step.phase is Phase.MIGRATE:
            step.operation.take(Hands(host, Engine()))

    modes = {path: host.tree()[path][1].mode for path in (ROOTS.keys("one.example"), HOME)}
    assert modes == {ROOTS.keys("one.example"): 0o700, HOME: 0o755}
    assert host.read(ROOTS.keys("one.example") / "private.key") == KEY


def test_an_old_key_and_a_new_one_are_not_mixed() -> None:
    host = machine(INSTALLS["one domain with a catchall"])
    _plant_key(host, ROOTS.keys("one.example"), OTHER_KEY)

    assert _blocked(host)[0] == "both-exist"


@pytest.mark.parametrize("empty", ["one.example/inbox/info", "one.example/inbox"])
def test_an_empty_new_tree_gives_way(empty: str) -> None:
    host = machine(INSTALLS["one domain with a catchall"])
    host.plant_directory(ROOTS.data / empty)

    converge(host)

    assert host.read(ROOTS.data / "one.example/inbox/info/2026-01-02-030405-hello.md") == MAIL
    assert planned(host).is_empty


def test_an_empty_old_tree_gives_way() -> None:
    host = machine(Install(SINGLE, {}))
    host.plant_directory(ROOTS.data / "inbox/info")
    _plant_mail(host, ROOTS.data / "one.example/inbox/info/new.md", "alice")

    converge(host)

    assert host.look(ROOTS.data / "inbox") is None
    assert host.read(ROOTS.data / "one.example/inbox/info/new.md") == MAIL


def test_two_names_with_one_address_are_refused_by_both_names() -> None:
    twice = FRIENDLY.replace("info@", "support@")
    with pytest.raises(ManifestError) as refused:
        manifest.read([Source("config.toml", twice.encode())])

    told = "\n".join(map(render_problem, refused.value.problems))
    assert "'help' and 'info' are both that mailbox" in told


def test_two_names_with_one_address_in_a_config_that_is_left_are_refused_as_well() -> None:
    host = machine(Install(FRIENDLY.replace("info@", "support@"), {"inbox/help/a.md": "alice"}))
    now = b'domains = ["one.example"]\n[mailboxes."support@one.example"]\nowner = "alice"\n'
    host.plant_file(ROOTS.manifest, now)

    code, reason = _blocked(host)

    assert code == "one-address"
    assert "'help' and 'info'" in reason


def test_a_name_that_leads_elsewhere_in_a_config_that_is_left_renames_nothing() -> None:
    host = machine(
        Install(FRIENDLY.replace("mailboxes.help", 'mailboxes."../../../elsewhere"'), {})
    )
    now = b'domains = ["one.example"]\n[mailboxes."support@one.example"]\nowner = "alice"\n'
    host.plant_file(ROOTS.manifest, now)
    elsewhere = ROOTS.mailbox("one.example", "inbox", "../../../elsewhere")
    _plant_mail(host, elsewhere / "a.md", "alice")

    moves = [step.operation for step in planned(host).steps if step.phase is Phase.MIGRATE]

    assert not any("elsewhere" in str(each) for each in moves)


def test_a_name_that_is_the_address_of_another_is_refused() -> None:
    crossed = FRIENDLY.replace("mailboxes.info", "mailboxes.support")
    host = machine(Install(crossed, {"inbox/help/a.md": "alice", "inbox/support/b.md": "bob"}))

    code, reason = _blocked(host)

    assert code == "names-cross"
    assert "support@one.example" in reason
    assert "info@one.example" in reason


@pytest.mark.parametrize("path", ["inbox", "one.example"])
def test_another_file_system_is_refused_before_anything_is_done(path: str) -> None:
    host = machine(INSTALLS["one domain with a catchall"])
    host.plant_file_system(ROOTS.data / path)

    code, reason = _blocked(host)

    assert code == "other-file-system"
    assert "same file system" in reason


@pytest.mark.parametrize(
    "path",
    [
        "/var/lib/aimx/inbox",
        "/var/lib/aimx/one.example",
        "/etc/aimx/dkim",
        "/etc/aimx/dkim/one.example",
    ],
)
def test_a_link_in_the_place_of_a_directory_is_refused(path: str) -> None:
    host = machine(Install(SINGLE, {"sent/info/a.md": "alice"}))
    host.remove_tree(PurePosixPath(path))
    host.plant_other(PurePosixPath(path), Nature.SYMLINK)

    code, reason = _blocked(host)

    assert code == "symlink-in-the-way"
    assert path in reason


def test_a_mailbox_that_is_a_link_is_not_renamed() -> None:
    host = machine(Install(FRIENDLY, {"inbox/info/c.md": "bob"}))
    host.plant_other(ROOTS.data / "inbox/help", Nature.SYMLINK)

    assert _blocked(host)[0] == "symlink-in-the-way"


def test_a_corrupt_marker_is_told_and_nothing_is_migrated() -> None:
    host = machine(INSTALLS["one domain with a catchall"])
    host.plant_file(ROOTS.marker, b"3\n")

    code, reason = _blocked(host)

    assert code == "marker-corrupt"
    assert "'3'" in reason


def test_an_older_config_and_nothing_else_is_an_older_install() -> None:
    host = MemoryHost(ROOTS, accounts=ACCOUNTS)
    host.plant_directory(ROOTS.data)
    host.plant_file(ROOTS.engine_config, SINGLE.encode())

    layout = next(change for change in planned(host).changes if change.address == "layout")

    assert layout.action is Action.MOVE
    assert "`domain` in the place of `domains`" in layout.why


def test_a_data_directory_that_was_named_is_not_written_into_the_config() -> None:
    host = machine(INSTALLS["one domain with a catchall"])

    converge(host)

    assert b"data_dir" not in (host.read(ROOTS.engine_config) or b"data_dir")


def test_mail_of_a_domain_that_the_config_does_not_name_first_any_more_stays_of_it() -> None:
    host = machine(INSTALLS["one domain with a catchall"])
    host.plant_file(
        ROOTS.manifest,
        b'domains = ["two.example", "one.example"]\n'
        b'[mailboxes."info@one.example"]\nowner = "alice"\n'
        b'[mailboxes."*@one.example"]\nowner = "aimx-catchall"\n',
    )

    converge(host)

    mail = ROOTS.data / "one.example/inbox/info/2026-01-02-030405-hello.md"
    assert host.read(mail) == MAIL
    assert host.read(ROOTS.keys("one.example") / "private.key") == KEY


def test_an_install_at_layout_2_is_adopted_with_its_modes_repaired() -> None:
    host = machine(Install(TWO, {}, two=True))
    host.move(ROOTS.dkim / "private.key", ROOTS.dkim / "old")
    host.remove_file(ROOTS.dkim / "public.key")
    _plant_key(host, ROOTS.keys("one.example"), KEY)
    host.plant_directory(ROOTS.data / "two.example", Access(0o700, 0, 0))
    _plant_mail(host, ROOTS.data / "one.example/inbox/info/a.md", "alice")
    _plant_mail(host, ROOTS.data / "two.example/inbox/sales/b.md", "bob")
    host.plant_file(ROOTS.marker, b"2\n", Access(0o644, 0, 0))

    converge(host)

    assert host.read(ROOTS.manifest) == TWO.encode()
    assert host.read(ROOTS.keys("one.example") / "private.key") == KEY
    assert host.read(ROOTS.data / "two.example/inbox/sales/b.md") == MAIL
    assert host.look(ROOTS.data / "two.example").mode == 0o755
    assert planned(host).is_empty


def test_nothing_of_an_install_that_is_adopted_has_drifted() -> None:
    host = machine(Install(TWO, {}, two=True))
    _plant_mail(host, ROOTS.data / "one.example/inbox/info/a.md", "alice")
    host.set_access(ROOTS.data / "one.example/inbox/info", Access(0o755, 1000, 1000))
    host.plant_file(ROOTS.marker, b"2\n", Access(0o644, 0, 0))

    plan = planned(host)

    addresses = {change.address for change in plan.changes}
    assert {"mailbox/info@one.example", "domain/two.example"} <= addresses
    assert [change.address for change in plan.changes if change.drifted] == []
    assert [change.address for change in plan.changes if "last apply" in change.why] == []


def test_a_key_that_an_older_install_lost_is_not_made_anew() -> None:
    host = machine(Install(TWO, {"inbox/info/a.md": "alice"}))

    blocked = {change.address: change.blocked for change in planned(host).blocked}

    assert blocked["dkim/two.example/s2025"].code == "key-lost"


def retreat(host: Host) -> None:
    """Plan the way back and take it, as whoever holds the lock does."""
    made = downgrade(wanted(host), ReadOnly(host), ROOTS)
    assert made.refused is None
    list(apply(made, Hands(host, Engine()), Journal(host, ROOTS, made.generation)))


def mail_and_keys(host: MemoryHost) -> Mapping[PurePosixPath, object]:
    return {
        path: (access, content, _inode(host, path, absolute=True))
        for path, (nature, access, content) in host.tree().items()
        if nature is Nature.FILE
        and (path.is_relative_to(ROOTS.data) or path.is_relative_to(ROOTS.dkim))
        and path.suffix in (".md", ".csv", ".key")
        and path != ROOTS.readme
        and not path.is_relative_to(ROOTS.generations)
    }


SINGLES = [name for name, install in INSTALLS.items() if not install.two]
singles = pytest.mark.parametrize("name", SINGLES)


@singles
def test_the_way_back_brings_mail_and_keys_to_where_they_were(name: str) -> None:
    host = machine(INSTALLS[name])
    before = mail_and_keys(host)
    converge(host)

    retreat(host)

    assert mail_and_keys(host) == before
    assert host.look(ROOTS.marker) is None
    assert host.look(ROOTS.manifest) is None
    config = host.read(ROOTS.engine_config) or b""
    assert config.startswith(b'domain = "one.example"\n')
    assert "one.example" not in (host.names(ROOTS.data) or ())
    assert downgrade(wanted(host), ReadOnly(host), ROOTS).is_empty


@singles
def test_what_went_back_can_be_migrated_again(name: str) -> None:
    host = machine(INSTALLS[name])
    converge(host)
    mail = mail_and_keys(host)
    retreat(host)

    converge(host)

    assert mail_and_keys(host) == mail
    assert planned(host).is_empty


@pytest.mark.parametrize("onward", [retreat, converge])
def test_a_way_back_that_was_interrupted_anywhere_goes_on_in_either_direction(onward) -> None:
    before = machine(FRIENDLIER)
    converge(before)
    whole = deepcopy(before)
    retreat(counting := Faulty(whole, 0, Fault.KILLED_BEFORE))
    if onward is converge:
        converge(whole)

    for strike in range(1, counting.changes + 1):
        host = deepcopy(before)
        with suppress(Killed):
            retreat(Faulty(host, strike, Fault.KILLED_BEFORE))

        onward(host)

        assert mail_and_keys(host) == mail_and_keys(whole), f"struck at change {strike}"


def test_there_is_no_way_back_for_two_domains() -> None:
    host = machine(INSTALLS["two domains with overrides"])
    converge(host)

    made = downgrade(wanted(host), ReadOnly(host), ROOTS)

    assert made.steps == ()
    assert made.refused is not None
    assert made.refused.code == "several-domains"


def test_the_way_back_says_what_layout_1_has_no_place_for() -> None:
    host = machine(INSTALLS[SINGLES[0]])
    converge(host)
    desired = wanted(host)
    domain = replace(desired.domains[0], protect=True, rotate_every=timedelta(days=90))
    gone = Removed(Address.parse("gone@one.example"))
    desired = replace(desired, domains=(domain,), removed=(gone,))

    (*_, note) = downgrade(desired, ReadOnly(host), ROOTS).changes[0].notes

    assert note.startswith("A config of layout 1 has no place for the domain's protection, ")
    assert "dkim.rotate_every, [[moved]] and [[removed]]; manifest.toml.generation-" in note


def test_a_second_key_waits_where_it_is_until_layout_2_asks_for_it_again() -> None:
    host = machine(INSTALLS[SINGLES[0]])
    converge(host)
    (domain,) = wanted(host).domains
    both = replace(domain, algorithms=("rsa-sha256", "ed25519-sha256"))
    asked = render(replace(wanted(host), domains=(both,)), 1)
    host.plant_file(ROOTS.manifest, asked)
    converge(host)
    home = ROOTS.keys("one.example")
    first, second = host.read(home / "private.key"), host.read(home / "ed25519-private.key")

    notes = downgrade(wanted(host), ReadOnly(host), ROOTS).changes[0].notes
    retreat(host)
    back = host.read(ROOTS.dkim / "private.key"), host.read(home / "ed25519-private.key")
    converge(host)
    host.plant_file(ROOTS.manifest, asked)
    (change,) = (each for each in planned(host).changes if each.kind == "dkim")
    converge(host)

    assert any("no place for dkim.algorithms" in note for note in notes)
    assert back == (first, second)
    assert (change.address, change.action) == (
        f"dkim/one.example/{domain.selector}-ed25519",
        Action.ADOPT,
    )
    assert host.read(home / "private.key") == first
    assert host.read(home / "ed25519-private.key") == second
    assert planned(host).is_empty
