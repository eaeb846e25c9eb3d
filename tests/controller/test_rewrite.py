import pytest

from aimx.controller.rewrite import create, rewrite, write


def test_a_file_that_somebody_wrote_meanwhile_is_theirs(tmp_path):
    path = tmp_path / "manifest.toml"
    path.write_bytes(b"theirs")

    replaced = rewrite(str(path), b"before", b"after")

    assert not replaced
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {path.name: b"theirs"}


def test_a_file_that_is_as_it_was_is_replaced(tmp_path):
    path = tmp_path / "manifest.toml"
    path.write_bytes(b"before")

    replaced = rewrite(str(path), b"before", b"after")

    assert replaced
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {path.name: b"after"}


@pytest.mark.parametrize("after", [b"after", b""])
def test_what_somebody_who_was_killed_left_beside_it_is_used_and_gone(tmp_path, after):
    path = tmp_path / "manifest.toml"
    path.write_bytes(b"before")
    (tmp_path / ".manifest.toml.aimx-new").write_bytes(b"half of something longer")

    rewrite(str(path), b"before", after)

    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {path.name: after}


def test_a_file_that_is_there_is_not_created(tmp_path):
    path = tmp_path / "manifest.toml"
    path.write_bytes(b"theirs")

    assert not create(path, b"ours", 0o640)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {path.name: b"theirs"}


def test_a_link_beside_it_is_not_followed(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"theirs")
    (tmp_path / ".manifest.toml.aimx-new").symlink_to(other)

    with pytest.raises(OSError, match="symbolic links"):
        write(tmp_path / "manifest.toml", b"ours", 0o640)

    assert other.read_bytes() == b"theirs"
