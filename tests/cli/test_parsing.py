import pytest

from aimx.cli.main import COMMANDS, main
from aimx.doors.exits import Exit


def ended(*arguments: str) -> int:
    try:
        return main(list(arguments))
    except SystemExit as left:
        return int(str(left.code))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    assert ended(command, "--help") == Exit.DONE

    assert capsys.readouterr().out.startswith(f"usage: aimx {command} ")


def test_help_lists_every_command(capsys):
    assert ended("--help") == Exit.DONE

    told = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n  {name} " not in told] == []


def test_no_command_at_all_is_a_usage_error_with_help(capsys):
    assert ended() == Exit.USAGE

    assert "usage: aimx" in capsys.readouterr().out


def test_a_mistyped_command_is_told_what_was_meant(capsys):
    assert ended("aply") == Exit.USAGE

    assert "there is no command 'aply'; did you mean 'apply'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--manifest", "{}", "validate"], id="before"),
        pytest.param(["validate", "--manifest", "{}"], id="after"),
        pytest.param(["--manifest={}", "validate"], id="before, one word"),
        pytest.param(["--manifest", "/dev/null", "validate", "--manifest={}"], id="the last wins"),
    ],
)
def test_options_stand_before_or_after_the_command(arguments, tmp_path):
    manifest = tmp_path / "m.toml"
    manifest.write_text('domains = ["example.com"]\n')

    assert ended(*(each.format(manifest) for each in arguments)) == Exit.DONE


@pytest.mark.parametrize(
    "arguments",
    [
        ["tombstones", "purge", "--yes", "old@example.com"],
        ["tombstones", "--yes", "purge", "old@example.com"],
        ["history", "show", "--json", "1"],
        ["diff", "1", "--json", "2"],
    ],
    ids=" ".join,
)
def test_options_stand_among_the_words_of_a_command(arguments, tmp_path):
    assert ended(*arguments, "-C", str(tmp_path), "--data-dir", str(tmp_path)) == Exit.ERROR


@pytest.mark.parametrize("arguments", [["plan", "--js"], ["--conf", "/etc", "plan"]], ids=" ".join)
def test_options_are_not_guessed_from_their_beginning(arguments):
    assert ended(*arguments) == Exit.USAGE


def test_a_defect_of_ours_is_a_sentence_and_no_traceback(capsys, monkeypatch):
    def broken(name: str) -> None:
        raise RuntimeError("a\nb")

    monkeypatch.delenv("AIMX_DEBUG", raising=False)
    monkeypatch.setattr("importlib.import_module", broken)

    assert ended("version") == Exit.ERROR
    assert capsys.readouterr().err == "aimx: a b (AIMX_DEBUG=1 shows where).\n"


def test_an_interrupted_command_says_so(capsys, monkeypatch):
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupted)

    assert ended("version") == 130
    assert capsys.readouterr().err == "aimx: interrupted.\n"
