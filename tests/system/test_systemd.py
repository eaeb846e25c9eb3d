"""The service under a real systemd, booted over this machine's files, which stay as they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from aimx.testing.children import children

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="systemd-nspawn is missing"),
    pytest.mark.skipif(
        any(Path(sys.prefix).is_relative_to(each) for each in ("/dev", "/run", "/tmp", "/var/tmp")),
        reason="what lies where each machine and each service has its own is not seen there",
    ),
]

Until: TypeAlias = Callable[[Callable[[], Any], str], Any]
AIMX = str(Path(sys.executable).with_name("aimx"))
HOOKS = "/srv/hooks"  # Where hooks write.

MANIFEST = """\
domains = ["example.com"]

[smtp]
bind = ["127.0.0.1:25"]

[dns]
resolvers = ["127.0.0.1:1"]

[metrics]
bind = ""

[log]
level = "debug"

[mailboxes."agent@example.com"]
owner = "nobody"

[[mailboxes."agent@example.com".hooks]]
name = "act"
event = "on_receive"
cmd = ["/bin/sh", "-c", "{command}"]
fire_on_untrusted = true
timeout_secs = {seconds}
"""

SEND = """
import smtplib, sys
with smtplib.SMTP("127.0.0.1", 25) as session:
    session.sendmail("a@x", ["agent@example.com"], f"Message-ID: <{sys.argv[1]}@x>\\r\\n\\r\\nHi.")
"""

WORKERS = """
import pwd, sys
from aimx.testing.children import children
for pid, role in children(int(sys.argv[1])).items():
    with open(f"/proc/{pid}/status") as status:
        uid = next(int(line.split()[1]) for line in status if line.startswith("Uid:"))
    print(role, pwd.getpwuid(uid).pw_name)
"""


@dataclass
class Machine:
    """Another init, over the files of this machine and in its own network."""

    root: Path
    init: int  # Its first process, as we count them.
    until: Until

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        entering = ["nsenter", "-t", str(self.init), "-m", "-p", "-n", "-u", "-i", "-C", "--"]
        return subprocess.run(
            [*entering, *words], capture_output=True, text=True, timeout=120, check=False
        )

    def run(self, *words: str) -> str:
        done = self.ask(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr, self.journal())
        return done.stdout

    def declare(self, command: str, seconds: int = 60) -> None:
        """The hook is this by now."""
        manifest = self.root / "etc/aimx/manifest.toml"
        beside = manifest.with_suffix(".new")
        beside.write_text(MANIFEST.format(command=command, seconds=seconds))
        beside.replace(manifest)

    def change(self, command: str, seconds: int = 60) -> None:
        """Likewise, and the server knows."""
        self.declare(command, seconds)
        self.run(AIMX, "apply", "--yes", "--wait", "60")

    def deliver(self, name: str) -> None:
        self.run(sys.executable, "-c", SEND, name)

    def journal(self) -> str:
        return self.ask("journalctl", "--no-pager", "-o", "cat", "-u", "aimx").stdout

    def fired(self) -> list[dict[str, Any]]:
        lines = [line for line in self.journal().splitlines() if line.startswith("{")]
        return [told for told in map(json.loads, lines) if told.get("hook") == "fired"]

    def outcome(self, name: str) -> dict[str, Any]:
        """What came of the hook of a message that is sent now."""
        before = len(self.fired())
        self.deliver(name)
        return self.until(lambda: self.fired()[before:], "the hook to end")[0]

    def hooks(self) -> list[str]:
        """The units of those that run."""
        told = self.run("systemctl", "list-units", "--plain", "--no-legend", "aimx-hook-*")
        return [line.split()[0] for line in told.splitlines()]

    def written(self, name: str) -> str:
        path = self.root / HOOKS.lstrip("/") / name
        return path.read_text() if path.exists() else ""

    def property(self, name: str) -> str:
        return self.run("systemctl", "show", "-P", name, "aimx").strip()


@pytest.fixture(scope="module")
def machine(until: Until) -> Iterator[Machine]:
    """Booted, with an instance that was applied, and nothing installed."""
    with ExitStack() as after:
        base = Path(after.enter_context(tempfile.TemporaryDirectory(prefix="aimx-booted-")))
        mount(after, base, "tmpfs", "-t", "tmpfs", "-o", "mode=0755")
        for name in ("upper", "aside", "root"):
            (base / name).mkdir()
        layers = f"lowerdir=/,upperdir={base}/upper,workdir={base}/aside"
        root = base / "root"
        mount(after, root, "overlay", "-t", "overlay", "-o", layers)
        strip(root)
        machine = boot(after, root, until)
        machine.declare("true")
        machine.run(AIMX, "apply", "--yes")
        yield machine


def mount(after: ExitStack, place: Path, what: str, *words: str) -> None:
    done = subprocess.run(["mount", *words, what, str(place)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no {what} can be mounted here")
    after.callback(subprocess.run, ["umount", "--lazy", str(place)], check=True)


def strip(root: Path) -> None:
    """None of this machine's own services and instances is in it."""
    for name in ("etc/systemd/system", "etc/aimx", "var/lib/aimx", "run/aimx"):
        shutil.rmtree(root / name, ignore_errors=True)
    for name in ("passwd", "shadow", "group", "gshadow"):
        lines = (root / "etc" / name).read_text().splitlines(keepends=True)
        (root / "etc" / name).write_text("".join(each for each in lines if "aimx" not in each))
    for name in ("etc/systemd/system", "etc/aimx", HOOKS.lstrip("/")):
        (root / name).mkdir(parents=True)
    (root / HOOKS.lstrip("/")).chmod(0o777)


def boot(after: ExitStack, root: Path, until: Until) -> Machine:
    options = ["--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe"]
    options.append("--link-journal=no")
    nspawn = subprocess.Popen(
        ["systemd-nspawn", *options, "-D", str(root), "-b", "--", "systemd.unit=basic.target"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    after.callback(end, nspawn)

    def init() -> int:
        if nspawn.poll() is not None:
            pytest.skip(f"systemd does not boot here: {nspawn.stdout.read().strip()[-200:]}")
        found = children(nspawn.pid)
        return next((pid for pid in found if is_init(pid)), 0)

    try:
        machine = Machine(root, until(init, "the machine to begin"), until)
        started = ("systemctl", "is-active", "basic.target")
        until(lambda: machine.ask(*started).returncode == 0, "the machine to be there")
    except AssertionError as failure:
        pytest.skip(f"systemd does not boot here: {failure}")
    return machine


def is_init(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "systemd\n"
    except OSError:
        return False


def end(nspawn: subprocess.Popen[str]) -> None:
    nspawn.terminate()  # It has its init power off.
    try:
        nspawn.wait(60)
    except subprocess.TimeoutExpired:
        nspawn.kill()
        nspawn.wait()
    nspawn.stdout.close()


@pytest.fixture
def installed(machine: Machine) -> Iterator[Machine]:
    machine.run(AIMX, "service", "install")
    yield machine
    machine.run(AIMX, "service", "uninstall")


def test_it_is_installed_and_taken_away_again(machine: Machine) -> None:
    unit = machine.root / "etc/systemd/system/aimx.service"

    first = machine.run(AIMX, "service", "install")
    again = machine.run(AIMX, "service", "install")
    enabled = machine.run("systemctl", "is-enabled", "aimx").strip()
    verified = machine.run("systemd-analyze", "verify", "--man=no", "aimx.service")
    machine.deliver("installed")
    gone = machine.run(AIMX, "service", "uninstall")
    active = machine.ask("systemctl", "is-active", "aimx").stdout.strip()

    assert "Wrote /etc/systemd/system/aimx.service.\n" in first
    assert again == first.splitlines(keepends=True)[-1]
    assert (enabled, verified, active) == ("enabled", "", "inactive")
    assert gone.startswith("Stopped aimx.service.\nRemoved /etc/systemd/system/aimx.service.\n")
    assert not unit.exists()


def test_it_is_confined_and_its_workers_are(installed: Machine) -> None:
    server = int(installed.property("MainPID"))
    workers = installed.run(sys.executable, "-c", WORKERS, str(server)).splitlines()
    told = {
        line.partition(":")[0]: line.partition(":")[2].split()
        for line in installed.run("cat", f"/proc/{server}/status").splitlines()
    }

    assert (told["NoNewPrivs"], told["Seccomp"]) == (["1"], ["2"])
    assert told["CapBnd"] == told["CapEff"] == ["00000000100005fb"]
    assert {*workers} == {"placer root", "inbound aimx-in", "outbound aimx-out"}
    assert (
        "Read-only file system"
        in installed.ask(
            "nsenter", "-t", str(server), "-m", "--", "touch", "/usr/aimx", "/etc/passwd"
        ).stderr
    )


def test_a_hook_is_a_unit_of_its_own_and_is_not_confined(installed: Machine) -> None:
    installed.change("{ cat /proc/self/cgroup; id -un; cat; } > /srv/hooks/told; exit 7")

    fired = installed.outcome("unit")

    told = installed.written("told")
    assert (fired["exit_code"], fired["timed_out"], fired["owner"]) == (7, False, "nobody")
    assert "/aimx-hook-" in told
    assert "nobody\n" in told
    assert "Hi." in told
    assert installed.until(lambda: not installed.hooks(), "the unit to be gone")


def test_a_hook_ends_in_its_time_with_all_that_it_has_started(installed: Machine) -> None:
    installed.change("setsid sleep 300 & echo $! > /srv/hooks/child; sleep 300", seconds=1)

    fired = installed.outcome("late")

    child = installed.written("child").strip()
    assert fired["timed_out"]
    assert fired["exit_code"] != 0
    assert installed.ask("test", "-e", f"/proc/{child}").returncode == 1


def test_a_hook_that_a_signal_ends_has_255(installed: Machine) -> None:
    installed.change("kill -9 $$")

    fired = installed.outcome("killed")

    assert (fired["exit_code"], fired["timed_out"]) == (255, False)


def test_a_server_that_is_stopped_waits_for_its_hooks(installed: Machine) -> None:
    installed.change("echo begun > /srv/hooks/long; sleep 3; echo done > /srv/hooks/long")
    before = len(installed.fired())
    installed.deliver("long")
    installed.until(lambda: installed.written("long") == "begun\n", "the hook to begin")

    installed.run("systemctl", "stop", "aimx")

    assert installed.written("long") == "done\n"
    assert [each["exit_code"] for each in installed.fired()[before:]] == [0]
    assert installed.property("Result") == "success"
    installed.run("systemctl", "start", "aimx")


def test_a_hook_outlives_a_server_that_is_killed_and_is_told_as_interrupted(
    installed: Machine,
) -> None:
    installed.change("echo begun > /srv/hooks/kept; sleep 4; echo done > /srv/hooks/kept")
    installed.deliver("kept")
    installed.until(lambda: installed.written("kept") == "begun\n", "the hook to begin")
    before = installed.journal().count('"interrupted"')

    installed.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "aimx")

    installed.until(lambda: installed.journal().count('"interrupted"') > before, "the next server")
    installed.until(lambda: installed.written("kept") == "done\n", "the hook to end")
    assert installed.journal().count('"interrupted"') == before + 1
    installed.until(lambda: installed.property("ActiveState") == "active", "it to serve")


def test_a_reload_is_a_look_at_the_manifest(installed: Machine) -> None:
    before = installed.property("StatusText")
    installed.declare("true && true")

    installed.run("systemctl", "reload", "aimx")

    installed.until(lambda: installed.property("StatusText") != before, "another generation")
    assert installed.property("ActiveState") == "active"
    assert installed.property("NRestarts") == "0"
