import os
import stat

import pytest
import tomli

from aimx.cli.main import main
from aimx.doors.exits import Exit


@pytest.fixture
def init(tmp_path, capsys, monkeypatch):
    """Makes an instance, and gives the exit code and what went to standard error."""
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR", "MANIFEST"):
        monkeypatch.delenv(f"AIMX_{name}", raising=False)

    def run(*arguments: str) -> tuple[int, str]:
        exit_code = main(["init", str(tmp_path / "here"), *arguments])
        return exit_code, capsys.readouterr().err

    return run


def test_the_first_manifest_is_valid_and_readable_by_us_alone(init, tmp_path, capsys):
    previous = os.umask(0)
    try:
        assert init("--domain", "B\u00fccher.example") == (Exit.DONE, "")
    finally:
        os.umask(previous)

    manifest = tmp_path / "here/config/manifest.toml"
    assert tomli.loads(manifest.read_text())["domains"] == ["xn--bcher-kva.example"]
    assert stat.S_IMODE(manifest.stat().st_mode) == 0o640
    assert main(["validate", "--manifest", str(manifest)]) == Exit.DONE


def test_a_manifest_that_is_there_stays(init, tmp_path):
    init()
    manifest = tmp_path / "here/config/manifest.toml"
    manifest.write_text("mine")

    assert init()[0] == Exit.ERROR
    assert manifest.read_text() == "mine"


def test_what_was_killed_before_the_manifest_was_there_is_made_again(init, tmp_path):
    init()
    here = tmp_path / "here"
    whole = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    (here / "config/manifest.toml").unlink()
    (here / "config/aimx.schema.json").write_text("")
    (here / "config/.manifest.toml.aimx-new").write_text("domains")

    assert init() == (Exit.DONE, "")
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == whole


def test_a_link_in_its_place_is_not_followed(init, tmp_path):
    (tmp_path / "here/config").mkdir(parents=True)
    (tmp_path / "here/config/manifest.toml").symlink_to(tmp_path / "elsewhere")

    assert init()[0] == Exit.ERROR
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "arguments",
    [("--domain", 'x"\ny'), ("--domain", "localhost"), ("--owner", "Al Ice"), ("--owner", '"')],
    ids=repr,
)
def test_what_is_no_name_makes_no_manifest(init, tmp_path, arguments):
    exit_code, told = init(*arguments)

    assert exit_code == Exit.USAGE
    assert told.startswith("aimx init: ")
    assert told.endswith(".\n")
    assert not (tmp_path / "here").exists()
