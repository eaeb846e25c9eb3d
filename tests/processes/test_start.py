import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aimx.channel.packets import Kind, pair
from aimx.processes.start import _code, start

# What a worker finds out about itself, once it has settled in, and tells over its control channel.
WORKER = """
import ctypes, encodings, json, os, pkgutil, resource, sys
from aimx.processes.lazy import DNS
from aimx.processes.start import run, settle_in

def quietly_broken():
    import codecs, dns.rdata, encodings.aliases
    broken = []
    for name in sorted(set(encodings.aliases.aliases.values()) - {"mbcs", "oem"}):
        try:
            codecs.lookup(name)
        except LookupError:
            broken.append(name)
    digest = "aa" * 32
    for kind, text in (("MX", "1 a."), ("TLSA", f"3 1 1 {digest}"), ("TXT", "a"), ("PTR", "a.")):
        if type(dns.rdata.from_text("IN", kind, text)).__name__ != kind:
            broken.append(kind)
    return broken

def serve(arrival):
    descriptors = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    settle_in(arrival, DNS)
    print("a line of the worker")
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    control = arrival.channel("control")
    control.send(json.dumps({
        "descriptors": descriptors,
        "passed": dict(arrival.descriptors),
        "variables": sorted(os.environ),
        "uids": os.getresuid(), "gids": os.getresgid(), "groups": os.getgroups(),
        "capabilities": int(status["CapPrm"], 16),
        "no_new_privileges": int(status["NoNewPrivs"]),
        "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "memory": resource.getrlimit(resource.RLIMIT_DATA),
        "broken": quietly_broken(),
        "path": sys.path[0],
    }).encode())
    assert control.receive() is None

run("probe", serve)
"""


@dataclass(frozen=True)
class Told:
    report: dict[str, Any]
    code: int
    printed: str


@dataclass(frozen=True)
class User:
    uid: int
    gid: int


Ask = Callable[[User | None], Told]


@pytest.fixture
def ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Ask]:
    """Starts a worker, and gives what it tells."""
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers/probe.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    control, theirs = pair(Kind.CONTROL)
    extra = os.open("/", os.O_RDONLY)

    def asked(user: User | None) -> Told:
        process = start(
            "probe", {"control": theirs.fileno(), "data": extra}, user, package="workers"
        )
        theirs.close()
        packet = control.receive()
        control.close()
        report = json.loads(packet.payload) if packet else {}
        return Told(report, process.wait(), capfd.readouterr().err)

    yield asked
    control.close()
    theirs.close()
    os.close(extra)


def test_a_worker_has_only_the_descriptors_that_it_was_given(ask: Ask) -> None:
    report = ask(None).report

    # One more for the listing of the directory itself.
    assert len(report["descriptors"]) == 3 + 2 + 1
    assert set(report["passed"]) == {"control", "data"}
    assert set(report["passed"].values()) < set(report["descriptors"])


def test_a_worker_gets_no_variable_that_might_be_a_secret(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIMX_RELAY_PASSWORD", "hunter2")

    variables = ask(None).report["variables"]

    assert "PATH" in variables
    assert not {"GITHUB_TOKEN", "AIMX_RELAY_PASSWORD"} & set(variables)


def test_a_worker_imports_nothing_from_the_current_directory(ask: Ask) -> None:
    assert ask(None).report["path"] not in ("", "/")


def test_code_that_was_replaced_meanwhile_does_not_join_the_old(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aimx.processes.start._CODE", "12345")

    told = ask(None)

    assert (told.code, told.report) == (os.EX_CONFIG, {})
    assert "is another than when the daemon started: restart the daemon" in told.printed


def test_an_upgrade_is_seen_by_the_file_that_it_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed, new = tmp_path / "__init__.py", tmp_path / "new"
    installed.touch()
    new.touch()
    os.utime(new, (1, 1))
    monkeypatch.setattr("aimx.__file__", str(installed))
    before, again = _code(), _code()

    new.replace(installed)

    assert before == again != _code()


def test_what_a_worker_prints_comes_out_of_standard_error(ask: Ask) -> None:
    assert "a line of the worker" in ask(None).printed


def test_a_worker_leaves_when_its_control_channel_ends(ask: Ask) -> None:
    assert ask(None).code == 0


def test_a_worker_cannot_be_debugged_or_dumped_or_gain_privileges(ask: Ask) -> None:
    report = ask(None).report

    assert (report["dumpable"], report["no_new_privileges"]) == (0, 1)
    assert report["core"] == [0, 0]


def test_a_worker_that_grows_without_end_fails_before_the_host_does(ask: Ask) -> None:
    report = ask(None).report

    assert all(0 < most <= 4 << 30 for most in report["memory"])
    assert all(0 < most <= 8192 for most in report["files"])


def test_without_root_a_worker_stays_who_it_is(ask: Ask) -> None:
    us = User(os.getuid(), os.getgid())

    assert ask(us).report["uids"] == [us.uid] * 3


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_a_worker_becomes_its_user_wholly_and_everything_lazy_still_works(ask: Ask) -> None:
    nobody = pwd.getpwnam("nobody")
    report = ask(User(nobody.pw_uid, nobody.pw_gid)).report

    assert report["uids"] == [nobody.pw_uid] * 3
    assert report["gids"] == [nobody.pw_gid] * 3
    assert (report["groups"], report["capabilities"]) == ([], 0)
    assert report["broken"] == []


def test_a_worker_that_cannot_become_its_user_says_so_and_leaves(ask: Ask) -> None:
    if os.getuid() == 0:
        pytest.skip("root can become anybody")
    told = ask(User(os.getuid() + 1, os.getgid()))

    assert (told.report, told.code) == ({}, os.EX_CONFIG)
    assert f"cannot become uid {os.getuid() + 1}" in told.printed
    assert "system-wide" in told.printed


UNREADABLE = """
import os, sys
import aimx.processes.start
from aimx.processes.lazy import LazyError, probe, warm_up
from aimx.processes.privileges import drop
if sys.argv[1] == "warm":
    warm_up()
drop(65534, 65534)
try:
    probe()
except LazyError as failure:
    print(failure)
else:
    print("works")
"""


def after_a_drop(how: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", UNREADABLE, how], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_a_cold_worker_with_an_unreadable_interpreter_is_found_out() -> None:
    command = ["setpriv", "--reuid=65534", "--clear-groups", "cat", os.__file__]
    if subprocess.run(command, check=False, capture_output=True).returncode == 0:
        pytest.skip("everybody can read this interpreter")

    assert "cannot be used" in after_a_drop("cold")
    assert after_a_drop("warm") == "works"


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="nothing"),
        pytest.param(["--help"], id="a-person"),
        pytest.param(["control=5", "nonsense"], id="one-too-many"),
        pytest.param(["uid=5", "gid=5"], id="no-descriptors"),
    ],
)
def test_a_worker_is_not_started_by_hand(words: list[str]) -> None:
    program = "import sys; from aimx.processes.start import run; run('inbound', print)"
    done = subprocess.run(
        [sys.executable, "-c", program, *words], check=False, capture_output=True, text=True
    )

    assert done.returncode == os.EX_CONFIG
    assert "is started by `aimx serve`" in done.stderr


def test_what_start_says_is_what_arrives() -> None:
    program = (
        "from aimx.processes.start import arrive; import sys;print(arrive('inbound', sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "control=0", "uid=7", "gid=8"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert "Identity(uid=7, gid=8)" in done.stdout
