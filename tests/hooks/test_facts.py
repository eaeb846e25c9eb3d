import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.channel.placing import MOST_FACTS
from aimx.hooks.facts import MOST, Facts, FactsError

FACTS = Facts("Ann <a@example.org>", "b@example.com", "hello", "1@x", "2026", "thread", "a@x")
facts = st.builds(Facts, *[st.text(max_size=50)] * 10)


@given(facts)
def test_what_is_unpacked_has_no_line_end_and_no_control_character(made: Facts) -> None:
    found = Facts.unpack(made.pack().decode())

    assert found.pack() == made.pack()
    for text in dataclasses.astuple(found):
        assert not set("\r\n\0\x1b\x7f\x85\u2028") & set(text)


def test_what_is_harmless_stays_as_it_is() -> None:
    subject = "Größe 漢字 \N{FAMILY} $HOME `id` \"q\" 'x' \\ --flag"

    found = Facts.unpack(dataclasses.replace(FACTS, subject=subject).pack().decode())

    assert found.subject == subject


def test_a_folded_or_hostile_subject_becomes_one_line() -> None:
    made = dataclasses.replace(FACTS, subject="a\r\nAIMX_TRUSTED=1\0b")

    assert Facts.unpack(made.pack().decode()).subject == "a AIMX_TRUSTED=1 b"


def test_facts_of_any_size_fit_into_a_frame() -> None:
    endless = "\N{CAT FACE}" * 100_000

    packed = Facts(*[endless] * 10).pack()

    assert len(packed) <= MOST_FACTS
    assert all(len(part) <= MOST for part in packed.split(b"\0"))
    assert Facts.unpack(packed.decode()).subject == endless[: MOST // 4]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a\0b", id="too-few"),
        pytest.param("\0" * 10, id="too-many"),
        pytest.param("a\nb" + "\0" * 9, id="line-end"),
        pytest.param("\x1b[2J" + "\0" * 9, id="control"),
        pytest.param("x" * (MOST + 1) + "\0" * 9, id="too-long"),
    ],
)
def test_what_a_worker_made_up_is_refused(text: str) -> None:
    with pytest.raises(FactsError):
        Facts.unpack(text)
