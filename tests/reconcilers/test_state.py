"""Whose an instance is."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import PurePosixPath

import pytest

from reconcilers.host.host import Access, ReconcileError
from reconcilers.host.memory import MemoryHost
from reconcilers.roots import Roots
from reconcilers.state import require_ours

ROOTS = Roots(*map(PurePosixPath, ("/etc/aimx", "/var/lib/aimx", "/run/aimx", "/m.toml")))
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
