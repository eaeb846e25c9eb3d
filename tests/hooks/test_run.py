"""Real processes, started by the real wrapper."""

import asyncio
import json
import os
import pwd
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aimx.hooks.command import Command
from aimx.hooks.run import Ended, NotRun, Outcome, run
from aimx.hooks.variables import PATH
from aimx.processes.launch import Transient, Wrapped
from aimx.testing.accounts import accounts

PYTHON = "/usr/bin/python3"
US = pwd.getpwuid(os.getuid()) if os.getuid() else pwd.getpwnam("nobody")
COMMAND = Command(
    hook="tell",
    event="on_receive",
    mailbox="info@a.com",
    domain="a.com",
    folder="info",
    owner=US.pw_name,
    uid=US.pw_uid,
    argv=("/bin/true",),
    timeout=60.0,
    fire_on_untrusted=True,
    replies_per_hour=10,
)
TOLD = {"PATH": PATH, "AIMX_SUBJECT": "hello"}
THREADS_OWN = 0b11 << 31  # Signals 32 and 33, which the C library lets nobody change (nptl(7)).

pytestmark = pytest.mark.skipif(not Path(PYTHON).exists(), reason="needs a Python for everybody")


def fired(
    command: Command = COMMAND,
    launcher: Wrapped | Transient | None = None,
    grace: float = 60.0,
    *,
    stops: bool = False,
) -> Outcome:
    async def one() -> Outcome:
        stopping = asyncio.Event()
        if stops:
            stopping.set()
        with open(os.devnull, "rb") as nothing:
            started = launcher or Wrapped(grace)
            return await run(started, command, dict(TOLD), nothing.fileno(), stopping)

    return asyncio.run(one())


def python(code: str, *arguments: str, **changes: object) -> Command:
    return replace(COMMAND, argv=(PYTHON, "-I", "-c", code, *arguments), **changes)  # type: ignore[arg-type]


def ended(outcome: Outcome) -> Ended:
    assert isinstance(outcome, Ended), outcome
    return outcome


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory that everybody may write to.

    Not below pytest's own, which every run of pytest closes to other users anew.
    """
    with TemporaryDirectory(prefix="aimx-") as directory:
        Path(directory).chmod(0o777)
        yield Path(directory)


def test_the_exit_code_is_told() -> None:
    outcome = ended(fired(python("raise SystemExit(7)")))

    assert (outcome.exit_code, outcome.timed_out) == (7, False)


def test_a_signal_that_ended_it_is_told() -> None:
    assert ended(fired(python("import os; os.kill(os.getpid(), 9)"))).exit_code == -9


def test_unbounded_output_of_a_hook() -> None:
    """However much it writes, it is read as it comes, and the end of it is kept."""
    code = "import os\nfor n in range(200): os.write({}, b'x' * 65536 + b'%d' % n)"

    outcome = ended(fired(python(code.format(1) + "\n" + code.format(2))))

    assert outcome.exit_code == 0
    for tail in (outcome.stdout, outcome.stderr):
        assert len(tail) == 65536
        assert tail.endswith(b"x199")


def test_at_the_timeout_the_whole_group_gets_sigterm(ground: Path) -> None:
    code = """
import os, signal, sys, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, lambda *_: (open(sys.argv[1], "x"), os._exit(0)))
    print("ready", flush=True)
    time.sleep(600)
os.wait()
"""
    outcome = ended(fired(python(code, str(ground / "child"), timeout=5.0)))

    assert (outcome.exit_code, outcome.timed_out) == (-15, True)
    assert b"ready" not in outcome.stdout or (ground / "child").exists()


def test_what_ignores_sigterm_gets_sigkill(ground: Path) -> None:
    code = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""
    outcome = ended(fired(python(code, timeout=5.0), grace=0.2))

    assert outcome.timed_out
    assert outcome.exit_code in (-9, -15)  # The second where it had not come to ignore it yet.


def test_what_a_hook_leaves_behind_is_ended(ground: Path) -> None:
    code = """
import os, sys, time
pid = os.fork()
if pid == 0:
    time.sleep(600)
print(pid)
"""
    outcome = ended(fired(python(code)))

    assert outcome.exit_code == 0
    pid = int(outcome.stdout)
    until(lambda: not Path(f"/proc/{pid}/fd").exists() or state(pid) == "Z")


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


LEAVES = """
import os, signal, sys, time
def daemon():
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    {way}
    open(os.path.join(sys.argv[1], str(os.getpid())), "x")
    time.sleep(600)
for _ in range(3):
    daemon()
while len(os.listdir(sys.argv[1])) < 3:
    time.sleep(0.01)
{then}
"""
WAYS = {
    "daemons": "",
    "that-ignore-sigterm": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "that-stop": "threading = os.fork() or os.kill(os.getpid(), signal.SIGSTOP)",
    "that-take-orphans-in": "import ctypes; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)",
    "with-children-of-their-own": "os.fork(); os.setsid() if os.getpid() != os.getsid(0) else 0",
}


@pytest.mark.parametrize("then", ["", "time.sleep(600)"], ids=["who-ends", "out-of-time"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_nothing_of_a_hook_outlives_it_not_even_daemons(way: str, then: str, ground: Path) -> None:
    code = LEAVES.format(way=way, then=then)

    timeout = 4.0 if then else 60.0
    outcome = ended(fired(python(code, str(ground), timeout=timeout), grace=0.2))

    left = [int(path.name) for path in ground.iterdir()]
    assert len(left) >= 3 or then  # On a slow machine the time is over before all have begun.
    assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []
    assert processes_of("-c", str(ground)) == []
    assert outcome.timed_out is bool(then)


FLEES = """
import os, sys, time
if os.fork() == 0:
    while True:  # Each is gone before anybody has seen it, and another one is there.
        os.setsid()
        open(sys.argv[1], "w").write(str(os.getpid()))
        if os.fork():
            os._exit(0)
time.sleep(600)
"""
MULTIPLIES = """
import os, sys, time
for _ in range(8):
    os.fork()
    os.setsid() if os.getsid(0) != os.getpid() else 0
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(600)
"""


@pytest.mark.parametrize("code", [FLEES, MULTIPLIES], ids=["flees", "multiplies"])
def test_who_is_never_the_same_process_for_long_is_ended_as_well(code: str, ground: Path) -> None:
    seen = ground / "seen"

    outcome = fired(python(code, str(seen), timeout=2.0), grace=0.1)

    assert isinstance(outcome, Ended)
    before = seen.read_text() if seen.exists() else ""  # It may have been too slow to begin.
    assert processes_of("-c", str(seen)) == []
    assert (seen.read_text() if seen.exists() else "") == before


def processes_of(*words: str) -> list[int]:
    """The processes whose command line has these words."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (entry / "cmdline").read_bytes().split(b"\0")
            if {word.encode() for word in words} <= set(line):
                found.append(int(entry.name))
    return found


def test_who_else_holds_the_output_open_holds_up_nothing(ground: Path) -> None:
    code = """
import array, os, socket, sys
with socket.socket(socket.AF_UNIX) as other:
    other.connect(sys.argv[1])
    other.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1]))])
os.write(1, b"said")
"""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(ground / "door"))
        door.listen()
        (ground / "door").chmod(0o777)
        outcome = ended(fired(python(code, str(ground / "door"))))
        other, _ = door.accept()
        _, held, _, _ = socket.recv_fds(other, 1, 1)

    other.close()
    os.close(held[0])
    assert (outcome.exit_code, outcome.stdout) == (0, b"said")


def test_a_hook_is_ended_in_time_also_where_the_server_has_died(ground: Path) -> None:
    script = f"echo $$ >'{ground / 'hook'}'; exec sleep 600"  # A shell has begun long before.
    command = replace(COMMAND, argv=("/bin/sh", "-c", script), timeout=3.0)
    server = os.fork()
    if server == 0:
        with suppress(BaseException):
            fired(command)
        os._exit(0)
    until(lambda: (ground / "hook").exists() and (ground / "hook").read_text().endswith("\n"))

    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)

    hook = int((ground / "hook").read_text())
    until(lambda: not Path(f"/proc/{hook}/fd").exists() or state(hook) == "Z")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, whose process keeps the hook")
def test_no_hook_ends_who_keeps_it_in_its_time() -> None:
    code = """
import os, signal
try:
    os.kill(os.getppid(), signal.SIGKILL)
except PermissionError:
    print("refused")
"""
    assert ended(fired(python(code))).stdout == b"refused\n"


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        pytest.param(("/bin/true", "x" * 200_000), "Argument list too long", id="too-long"),
        pytest.param(("/bin/true", "a\0b"), "embedded null byte", id="nul"),
    ],
)
def test_what_no_process_can_be_given_is_told(argv: tuple[str, ...], reason: str) -> None:
    outcome = fired(replace(COMMAND, argv=argv))

    assert isinstance(outcome, NotRun)
    assert reason in outcome.reason


def test_when_aimx_stops_a_hook_is_ended() -> None:
    outcome = ended(fired(python("import time; time.sleep(600)"), stops=True))

    assert (outcome.exit_code, outcome.timed_out) == (-15, False)


def test_home_of_the_daemon_does_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/root/secret")
    monkeypatch.setenv("AIMX_RELAY_PASSWORD", "hunter2")
    code = "import json, os; print(json.dumps(dict(os.environ)))"

    outcome = ended(fired(python(code)))

    found = json.loads(outcome.stdout)
    found.pop("LC_CTYPE", None)  # Which Python sets itself.
    assert found == {"PATH": PATH, "HOME": US.pw_dir, "AIMX_SUBJECT": "hello"}


def test_no_signal_that_the_server_ignores_or_blocks_is_so_for_the_hook() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # As under nohup.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        status = ended(fired(replace(COMMAND, argv=("/bin/cat", "/proc/self/status")))).stdout
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGHUP, before)

    for name in (b"SigIgn", b"SigBlk"):
        told = next(line for line in status.splitlines() if line.startswith(name))
        assert int(told.split()[1], 16) & ~THREADS_OWN == 0
    assert b"NoNewPrivs:\t1" in status


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"owner": "no-such-user"}, "does not exist any more", id="no-such-user"),
        pytest.param({"uid": 4_000_000}, "and the mailbox is uid 4000000's", id="another-uid"),
        pytest.param({"argv": ("/no/such/program",)}, "No such file", id="no-such-program"),
        pytest.param({"argv": ("/etc/passwd",)}, "Permission denied", id="no-program"),
    ],
)
def test_a_failing_privilege_drop_means_that_the_hook_does_not_run(
    changes: dict[str, object], reason: str
) -> None:
    outcome = fired(replace(COMMAND, **changes))  # type: ignore[arg-type]

    assert isinstance(outcome, NotRun)
    assert reason in outcome.reason


@pytest.mark.skipif(os.getuid() == 0, reason="needs a user who may become nobody else")
def test_eperm_at_the_privilege_drop_is_not_ignored() -> None:
    other = pwd.getpwnam("daemon")

    outcome = fired(replace(COMMAND, owner=other.pw_name, uid=other.pw_uid))

    assert isinstance(outcome, NotRun)
    assert "cannot become" in outcome.reason


@pytest.fixture(scope="module")
def users() -> Iterator[tuple[pwd.struct_passwd, pwd.struct_passwd]]:
    """Two Linux users, the first of whom is in a group besides his own."""
    if os.getuid() != 0:
        pytest.skip("needs root")
    first, second = (f"aimx-hook-{letter}-{os.getpid()}" for letter in "ab")
    with accounts(first, groups=["users"]) as (one,), accounts(second) as (other,):
        yield one, other


@pytest.mark.root
def test_a_hook_is_its_owner_in_uid_gid_and_groups_and_nobody_else(
    users: tuple[pwd.struct_passwd, pwd.struct_passwd], ground: Path
) -> None:
    first, second = users
    secret = ground / "secret"
    secret.write_text("of the second")
    os.chown(secret, second.pw_uid, second.pw_gid)
    secret.chmod(0o600)
    code = """
import json, os, sys
try:
    found = open(sys.argv[1]).read()
except PermissionError:
    found = "refused"
try:
    os.setuid(0)
except PermissionError:
    found += ", and no way back"
print(json.dumps([os.getresuid(), os.getresgid(), sorted(os.getgroups()), found]))
"""
    outcomes = [
        ended(fired(python(code, str(secret), owner=user.pw_name, uid=user.pw_uid)))
        for user in users
    ]

    groups = sorted({first.pw_gid, *os.getgrouplist(first.pw_name, first.pw_gid)})
    assert len(groups) == 2
    assert [json.loads(outcome.stdout) for outcome in outcomes] == [
        [[first.pw_uid] * 3, [first.pw_gid] * 3, groups, "refused, and no way back"],
        [
            [second.pw_uid] * 3,
            [second.pw_gid] * 3,
            [second.pw_gid],
            "of the second, and no way back",
        ],
    ]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_root_runs_no_hooks() -> None:
    outcome = fired(replace(COMMAND, owner="root", uid=0))

    assert outcome == NotRun("root runs no hooks")


SYSTEMD_RUN = """#!/usr/bin/python3 -I
import json, os, sys
at = sys.argv.index("--")
found = {word.partition("=")[0]: word.partition("=")[2] for word in sys.argv[1:at]}
files = [word.partition("EnvironmentFile=")[2] for word in sys.argv if "EnvironmentFile=" in word]
told = {"mode": oct(os.stat(files[0]).st_mode), "file": open(files[0]).read()}
told |= {"environment": sorted(os.environ), "arguments": sys.argv[at + 1 :]}
print(json.dumps(told))
sys.exit(3)
"""


@pytest.fixture
def transient(ground: Path) -> Transient:
    """As on a systemd host, with a `systemd-run` that tells what it was told."""
    program = ground / "systemd-run"
    program.write_text(SYSTEMD_RUN)
    program.chmod(0o755)
    runtime = ground / "run"
    runtime.mkdir()
    return Transient(str(program), "/bin/true", runtime)


def test_systemd_run_does_not_expose_the_subject_on_its_command_line(transient: Transient) -> None:
    outcome = ended(fired(COMMAND, transient))

    told = json.loads(outcome.stdout)
    assert outcome.exit_code == 3
    assert told["mode"] == "0o100600"
    assert told["file"] == f'PATH="{PATH}"\nAIMX_SUBJECT="hello"\n'
    assert set(told["environment"]) <= {"PATH", "LC_CTYPE"}
    assert told["arguments"] == ["/bin/true"]
    assert list(transient.runtime.iterdir()) == []


def test_where_systemd_run_cannot_be_started_the_hook_does_not_run(transient: Transient) -> None:
    outcome = fired(COMMAND, replace(transient, program="/no/such/systemd-run"))

    assert outcome == NotRun("systemd-run could not be started: No such file or directory")
    assert list(transient.runtime.iterdir()) == []


@pytest.mark.skipif(not Path("/usr/bin/systemd-run").exists(), reason="systemd-run is not there")
def test_the_real_systemd_run_understands_what_it_is_told(ground: Path) -> None:
    """Where no systemd runs it goes as far as the bus, and complains of no option before that."""
    runtime = ground / "run"
    runtime.mkdir()
    real = Transient("/usr/bin/systemd-run", "/usr/bin/systemctl", runtime)

    understood = ended(fired(COMMAND, real))
    nonsense = ended(fired(COMMAND, replace(real, program=str(with_nonsense(ground)))))

    assert understood.exit_code == 0 or b"bus" in understood.stderr, understood
    assert b"unrecognized option" in nonsense.stderr
    assert list(runtime.iterdir()) == []


def with_nonsense(ground: Path) -> Path:
    program = ground / "systemd-run-with-nonsense"
    program.write_text('#!/bin/sh\nexec /usr/bin/systemd-run --no-such-option "$@"\n')
    program.chmod(0o755)
    return program
