from aimx.cli.rewrite import rewrite


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
