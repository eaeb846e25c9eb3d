import os
import stat
from pathlib import Path

import pytest

from aimx.smtp.spool import IN_MEMORY, Spool, named_for_a_moment, unnamed


def test_a_small_content_stays_in_memory(spool):
    kept = Spool(spool)

    kept.keep(b"x" * IN_MEMORY)

    assert not kept.on_disk
    assert kept.content() == b"x" * IN_MEMORY


def test_a_large_content_goes_to_disk_and_comes_back(spool):
    kept = Spool(spool)

    for number in range(30):
        kept.keep(bytes([number]) * 100_000)

    assert kept.on_disk
    assert kept.content() == b"".join(bytes([number]) * 100_000 for number in range(30))
    kept.close()


@pytest.mark.parametrize("make", [unnamed, named_for_a_moment])
def test_the_file_has_no_name_and_no_reader(make, spool, tmp_path: Path):
    descriptor = make(spool)

    assert list(tmp_path.iterdir()) == []
    assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o600
    assert os.fstat(descriptor).st_nlink == 0
    os.write(descriptor, b"x")
    os.close(descriptor)
