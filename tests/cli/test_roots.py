import os
import re

import pytest

from aimx.cli import parsing, roots
from aimx.cli.main import main
from aimx.cli.options import Options


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR", "MANIFEST"):
        monkeypatch.delenv(f"AIMX_{name}", raising=False)


def chosen(*arguments: str) -> dict[str, str]:
    return roots.chosen(parsing.everywhere().parse_args(arguments, Options()))


def test_without_a_word_it_is_the_system_s_instance():
    assert chosen() == {
        "config-dir": "/etc/aimx",
        "data-dir": "/var/lib/aimx",
        "runtime-dir": "/run/aimx",
        "manifest": "/etc/aimx/manifest.toml",
    }


@pytest.mark.parametrize("name", ["config-dir", "data-dir", "runtime-dir", "manifest"])
def test_a_variable_wins_over_the_default_and_a_flag_over_both(monkeypatch, name):
    monkeypatch.setenv(f"AIMX_{name.replace('-', '_').upper()}", "/variable")

    assert chosen()[name] == "/variable"
    assert chosen(f"--{name}", "/flag")[name] == "/flag"


def test_the_help_names_every_variable(capsys):
    main(["--help"])

    named = set(re.findall(r"AIMX_[A-Z_]+", capsys.readouterr().out))

    assert named == {
        "AIMX_CONFIG_DIR",
        "AIMX_DATA_DIR",
        "AIMX_RUNTIME_DIR",
        "AIMX_MANIFEST",
    }


def test_an_empty_variable_says_nothing(monkeypatch):
    monkeypatch.setenv("AIMX_DATA_DIR", "")

    assert chosen()["data-dir"] == "/var/lib/aimx"
    assert not roots.data_is_chosen(Options())


def test_the_manifest_stands_in_the_config_directory():
    assert chosen("-C", "/srv/aimx")["manifest"] == "/srv/aimx/manifest.toml"


def test_paths_become_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    assert chosen("--data-dir", "mail/../data")["data-dir"] == str(tmp_path / "data")


def test_a_working_directory_that_is_gone_does_not_matter_to_absolute_paths(monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert chosen("--data-dir", "/srv/mail")["data-dir"] == "/srv/mail"
    monkeypatch.chdir(os.sep)


def test_from_a_directory_that_is_gone_a_relative_path_is_refused_in_a_sentence(
    monkeypatch, tmp_path, capsys
):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(SystemExit) as ended:
        chosen("--data-dir", "mail")

    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "aimx: nobody can tell where mail is, since the directory that this was typed in is gone."
        " Name it from / on, or go elsewhere.\n"
    )
    assert chosen()["data-dir"] == "/var/lib/aimx"
