import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from aimx.processes.privileges import PrivilegeError, drop
try:
    drop({uid}, {gid}, {groups})
except PrivilegeError as failure:
    print(failure)
else:
    print(os.getresuid(), os.getresgid(), os.getgroups())
"""


def dropped(uid: int, gid: int, groups: tuple[int, ...] = ()) -> str:
    program = PROGRAM.format(uid=uid, gid=gid, groups=groups)
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_root_becomes_the_user_with_exactly_its_groups() -> None:
    assert dropped(54321, 54322, (7,)) == "(54321, 54321, 54321) (54322, 54322, 54322) [7]"


def test_who_is_not_root_can_only_be_itself() -> None:
    if os.getuid() == 0:
        pytest.skip("root can become anybody")
    uid, gid = os.getuid(), os.getgid()

    assert dropped(uid, gid).startswith(f"({uid}, {uid}, {uid})")
    assert "cannot become uid 54321" in dropped(54321, gid)
    assert "with gid 54321" in dropped(uid, 54321)
