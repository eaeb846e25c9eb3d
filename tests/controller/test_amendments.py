"""What somebody wants changed goes through a frame as it is, and nothing else comes out of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.controller import amendments
from aimx.controller.amendments import AddDomain, CreateHook, from_text, to_text

ANY = st.one_of(*(st.from_type(kind) for kind in amendments.COMMANDS.values()))


@given(ANY)
def test_an_amendment_is_the_same_at_the_other_end(amendment) -> None:
    assert from_text(to_text(amendment)) == amendment


@given(ANY)
def test_an_amendment_is_one_line_of_a_frame(amendment) -> None:
    text = to_text(amendment)

    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("nonsense", "Expecting value", id="no-json"),
        pytest.param("[]", "it is not an object", id="a-list"),
        pytest.param("{}", "amend must be one of domains add", id="nothing"),
        pytest.param('{"amend":"rm"}', "amend must be one of", id="unknown"),
        pytest.param('{"amend":"domains add"}', "something is missing", id="missing"),
        pytest.param('{"amend":"domains add","domain":1}', "another type", id="a-number"),
        pytest.param('{"amend":"domains add","domain":"a","x":1}', "no `x`", id="surplus"),
        pytest.param('{"amend":"hooks delete","name":["a"]}', "another type", id="a-name"),
        pytest.param(
            '{"amend":"hooks create","mailbox":"a","event":"b","cmd":["a",1]}',
            "another type",
            id="a-word",
        ),
        pytest.param(
            '{"amend":"hooks create","mailbox":"a","event":"b","cmd":[],"timeout_secs":true}',
            "another type",
            id="a-bool-for-a-number",
        ),
    ],
)
def test_what_is_no_amendment_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        from_text(text)


def test_history_names_the_command() -> None:
    assert amendments.command(AddDomain("a.com")) == "domains add"
    assert amendments.command(CreateHook("a", "on_receive", ("/a",))) == "hooks create"
