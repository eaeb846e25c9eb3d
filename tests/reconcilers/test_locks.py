from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import pytest

from reconcilers.host.faulty import Fault, Faulty
from reconcilers.host.host import ReconcileError, StepError
from reconcilers.host.local import LocalHost
from reconcilers.locks import LockHeldError, apply_lock, daemon_lock
from reconcilers.roots import Roots

HOLDER = """
import sys
from pathlib import PurePosixPath
from reconcilers.host.local import LocalHost
from reconcilers.locks import apply_lock
from reconcilers.roots import Roots
top = PurePosixPath(sys.argv[1])
roots = Roots(top / "etc", top / "data", top / "run", top / "etc/manifest.toml")
with apply_lock(LocalHost(roots), roots, "aimx apply"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    top = PurePosixPath(tmp_path)
    return Roots(top / "etc", top / "data", top / "run", top / "etc/manifest.toml")


@pytest.fixture
def host(roots: Roots) -> LocalHost:
    return LocalHost(roots)


def test_on_a_fresh_machine_the_lock_makes_its_directory(host: LocalHost, roots: Roots) -> None:
    with apply_lock(host, roots, "aimx apply"):
        modes = {path: stat.S_IMODE(os.stat(path).st_mode) for path in (roots.data, roots.state)}

    assert modes == {roots.data: 0o755, roots.state: 0o711}
    assert host.names(roots.state) == ("lock",)
    assert stat.S_IMODE(os.stat(roots.lock).st_mode) == 0o600


def test_a_mode_that_drifted_is_left_to_a_plan(host: LocalHost, roots: Roots) -> None:
    Path(roots.data).mkdir(mode=0o700)

    with apply_lock(host, roots, "aimx apply"):
        assert stat.S_IMODE(os.stat(roots.data).st_mode) == 0o700


def test_a_second_one_is_told_who_holds_it(host: LocalHost, roots: Roots) -> None:
    with (
        apply_lock(host, roots, "aimx apply --yes"),
        pytest.raises(LockHeldError) as refusal,
        apply_lock(host, roots, "aimx apply"),
    ):
        pass

    holder = refusal.value.holder
    assert holder is not None
    assert (holder.pid, holder.uid, holder.command) == (
        os.getpid(),
        os.getuid(),
        "aimx apply --yes",
    )
    assert str(refusal.value) == (
        f"{roots.lock}: is held by process {os.getpid()} of uid {os.getuid()} "
        f"(`aimx apply --yes`, since {holder.since:%Y-%m-%dT%H:%M:%S}Z). "
        "Wait until it is done, or stop it."
    )


def test_a_refusal_leaves_the_holders_record(host: LocalHost, roots: Roots) -> None:
    with apply_lock(host, roots, "aimx apply"):
        for _ in range(2):
            with pytest.raises(LockHeldError, match="`aimx apply`"), apply_lock(host, roots, "x"):
                pass


def test_a_holder_that_has_not_said_who_it_is_is_another_process(
    host: LocalHost, roots: Roots
) -> None:
    with apply_lock(host, roots, "aimx apply"):
        Path(roots.state, "lock.holder").write_text("{}")

        with (
            pytest.raises(LockHeldError, match="is held by another process"),
            apply_lock(host, roots, "aimx apply"),
        ):
            pass


def test_it_is_free_after_its_holder(host: LocalHost, roots: Roots) -> None:
    for _ in range(2):
        with apply_lock(host, roots, "aimx apply"):
            pass


def test_it_is_free_at_once_when_its_holder_is_killed(host: LocalHost, roots: Roots) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(roots.data.parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(LockHeldError, match=f"process {holder.pid} "),
            apply_lock(host, roots, "aimx apply"),
        ):
            pass
        holder.kill()
        holder.wait()

        with apply_lock(host, roots, "aimx apply"):
            pass


def dead() -> int:
    gone = subprocess.run(["/bin/sh", "-c", "echo $$"], stdout=subprocess.PIPE, check=True)
    return int(gone.stdout)


@pytest.mark.parametrize(
    ("pid", "told"),
    [
        pytest.param(dead, "another process", id="dead"),
        pytest.param(lambda: 0, "another process", id="no number of a process"),
        pytest.param(lambda: -1, "another process", id="all processes"),
        pytest.param(lambda: 2**70, "another process", id="too large"),
        pytest.param(lambda: 1, "process 1 of uid", id="the first of a container"),
    ],
)
def test_what_a_killed_holder_left_is_not_told_of_the_next(
    host: LocalHost, roots: Roots, pid: Callable[[], int], told: str
) -> None:
    with apply_lock(host, roots, "aimx apply"):
        record = Path(roots.state, "lock.holder")
        said = json.loads(record.read_text())
        record.write_text(json.dumps({**said, "pid": pid()}))

        with pytest.raises(LockHeldError, match=told), apply_lock(host, roots, "x"):
            pass


def test_a_full_disk_keeps_nobody_from_it_and_names_nobody_else(
    host: LocalHost, roots: Roots
) -> None:
    with apply_lock(host, roots, "aimx apply"):
        left = Path(roots.state, "lock.holder").read_text()
    Path(roots.state, "lock.holder").write_text(left)

    with (
        apply_lock(Faulty(host, 1, Fault.REFUSED), roots, "aimx apply"),
        pytest.raises(LockHeldError, match="another process"),
        apply_lock(host, roots, "aimx apply"),
    ):
        pass


def test_what_others_could_open_they_cannot_hold_any_more(host: LocalHost, roots: Roots) -> None:
    with apply_lock(host, roots, "aimx apply"):
        os.chmod(roots.lock, 0o666)

    with apply_lock(host, roots, "aimx apply"):
        assert stat.S_IMODE(os.stat(roots.lock).st_mode) == 0o600


def test_no_child_inherits_it(host: LocalHost, roots: Roots) -> None:
    with (
        apply_lock(host, roots, "aimx apply"),
        subprocess.Popen(
            ["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, close_fds=False
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"x\n")
        assert child.stdout.readline() == b"x\n"
        held = {os.readlink(entry) for entry in Path(f"/proc/{child.pid}/fd").iterdir()}

    assert str(roots.lock) not in held


def test_it_is_free_after_its_holder_though_a_child_has_yet_to_exec(
    host: LocalHost, roots: Roots
) -> None:
    waits, go = os.pipe()
    with apply_lock(host, roots, "aimx apply"):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(waits, 1)
            os._exit(0)

    try:
        with apply_lock(host, roots, "aimx apply"):
            pass
    finally:
        os.close(go)
        os.close(waits)
        os.waitpid(child, 0)


def test_serving_and_applying_are_two_locks(host: LocalHost, roots: Roots) -> None:
    with daemon_lock(host, roots, "aimx serve"), apply_lock(host, roots, "aimx apply"):
        assert stat.S_IMODE(os.stat(roots.runtime).st_mode) == 0o755
        with (
            pytest.raises(LockHeldError, match=r"aimx\.lock: is held"),
            daemon_lock(host, roots, "aimx serve"),
        ):
            pass


@pytest.mark.root
def test_a_lock_of_somebody_else_is_refused_with_what_to_do() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with TemporaryDirectory() as directory:
        top = PurePosixPath(directory)
        roots = Roots(top / "etc", top / "data", top / "run", top / "etc/manifest.toml")
        with apply_lock(LocalHost(roots), roots, "aimx apply"):
            os.chmod(roots.lock, 0o666)
        os.chmod(directory, 0o755)

        os.seteuid(pwd.getpwnam("nobody").pw_uid)
        try:
            with (
                pytest.raises(StepError, match="Run as the user that the instance belongs to"),
                apply_lock(LocalHost(roots), roots, "aimx apply"),
            ):
                pass
        finally:
            os.seteuid(0)


@pytest.mark.root
@pytest.mark.parametrize("lock", [apply_lock, daemon_lock])
def test_in_the_instance_of_somebody_else_no_lock_is_made(
    host: LocalHost, roots: Roots, lock: Callable[..., AbstractContextManager[None]]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for directory in (roots.config, roots.state):
        Path(directory).mkdir(parents=True)
    Path(roots.engine_config).touch()
    for path in (roots.engine_config, roots.state):
        shutil.chown(path, "nobody")

    with pytest.raises(ReconcileError, match="the instance belongs to uid"), lock(host, roots, "x"):
        pass

    assert not Path(roots.lock).exists()
    assert not Path(roots.runtime).exists()
