from pathlib import PurePosixPath

import pytest

from aimx.controller.owners import uids
from desired.desired import Desired
from desired.manifest import read
from desired.problem import Source
from reconcilers.host.host import Account, Nature
from reconcilers.host.memory import MemoryHost
from reconcilers.roots import Roots

ROOTS = Roots(*map(PurePosixPath, ("/etc/aimx", "/mail", "/run/aimx", "/etc/aimx/manifest.toml")))
ALICE = Account("alice", 1000, 1000)
INFO = ROOTS.mailbox("a.example", "inbox", "info")


def desired(rest: str = "", owner: str = "alice") -> Desired:
    mailbox = f'[mailboxes."info@a.example"]\nowner = "{owner}"\n'
    return read([Source("m", f'domains = ["a.example"]\n{mailbox}{rest}'.encode())]).desired


@pytest.fixture
def host() -> MemoryHost:
    return MemoryHost(ROOTS, accounts=[ALICE])


def test_a_mailbox_with_its_directory_belongs_to_its_owner(host: MemoryHost) -> None:
    host.plant_directory(INFO)

    assert uids(desired(), host, ROOTS) == {"info@a.example": 1000}


def test_an_owner_who_appears_before_the_directory_gets_no_mail_yet(host: MemoryHost) -> None:
    host.plant_directory(INFO.parent)

    assert uids(desired(), host, ROOTS) == {"info@a.example": None}


def test_a_directory_without_an_owner_takes_no_mail(host: MemoryHost) -> None:
    host.plant_directory(INFO)

    assert uids(desired(owner="bob"), host, ROOTS) == {"info@a.example": None}


def test_what_stands_for_the_directory_takes_no_mail(host: MemoryHost) -> None:
    host.plant_other(INFO, Nature.SYMLINK)

    assert uids(desired(), host, ROOTS) == {"info@a.example": None}


def test_a_domain_that_cannot_be_seen_has_no_uids(host: MemoryHost) -> None:
    host.plant_directory(INFO)
    host.plant_blindness(INFO.parent)

    assert uids(desired(), host, ROOTS) == {"info@a.example": None}


MORE = '[mailboxes."more@a.example"]\nowner = "alice"\n'


def test_what_was_there_a_moment_ago_is_not_looked_for_again(host: MemoryHost) -> None:
    host.plant_directory(ROOTS.mailbox("a.example", "inbox", "more"))

    found = uids(desired(MORE), host, ROOTS, {"info@a.example": 1000})

    assert found == {"info@a.example": 1000, "more@a.example": 1000}


def test_what_was_not_there_a_moment_ago_is_looked_for_again(host: MemoryHost) -> None:
    host.plant_directory(INFO)

    assert uids(desired(), host, ROOTS, {"info@a.example": None}) == {"info@a.example": 1000}


def test_an_owner_is_asked_for_however_lately_the_directory_was_there(host: MemoryHost) -> None:
    found = uids(desired(owner="bob"), host, ROOTS, {"info@a.example": 1000})

    assert found == {"info@a.example": None}
