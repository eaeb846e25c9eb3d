"""Whose an instance is, and whether it is there."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import PurePosixPath

import pytest

from desired.engine_config import headed
from desired.manifest import read
from desired.problem import Source
from reconcilers.host.host import Access, Nature, ReconcileError, UnseenError
from reconcilers.host.memory import MemoryHost
from reconcilers.roots import Roots
from reconcilers.state import GoneError, absence, make_state, require_ours

ROOTS = Roots(*map(PurePosixPath, ("/etc/aimx", "/var/lib/aimx", "/run/aimx", "/m.toml")))
CONFIG = headed(read([Source("m.toml", b'domains = ["a.com"]\n')]).desired, 3, b"")
OURS, THEIRS = Access(0o644, 0, 0), Access(0o644, 1000, 1000)


@pytest.mark.parametrize(
    ("config", "state", "is_ours"),
    [
        pytest.param(None, None, True, id="nothing is there"),
        pytest.param(OURS, OURS, True, id="all ours"),
        pytest.param(THEIRS, THEIRS, False, id="all theirs"),
        pytest.param(THEIRS, None, True, id="an older install, to be adopted"),
        pytest.param(OURS, THEIRS, True, id="the data was given away by a slip"),
        pytest.param(THEIRS, OURS, True, id="the config was given away by a slip"),
    ],
)
def test_an_instance_is_its_users_where_both_its_roots_say_so(
    config: Access | None, state: Access | None, is_ours: bool
) -> None:
    host = MemoryHost(ROOTS)
    if config:
        host.plant_file(ROOTS.engine_config, b"", config)
    if state:
        host.plant_directory(ROOTS.state, state)

    with nullcontext() if is_ours else pytest.raises(ReconcileError, match="belongs to uid 1000"):
        require_ours(host, ROOTS)


def test_what_cannot_be_looked_at_is_nobodys_for_now() -> None:
    host = MemoryHost(ROOTS)
    host.plant_file(ROOTS.engine_config, b"", THEIRS)
    host.plant_directory(ROOTS.state, THEIRS)
    host.plant_blindness(ROOTS.state)

    require_ours(host, ROOTS)


def applied(config: bytes | None = None) -> MemoryHost:
    """A machine with an engine config, and nothing else."""
    host = MemoryHost(ROOTS)
    host.plant_file(ROOTS.engine_config, CONFIG if config is None else config, OURS)
    return host


def test_a_data_directory_that_is_empty_after_an_apply_is_gone_and_not_made_again() -> None:
    host = applied()
    host.plant_directory(ROOTS.data, Access(0o755, 0, 0))
    host.plant_directory(ROOTS.data / "lost+found", Access(0o700, 0, 0))

    with pytest.raises(GoneError, match=r"/var/lib/aimx: nothing of generation 3 is there"):
        make_state(host, ROOTS)

    assert host.names(ROOTS.data) == ("lost+found",)


def test_one_that_is_no_more_is_not_made_again_either() -> None:
    host = applied()

    with pytest.raises(GoneError):
        make_state(host, ROOTS, ROOTS.journal)

    assert host.look(ROOTS.data) is None


def test_who_wants_it_anew_gets_it() -> None:
    host = applied()

    make_state(host, ROOTS, ROOTS.journal, anew=True)

    assert host.names(ROOTS.state) == ("journal",)


@pytest.mark.parametrize("there", ["marker", "generations", "link"])
def test_what_an_apply_left_or_somebody_else_shows_that_it_is_there(there: str) -> None:
    host = applied()
    if there == "marker":
        host.plant_file(ROOTS.marker, b"2\n", OURS)
    elif there == "link":
        host.plant_other(ROOTS.state, Nature.SYMLINK)
    else:
        host.plant_directory(ROOTS.generations, Access(0o700, 0, 0))

    assert absence(host, ROOTS) == ""


def test_what_the_lock_of_an_apply_makes_shows_nothing() -> None:
    host = applied()

    make_state(host, ROOTS, anew=True)

    assert "its disk may not be mounted" in absence(host, ROOTS)


@pytest.mark.parametrize("config", [b"", b'domains = ["a.com"]\n'], ids=["none", "an older one"])
def test_where_nothing_was_applied_nothing_is_gone(config: bytes) -> None:
    host = applied(config)

    assert absence(host, ROOTS) == ""


def test_what_cannot_be_looked_at_is_not_gone() -> None:
    host = applied()
    host.plant_blindness(ROOTS.marker)

    with pytest.raises(UnseenError):
        absence(host, ROOTS)
