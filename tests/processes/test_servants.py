"""What a worker keeps on disk is its user's, whoever ran it before."""

import os
from pathlib import Path

import pytest

from aimx.processes.servants import Servants, hand_over
from desired.desired import ServerUsers
from reconcilers.host.host import Account

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives things away")

BEFORE, NOW, SOMEBODY = Account("nobody", 65534, 65534), Account("aimx-out", 61_001, 61_002), 61_003
USERS = ServerUsers()


class Machine:
    """A host, as far as it knows users."""

    def __init__(self, *accounts: Account) -> None:
        self._accounts = {each.name: each for each in accounts}

    def user(self) -> Account:
        return Account("root", 0, 0)

    def account(self, name: str) -> Account | None:
        return self._accounts.get(name)


def owned(path: Path, uid: int) -> Path:
    os.chown(path, uid, uid, follow_symlinks=False)
    return path


def written(path: Path, uid: int) -> Path:
    path.write_bytes(b"x")
    return owned(path, uid)


def given(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        hand_over(descriptor, NOW)
    finally:
        os.close(descriptor)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """As `nobody` left it."""
    own = tmp_path / "out"
    (own / "spool").mkdir(parents=True)
    written(own / "lock", BEFORE.uid)
    written(own / "spool" / "1.letter", BEFORE.uid)
    for each in (own, own / "spool"):
        owned(each, BEFORE.uid)
    return own


def test_all_that_another_user_left_becomes_the_users(own: Path) -> None:
    given(own)

    for each in (own, own / "lock", own / "spool", own / "spool" / "1.letter"):
        assert (each.stat().st_uid, each.stat().st_gid) == (NOW.uid, NOW.gid), each


def test_what_was_made_to_lead_elsewhere_is_given_to_nobody(own: Path, tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    roots, somebodys = written(beside / "roots", 0), written(beside / "somebodys", SOMEBODY)
    (own / "link").symlink_to(somebodys)
    (own / "directory").symlink_to(beside)
    (own / "spool" / "hard").hardlink_to(somebodys)
    (own / "hard").hardlink_to(roots)
    written(own / "restored", 0)
    os.mkfifo(own / "fifo")
    for name in ("link", "directory", "fifo"):
        owned(own / name, BEFORE.uid)

    given(own)

    assert (roots.stat().st_uid, somebodys.stat().st_uid) == (0, SOMEBODY)
    assert beside.stat().st_uid == 0
    assert (own / "restored").stat().st_uid == 0
    assert (own / "fifo").stat().st_uid == BEFORE.uid
    assert (own / "lock").stat().st_uid == NOW.uid


def test_directories_in_directories_are_not_gone_through(own: Path) -> None:
    deep = own / "spool" / "deeper"
    deep.mkdir()
    owned(deep, BEFORE.uid)
    written(deep / "deep", BEFORE.uid)

    given(own)

    assert deep.stat().st_uid == NOW.uid
    assert (deep / "deep").stat().st_uid == BEFORE.uid


def test_nobody_stands_in_until_there_is_the_user() -> None:
    without, found = Servants(Machine(BEFORE)), Servants(Machine(BEFORE, NOW))

    assert without.user("outbound", USERS) == BEFORE
    assert found.user("outbound", USERS) == NOW
    assert found.user("inbound", USERS) == BEFORE


@pytest.mark.parametrize(
    ("accounts", "runs", "overdue"),
    [
        ((BEFORE, NOW), BEFORE, True),
        ((BEFORE, NOW), NOW, False),
        ((BEFORE,), BEFORE, False),
        ((BEFORE,), NOW, False),
    ],
    ids=["made", "runs-already", "not-yet", "not-to-be-found"],
)
def test_a_worker_is_overdue_once_there_is_the_user_it_should_run_as(
    accounts: tuple[Account, ...], runs: Account, overdue: bool
) -> None:
    assert Servants(Machine(*accounts)).is_overdue("outbound", USERS, runs) is overdue
