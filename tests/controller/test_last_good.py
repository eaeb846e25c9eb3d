"""Whatever becomes of the engine config, the engine runs on what was applied."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from aimx.controller.last_good import Good, last_good
from desired.engine_config import render
from desired.manifest import read
from desired.problem import Source
from reconcilers.generations import Generation, Who, record
from reconcilers.host.host import Access, UnseenError
from reconcilers.host.local import LocalHost
from reconcilers.roots import Roots


def config(generation: int, mailbox: str = "info") -> bytes:
    text = f'domains = ["a.example"]\n[mailboxes."{mailbox}@a.example"]\nowner = "alice"\n'
    return render(read([Source("m", text.encode())]).desired, generation)


FIRST, SECOND = config(1, "first"), config(2, "second")


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    base = PurePosixPath(tmp_path)
    for name in ("config", "data"):
        (tmp_path / name).mkdir()
    return Roots(base / "config", base / "data", base / "run", base / "config/manifest.toml")


@pytest.fixture
def host(roots: Roots) -> LocalHost:
    """Two generations are on record, and the second is applied."""
    host = LocalHost(roots)
    for number, content in ((1, FIRST), (2, SECOND)):
        at, who = datetime(2026, 1, 2, tzinfo=UTC), Who(0, "root", "test")
        record(host, roots, Generation(number, at, who, (), content, b"{}", ()))
    host.replace(roots.engine_config, SECOND, Access(0o640, os.geteuid(), os.getegid()))
    return host


def test_what_is_whole_is_used(host: LocalHost, roots: Roots) -> None:
    assert last_good(host, roots) == Good(SECOND)


def test_cut_anywhere_its_record_is_used(host: LocalHost, roots: Roots) -> None:
    path = Path(roots.engine_config)
    for length in range(len(SECOND)):
        path.write_bytes(SECOND[:length])

        found = last_good(host, roots)

        assert found is not None
        assert (found.config, bool(found.trouble)) == (SECOND, True), length


def test_with_a_bit_flipped_anywhere_the_same_mail_is_taken(host: LocalHost, roots: Roots) -> None:
    chance = random.Random(20261122)
    for _ in range(500):
        flipped = bytearray(SECOND)
        at, bit = chance.randrange(len(flipped)), chance.randrange(8)
        flipped[at] ^= 1 << bit
        Path(roots.engine_config).write_bytes(flipped)

        found = last_good(host, roots)

        assert found is not None
        assert found.config == SECOND, (at, bit)


def test_a_record_that_is_cut_anywhere_makes_no_config_suspect(host, roots) -> None:
    """Cut at the end of a line it may still be a config, of fewer mailboxes."""
    path = Path(roots.generations / "2" / "config.toml")
    for length in range(len(SECOND)):
        path.write_bytes(SECOND[:length])

        assert last_good(host, roots) == Good(SECOND), length


def test_what_an_earlier_release_wrote_is_used_as_far_as_it_can_be_read(host, roots) -> None:
    """Its header does not tell how the whole was."""
    former = re.sub(rb", whole sha256:[0-9a-f]+", b"", SECOND)
    for path in (roots.engine_config, roots.generations / "2" / "config.toml"):
        Path(path).write_bytes(former)

    assert last_good(host, roots) == Good(former)

    Path(roots.engine_config).write_bytes(former[:-30])

    assert last_good(host, roots).config == former


def zeros(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * 2**20)


def is_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


DAMAGES: list[Callable[[Path], None]] = [Path.mkdir, os.mkfifo, is_link, Path.touch, zeros]


@pytest.mark.parametrize("damage", DAMAGES, ids=["directory", "fifo", "link", "empty", "zeros"])
def test_whatever_stands_there_its_record_is_used(host, roots, damage) -> None:
    Path(roots.engine_config).unlink()
    damage(Path(roots.engine_config))

    found = last_good(host, roots)

    assert found.config == SECOND
    assert str(roots.engine_config) in found.trouble


@pytest.mark.parametrize("damage", DAMAGES, ids=["directory", "fifo", "link", "empty", "zeros"])
def test_a_damaged_record_does_not_make_the_config_suspect(host, roots, damage) -> None:
    recorded = Path(roots.generations / "2" / "config.toml")
    recorded.unlink()
    damage(recorded)

    assert last_good(host, roots) == Good(SECOND)


def test_with_the_latest_record_damaged_as_well_an_earlier_one_is_used(host, roots) -> None:
    Path(roots.engine_config).write_bytes(b"")
    Path(roots.generations / "2" / "config.toml").write_bytes(SECOND[:-30])

    assert last_good(host, roots).config == FIRST


def test_what_an_apply_wrote_before_it_was_killed_is_used(host, roots) -> None:
    third = config(3, "third")
    Path(roots.engine_config).write_bytes(third)

    assert last_good(host, roots) == Good(third)


def test_one_that_is_gone_is_told_so(host, roots) -> None:
    Path(roots.engine_config).unlink()

    found = last_good(host, roots)

    assert (found.config, found.gone) == (SECOND, True)


def test_where_nothing_was_applied_there_is_none(roots) -> None:
    assert last_good(LocalHost(roots), roots) is None


def test_where_everything_is_lost_it_says_so(roots) -> None:
    Path(roots.engine_config).write_bytes(b"\0")

    with pytest.raises(UnseenError, match="cannot be read as an engine config"):
        last_good(LocalHost(roots), roots)
