"""Whose quota is used up gets no more mail for now; nothing is lost, and others' mail flows."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has mailboxes of two owners")

OWNERS = {"full@example.com": "nobody", "other@example.com": "daemon"}
BLOCKS = 200  # KiB that an owner may fill.


def message(subject: str, size: int = 100) -> bytes:
    head = f"From: a@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.org>\r\n"
    return f"{head}\r\n{'0123456789abcde' * (size // 15)}\r\n".replace(
        "0123456789abcde" * 40, "0123456789abcde" * 40 + "\r\n"
    ).encode()


def declared(instance) -> None:
    boxes = "".join(
        f'[mailboxes."{address}"]\nowner = "{owner}"\n' for address, owner in OWNERS.items()
    )
    instance.write(instance.text(rest=boxes))


@pytest.fixture
def limited(instance) -> Iterator[Callable[[str], None]]:
    """An instance on a file system of its own; what it is given limits an owner's room there."""
    if shutil.which("setquota") is None:
        pytest.skip("setquota is not there (package quota)")
    image = Path(f"{instance.base}.img")
    with image.open("wb") as file:
        file.truncate(64 << 20)
    make = ["mkfs.ext4", "-q", "-O", "quota", "-E", "quotatype=usrquota", str(image)]
    subprocess.run(make, check=True)
    mount = ["mount", "-o", "loop,usrquota", str(image), str(instance.base)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        image.unlink()
        pytest.skip("this kernel mounts no ext4 with quotas (CONFIG_QFMT_V2)")
    with ExitStack() as after:
        after.callback(image.unlink)
        after.callback(subprocess.run, ["umount", "--lazy", str(instance.base)], check=True)
        subprocess.run(["quotaon", str(instance.base)], capture_output=True, check=False)
        instance.base.chmod(0o755)
        instance.lay_out()

        def limit(owner: str, blocks: int) -> None:
            words = [str(blocks), str(blocks), "0", "0", str(instance.base)]
            subprocess.run(["setquota", "-u", owner, *words], check=True)

        yield limit


@contextmanager
def over_quota(pid: int) -> Iterator[None]:
    """Giving a file to its owner fails in this process, as it does where his quota is used up."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not there")
    words = ["-f", "-o", os.devnull, "-e", "trace=fchown", "-e", "inject=fchown:error=EDQUOT"]
    command = ["strace", *words, "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        try:
            if "attached" not in strace.stderr.readline():
                pytest.skip("strace may not look at other processes here")
            yield
        finally:
            strace.terminate()


def test_an_owner_without_room_gets_452_and_others_get_their_mail(instance, limited) -> None:
    declared(instance)
    instance.serve()
    assert instance.deliver(message("first"), "full@example.com") == 250
    limited(OWNERS["full@example.com"], BLOCKS)

    refused = [instance.deliver(message("large", BLOCKS * 1024), "full@example.com")]
    assert instance.deliver(message("beside"), "other@example.com") == 250
    limited(OWNERS["full@example.com"], 0)
    again = instance.deliver(message("large", BLOCKS * 1024), "full@example.com")

    instance.stop()
    assert (refused, again) == ([452], 250)
    assert {each.fields["subject"] for each in instance.letters("full@example.com")} == {
        "first",
        "large",
    }


@pytest.mark.parametrize("size", [100, 400_000], ids=["in-a-packet", "by-a-descriptor"])
def test_what_the_kernel_says_of_a_quota_is_a_452_and_nothing_is_left(instance, size) -> None:
    instance.lay_out()
    declared(instance)
    instance.serve()
    (placer,) = instance.pids("placer")

    with over_quota(placer):
        refused = instance.deliver(message("late", size), "full@example.com")
    left = instance.leftovers()
    both = instance.deliver(message("late", size), *OWNERS)

    instance.stop()
    assert (refused, left, both) == (452, [], 250)
    for address in OWNERS:
        assert [each.fields["subject"] for each in instance.letters(address)] == ["late"]
    assert (
        pwd.getpwuid(instance.letter("full@example.com", "late").path.stat().st_uid).pw_name
        == (OWNERS["full@example.com"])
    )
