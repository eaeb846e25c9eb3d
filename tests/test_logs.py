import json
from collections.abc import Iterator

import pytest
import structlog

from aimx import logs

HOSTILE = "a\nb\x1b[31m\x9b31m\u202eexe\u2028c\u2066d\ud800"


@pytest.fixture(autouse=True)
def _restored(monkeypatch) -> Iterator[None]:
    monkeypatch.delenv("AIMX_LOG", raising=False)
    yield
    structlog.reset_defaults()


def logged(capfd, form: str, **fields: object) -> str:
    logs.configure()
    logs.change("info", form)
    structlog.get_logger().info("happened", **fields)
    return capfd.readouterr().err


@pytest.mark.parametrize(
    "value", [HOSTILE, (HOSTILE,), {"key": HOSTILE}], ids=["text", "tuple", "mapping"]
)
def test_a_line_says_what_a_stranger_put_into_it_and_is_one_line(capfd, value):
    line = logged(capfd, "json", sender=value)

    assert line.isascii()
    assert line.splitlines(keepends=True) == [line]
    found = json.loads(line)
    assert (found["event"], found["sender"]) == (
        "happened",
        [HOSTILE] if isinstance(value, tuple) else value,
    )


@pytest.mark.parametrize(
    "value",
    [HOSTILE, HOSTILE.replace("\n", ""), (HOSTILE,), {"key": HOSTILE}],
    ids=["lines", "line", "tuple", "mapping"],
)
def test_a_terminal_obeys_nothing_that_a_stranger_put_into_a_line(capfd, value):
    line = logged(capfd, "text", sender=value)

    assert line.splitlines(keepends=True) == [line]
    assert line.removesuffix("\n").isprintable()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param(("a.com", "b.com"), "said=a.com,b.com", id="names"),
        pytest.param((), "said=", id="none"),
        pytest.param([{"to": "a@b.com", "code": 250}], "said=[{", id="objects"),
        pytest.param({"code": None}, 'said={"code": null}', id="mapping"),
        pytest.param(None, "said=None", id="nothing"),
    ],
)
def test_as_text_what_has_parts_is_not_shown_as_python_has_it(capfd, value, told):
    line = logged(capfd, "text", said=value)

    assert told in line.replace("'", "")
    assert "('" not in line


def test_letters_of_all_scripts_are_shown(capfd):
    assert "grüße@bücher.example" in logged(capfd, "json", sender="grüße@bücher.example")


def test_an_exception_is_told_without_the_values_of_variables(capfd):
    logs.configure()
    secret = "hunter2"
    try:
        int(secret[:0])
    except ValueError:
        structlog.get_logger().exception("broke")

    line = capfd.readouterr().err

    assert "ValueError" in json.loads(line)["exception"]
    assert "hunter2" not in line


def test_a_worker_logs_as_it_was_told(capfd, monkeypatch):
    monkeypatch.setenv("AIMX_LOG", "json:warning")

    logs.configure()
    structlog.get_logger().info("not this")
    structlog.get_logger().warning("but this")

    assert [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()] == [
        "but this"
    ]
