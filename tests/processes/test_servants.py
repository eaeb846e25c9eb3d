"""What a worker keeps on disk is its user's, whoever ran it before."""

import fcntl
import os
import signal
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


def given(directory: Path, beside: Account | None = None) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        hand_over(descriptor, NOW, beside)
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


def test_who_works_beside_the_user_may_write_there_until_it_is_the_users_alone(own: Path) -> None:
    given(own, BEFORE)
    lent = own.stat()
    given(own)
    alone = own.stat()

    assert (lent.st_uid, lent.st_gid, lent.st_mode & 0o777) == (NOW.uid, BEFORE.gid, 0o770)
    assert (alone.st_uid, alone.st_gid, alone.st_mode & 0o777) == (NOW.uid, NOW.gid, 0o700)


def test_whom_the_other_user_let_in_has_no_way_in_any_more(own: Path) -> None:
    (own / "spool").chmod(0o777)
    (own / "spool" / "1.letter").chmod(0o666)

    given(own)

    assert (own / "spool").stat().st_mode & 0o7777 == 0o700
    assert (own / "spool" / "1.letter").stat().st_mode & 0o7777 == 0o600


def test_a_file_that_its_owner_leased_keeps_no_worker_from_being_started(own: Path) -> None:
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # Which tells that somebody wants it.
    leased = os.open(own / "lock", os.O_RDWR)
    try:
        fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        given(own)
    finally:
        os.close(leased)
        signal.signal(signal.SIGIO, before)

    assert (own / "lock").stat().st_uid == BEFORE.uid
    assert (own / "spool" / "1.letter").stat().st_uid == NOW.uid


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
