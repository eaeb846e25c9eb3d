import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.cli.main import COMMANDS
from aimx.cli.options import EVERYWHERE, Options, Parser
from aimx.cli.parsing import whole

ODD = ["", "-", "--", "-x", "--no-such", "7", "a word", "--yes=1", "--manifest=/m", "-C/etc"]


def parser(command: str) -> Parser:
    made = Parser(f"aimx {command}", COMMANDS[command].summary)
    importlib.import_module(f"aimx.cli.{COMMANDS[command].module}").arguments(made)
    return made


def words(command: str) -> list[str]:
    """What its line may be made of."""
    known = parser(command)
    arguments = (*EVERYWHERE, *known.arguments)
    return [*(name for each in arguments for name in each.names), *known.nested, *ODD]


lines = st.sampled_from(sorted(COMMANDS)).flatmap(
    lambda command: st.tuples(
        st.just(command), st.lists(st.sampled_from(words(command)), max_size=5)
    )
)


@given(lines)
def test_what_is_read_without_argparse_is_what_argparse_reads(line):
    command, given_words = line
    known = parser(command)
    before = Options(command=command, rest=given_words)
    plainly = known.plainly(given_words, before)

    if plainly is not None:
        assert plainly == whole(known).parsed(given_words, Options(**vars(before)))


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("apply", []),
        ("apply", ["--yes"]),
        ("plan", ["--json", "--config-dir", "/etc/aimx", "--detailed-exitcode"]),
        ("plan", ["--out", "plan.json"]),
        ("status", ["--all"]),
        ("serve", ["-C", "/etc/aimx"]),
    ],
)
def test_plain_options_are_read_without_argparse(command, line):
    assert parser(command).plainly(line, Options()) is not None


@pytest.mark.parametrize(
    ("command", "line"),
    [
        pytest.param("plan", ["--help"], id="help"),
        pytest.param("plan", ["--json", "--markdown"], id="one excludes the other"),
        pytest.param("apply", ["--json", "--events"], id="both switches"),
        pytest.param("plan", ["--out"], id="a value is missing"),
        pytest.param("plan", ["--out", "--json"], id="an option for a value"),
        pytest.param("explain", ["--json"], id="a word is missing"),
        pytest.param("send", ["--to", "a@b.c"], id="an option is missing"),
        pytest.param("mailboxes", ["list"], id="one of several things"),
        pytest.param("apply", ["--parallelism", "x"], id="a value that is looked at"),
        pytest.param("plan", ["--js"], id="half a name"),
    ],
)
def test_what_is_not_plain_is_argparse_s(command, line):
    assert parser(command).plainly(line, Options()) is None
