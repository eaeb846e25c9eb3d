import pickle
import subprocess
import sys

import pytest

from desired.manifest import read
from desired.problem import Problem, Source, Where, render_problem, render_problems


def shown(line: str, column: int, width: int = 1) -> list[str]:
    """The line and the caret line, as a terminal would get them."""
    problem = Problem(Where("m.toml", 7, column), "code", "text", line=line, width=width)
    return [
        row.removeprefix("7 | ").removeprefix("  | ")
        for row in render_problem(problem).split("\n")[2:4]
    ]


@pytest.mark.parametrize(
    ("line", "column", "width", "caret"),
    [
        pytest.param("a = 1", 5, 1, "    ^", id="one character"),
        pytest.param('a = "xyz"', 5, 5, "    ^^^^^", id="several"),
        pytest.param("\ta = 1", 6, 1, "\t    ^", id="a tab stays one"),
        pytest.param('日 = "日本"', 5, 4, "     ^^^^^^", id="wide characters"),
        pytest.param("e\u0301 = 1", 6, 1, "    ^", id="a combining accent"),
        pytest.param("a =", 4, 1, "   ^", id="behind the end"),
    ],
)
def test_the_caret_stands_below_what_is_meant(
    line: str, column: int, width: int, caret: str
) -> None:
    assert shown(line, column, width) == [line, caret]


@pytest.mark.parametrize("columns", [124, 80, 40])
def test_a_line_with_its_caret_fits_the_screen(columns: int) -> None:
    line = "domains = [" + '"a.example", ' * 40 + "]"
    problem = Problem(Where("m.toml", 10, 400), "name", "no name", line=line, width=11)

    _, *excerpt = render_problem(problem, columns).split("\n")

    assert max(map(len, excerpt)) == columns
    shown, caret = excerpt[1], excerpt[2]
    assert shown[caret.index("^") : caret.rindex("^") + 1] == line[399:410]


def test_a_long_line_is_shown_around_its_caret() -> None:
    line, caret = shown("x" * 500 + "HERE" + "y" * 500, 501, 4)

    assert len(line) == 120
    assert line[caret.index("^") : len(caret)] == "HERE"


def test_of_very_many_the_first_are_shown_errors_before_warnings_and_the_rest_is_counted() -> None:
    warnings = [Problem(Where("m.toml", n), "w", f"w{n}", severity="warning") for n in range(1500)]
    error = Problem(Where("m.toml", 9), "e", "wrong")

    told = render_problems([*warnings, error], elsewhere="`aimx validate --json` lists").split(
        "\n\n"
    )

    assert told == [
        render_problem(error),
        *map(render_problem, warnings[:39]),
        "and 1,461 more, which `aimx validate --json` lists",
    ]


@pytest.mark.parametrize("number", [0, 1, 40])
def test_what_fits_is_shown_whole_in_its_order(number: int) -> None:
    problems = [
        Problem(Where("m.toml", n), "w", f"w{n}", severity="warning") for n in range(number)
    ]
    problems = [*problems[1:], *(Problem(Where("m.toml", 9), "e", "wrong") for _ in problems[:1])]

    assert render_problems(problems) == "\n\n".join(map(render_problem, problems))


def test_a_terminal_is_shown_control_characters_and_does_not_obey_them() -> None:
    line, _ = shown("a = \x1b[31m\x07", 1)

    assert line == "a = \N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}"


def test_a_problem_of_a_whole_file_has_no_line_to_show() -> None:
    problem = Problem.of_file("manifest.toml", "unreadable", "permission denied", "run it as root")

    assert render_problem(problem).split("\n") == [
        "manifest.toml: error: permission denied [unreadable]",
        "  = run it as root",
    ]


def test_holding_what_is_desired_needs_no_parser() -> None:
    code = "import desired.desired, sys; print(*sys.modules)"

    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"pydantic", "tomli", "tree_sitter", "idna"} & set(modules)


def test_what_is_desired_travels_between_processes() -> None:
    manifest = b'domain = "a.com"\n[mailboxes.info]\nowner = "alice"\n'
    desired = read([Source("manifest.toml", manifest)]).desired

    again = pickle.loads(pickle.dumps(desired))

    assert again == desired
    assert again.where("mailboxes", "info@a.com") == Where("manifest.toml", 2, 12)


def test_a_problem_never_speaks_to_the_terminal() -> None:
    problem = Problem(
        Where("a\x1b.toml", 1, 1), "name", "'\x1b[2J\u202e\n' is no name", hint="not \x07"
    )

    shown = render_problem(problem)

    assert shown == (
        "a\\x1b.toml:1:1: error: '\\x1b[2J\\u202e\\n' is no name [name]\n  = not \\x07"
    )
