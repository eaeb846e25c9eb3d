import os
from pathlib import Path

import pytest

from aimx.channel.packets import MalformedError
from aimx.channel.sealed import sealed, unseal


@pytest.mark.parametrize("size", [0, 1, 3 * 1024 * 1024])
def test_sealed_content_is_read_back_however_often(size: int) -> None:
    content = os.urandom(size)
    descriptor = sealed(content)

    assert [unseal(descriptor, size), unseal(descriptor, size)] == [content, content]
    os.close(descriptor)


def test_nobody_can_change_sealed_content() -> None:
    descriptor = sealed(b"the generation")

    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"another", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 0)
    os.close(descriptor)


def test_content_over_the_limit_is_not_read() -> None:
    descriptor = sealed(b"12345")

    with pytest.raises(MalformedError, match="limit"):
        unseal(descriptor, 4)
    os.close(descriptor)


def test_a_descriptor_that_its_sender_can_still_change_is_refused(tmp_path: Path) -> None:
    memory = os.memfd_create("loose", os.MFD_ALLOW_SEALING)
    file = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)

    for descriptor in (memory, file):
        with pytest.raises(MalformedError):
            unseal(descriptor, 100)
        os.close(descriptor)
