import os
from pathlib import Path

import pytest

from aimx.verify.nameservers import SystemServers


def servers(found: SystemServers) -> list[str]:
    return [str(each) for each in found()]


def test_the_servers_of_the_file_are_asked_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("search example.com\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n")

    assert servers(SystemServers(str(path))) == ["192.0.2.1:53", "[2001:db8::1]:53"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="no file"),
        pytest.param(b"", id="empty"),
        pytest.param(b"nameserver nowhere\n", id="no address"),
        pytest.param(b"nameserver\n", id="nobody"),
        pytest.param(b"nameserver \xff\xfe\n", id="no text"),
        pytest.param(b"nameserver https://192.0.2.1/\n", id="an address of the web"),
    ],
)
def test_where_the_file_names_nobody_it_is_this_machine(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "resolv.conf"
    if content is not None:
        path.write_bytes(content)

    assert servers(SystemServers(str(path))) == ["127.0.0.1:53"]


def test_a_line_that_is_none_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(b"\xff\nnameserver nowhere\nnameserver 192.0.2.1\n")

    assert servers(SystemServers(str(path))) == ["192.0.2.1:53"]


def test_a_network_that_comes_after_the_server_is_asked(tmp_path: Path) -> None:
    path, beside = tmp_path / "resolv.conf", tmp_path / "new"
    found = SystemServers(str(path))
    told = [servers(found)]

    path.write_text("nameserver 192.0.2.1\n")
    told.append(servers(found))
    beside.write_text("nameserver 192.0.2.2\n")
    beside.replace(path)
    told.append(servers(found))
    path.unlink()
    told.append(servers(found))

    path.write_text("")
    told.append(servers(found))
    assert told == [["127.0.0.1:53"], ["192.0.2.1:53"], *[["192.0.2.2:53"]] * 3]


def test_a_file_that_is_as_it_was_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.1\n")
    before = path.stat()
    found = SystemServers(str(path))

    path.write_text("nameserver 192.0.2.2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert servers(found) == ["192.0.2.1:53"]
