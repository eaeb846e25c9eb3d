"""What a daemon finds out before it opens its doors."""

from __future__ import annotations

import asyncio
import os
import pwd
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

import pytest
from structlog.testing import capture_logs

from aimx.controller.alone import Alone
from aimx.controller.instance import Instance
from aimx.controller.watched import Watched
from aimx.doors.exits import Exit
from aimx.processes.opening import UnservableError, awaited, require_there, said
from reconcilers.consent import Consent
from reconcilers.generations import Who
from reconcilers.locks import apply_lock
from reconcilers.roots import Roots

OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def instance(tmp_path: Path) -> Instance:
    """Applied once."""
    manifest = tmp_path / "manifest.toml"
    manifest.write_text(f'domains = ["a.com"]\n[mailboxes."postmaster@a.com"]\nowner = "{OWNER}"\n')
    config, data, runtime = (PurePosixPath(tmp_path / name) for name in ("config", "data", "run"))
    instance = Instance.of(Roots(config, data, runtime, PurePosixPath(manifest)))
    alone = Alone(instance.host, instance.roots)
    instance.apply(None, alone, Who(0, "root", "test"), Consent(), Watched())
    return instance


def test_a_disk_that_is_mounted_later_is_waited_for_and_who_makes_it_anew_as_well(
    tmp_path: Path,
) -> None:
    served, looks = instance(tmp_path), []
    data, away, held = tmp_path / "data", tmp_path / "away", ExitStack()
    data.rename(away)

    def waiting(told: str) -> None:
        looks.append(told)
        if len(looks) == 2:
            away.rename(data)
            held.enter_context(apply_lock(served.host, served.roots, "a test"))
        elif len(looks) == 4:
            held.close()

    with capture_logs() as logged:
        there = asyncio.run(awaited(served, asyncio.Event(), waiting, every=0.001))

    assert there
    assert looks == ["waiting for the data directory"] * 4
    (told,) = logged  # Once, and not at every look.
    assert told["reason"].startswith(f"{data}: nothing of generation 1 is there")


def test_who_waits_for_a_disk_can_be_stopped(tmp_path: Path) -> None:
    served = instance(tmp_path)
    (tmp_path / "data").rename(tmp_path / "away")

    async def scene() -> bool:
        stop = asyncio.Event()
        return await awaited(served, stop, lambda _: stop.set(), every=3600.0)

    with capture_logs():
        assert not asyncio.run(scene())
    assert not (tmp_path / "data").exists()


def test_who_does_not_wait_is_refused(tmp_path: Path) -> None:
    served = instance(tmp_path)
    require_there(served)
    (tmp_path / "data").rename(tmp_path / "away")

    with pytest.raises(UnservableError, match="its disk may not be mounted") as raised:
        require_there(served)

    assert raised.value.exit_code == Exit.REFUSED


def test_a_manifest_that_was_broken_meanwhile_is_told_by_number_and_by_its_first_fault(
    tmp_path: Path,
) -> None:
    served, manifest = instance(tmp_path), tmp_path / "manifest.toml"
    manifest.write_text('domains = ["a.com"]\nzebra = 1\nlion = 2\n')

    with capture_logs() as logged:
        desired = said(served)

    assert desired is None
    (told,) = logged
    assert told["problems"] == 2
    assert told["first"] == f"{manifest}:2:1: error: unknown key `zebra` [unknown-key]"
