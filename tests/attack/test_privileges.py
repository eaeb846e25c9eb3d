"""What each process of a running instance holds."""

import os
from pathlib import Path

import pytest

# CHOWN, DAC_OVERRIDE, FOWNER, LEASE.
PLACING = {0, 1, 3, 28}
ROLES = {
    "placer": {"placing", "lock", "placed.db", "placed.db-wal", "placed.db-shm", "data"},
    "inbound": {"spool"},
    "outbound": {
        *("out", "spool", "lock"),
        *(f"{name}.db{suffix}" for name in ("queue", "tally") for suffix in ("", "-wal", "-shm")),
    },
}

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root has something to give up, and may look into a worker"
)


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def workers(target) -> list[tuple[int, str]]:
    return [(pid, role) for pid, role in target.processes().items() if role != "supervisor"]


def test_every_role_is_there(target):
    assert {role for _, role in workers(target)} == ROLES.keys()


def test_no_worker_can_gain_what_it_has_not(target):
    assert {status(pid)["NoNewPrivs"] for pid, _ in workers(target)} == {"1"}


@as_root
def test_only_the_placer_is_root_and_with_four_capabilities(target):
    for pid, role in workers(target):
        found = status(pid)
        held = {bit for bit in range(64) if int(found["CapPrm"], 16) >> bit & 1}
        is_root = "0" in found["Uid"].split()
        assert (role, held, is_root, found["Groups"]) == (
            role,
            PLACING if role == "placer" else set(),
            role == "placer",
            "",
        )


def test_no_worker_can_be_looked_into_by_its_own_user(target):
    # What cannot be dumped belongs to root in /proc, whoever runs it (proc(5)).
    assert {Path(f"/proc/{pid}/fd").stat().st_uid for pid, _ in workers(target)} == {0}


def limits(pid: int, name: str) -> list[int]:
    """Both of them; a ValueError where there is none."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    (found,) = [line.removeprefix(name) for line in lines if line.startswith(name)]
    return [int(each) for each in found.split()[:2]]


@as_root
def test_a_worker_has_bounds_and_leaves_no_core(target):
    for pid, _ in workers(target):
        assert limits(pid, "Max core file size") == [0, 0]
        assert max(limits(pid, "Max data size")) <= 4 << 30
        assert max(limits(pid, "Max open files")) <= 8192
        assert status(pid)["Umask"] == "0077"


@as_root
def test_a_worker_has_open_what_it_needs_and_no_more(target):
    for pid, role in workers(target):
        paths = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        files = {path for path in paths if path.startswith("/")}
        logs = {"/dev/null", str(target.base / "serve.log")}
        state = [path for path in files - logs if not is_mailbox(target, path)]
        assert (role, {Path(path).name for path in state} - ROLES[role]) == (role, set())
        assert all(path.startswith(str(target.base / "data")) for path in state)
        assert role == "placer" or len(state) == len(files - logs)


def is_mailbox(target, path: str) -> bool:
    return Path(path).parent == target.mailbox("alice").parent


@as_root
def test_no_worker_is_told_a_secret(target):
    for pid, _ in workers(target):
        assert b"hunter2" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert b"hunter2" not in Path(f"/proc/{pid}/cmdline").read_bytes()


@as_root
def test_no_descriptor_of_a_worker_ends_in_anothers_socket(target):
    """Only the two ends of a line are open, one in each of two processes."""
    holders: dict[str, set[int]] = {}
    for pid in target.processes():
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            link = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            if link.startswith("socket:"):
                holders.setdefault(link, set()).add(pid)

    assert [link for link, pids in holders.items() if len(pids) > 1] == []
