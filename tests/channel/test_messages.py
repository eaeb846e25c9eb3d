import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.channel.messages import Vocabulary
from aimx.channel.packets import MalformedError


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Inner:
    name: str


@dataclass(frozen=True, slots=True)
class Full:
    text: str
    count: int
    share: float
    yes: bool
    colour: Colour
    word: Literal["a", "b"]
    maybe: int | None
    names: tuple[str, ...]
    inner: Inner
    inners: tuple[Inner, ...]
    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Empty:
    """Nothing to say beside that it is said."""


@dataclass(frozen=True, slots=True)
class Count:
    count: int


@dataclass(frozen=True, slots=True)
class Plain:
    text: str
    count: int
    share: float
    yes: bool
    nothing: None


@dataclass(frozen=True, slots=True)
class Share:
    share: float


WORDS = Vocabulary(Full, Empty, Count, Plain, Share)
numbers = st.integers(-(2**64) + 1, 2**64 - 1)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
fulls = st.builds(
    Full,
    text=texts,
    count=numbers,
    share=st.floats(-(2.0**63), 2.0**63),
    yes=st.booleans(),
    colour=st.sampled_from(Colour),
    word=st.sampled_from(["a", "b"]),
    maybe=st.none() | numbers,
    names=st.lists(texts, max_size=3).map(tuple),
    inner=st.builds(Inner, texts),
    inners=st.lists(st.builds(Inner, texts), max_size=3).map(tuple),
    numbers=st.dictionaries(texts, numbers, max_size=3),
)


@given(fulls)
def test_a_message_is_read_back_as_it_was_written(message: Full) -> None:
    assert WORDS.decode(WORDS.encode(message)) == message


@given(
    st.builds(
        Plain, texts, st.integers(), st.floats(allow_nan=False), st.booleans(), nothing=st.none()
    )
)
def test_a_message_is_written_as_an_object_of_its_fields(message: Plain) -> None:
    told = {"message": "Plain", **asdict(message)}

    assert WORDS.encode(message) == json.dumps(told, separators=(",", ":")).encode()


def test_a_message_without_fields_is_a_message() -> None:
    assert WORDS.decode(WORDS.encode(Empty())) == Empty()


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff", id="not-utf-8"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(b"{}", id="no-tag"),
        pytest.param(b'{"message":"Other"}', id="unknown"),
        pytest.param(b'{"message":["Empty"]}', id="tag-of-another-type"),
        pytest.param(b'{"message":"Count"}', id="missing-field"),
        pytest.param(b'{"message":"Count","count":1,"more":2}', id="extra-field"),
        pytest.param(b'{"message":"Count","count":"1"}', id="text-for-number"),
        pytest.param(b'{"message":"Count","count":true}', id="truth-for-number"),
        pytest.param(b'{"message":"Count","count":1.0}', id="fraction-for-number"),
        pytest.param(b'{"message":"Count","count":NaN}', id="no-number"),
        pytest.param(b'{"message":"Count","count":' + b"9" * 5000 + b"}", id="huge-number"),
        pytest.param(b'{"message":"Count","count":' + b"9" * 400 + b"}", id="large-number"),
        pytest.param(b'{"message":"Count","count":-' + b"9" * 400 + b"}", id="small-number"),
        pytest.param(b'{"message":"Share","share":' + b"9" * 400 + b"}", id="more-than-a-float"),
        pytest.param(b'{"message":"Share","share":1e999}', id="without-end"),
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
def test_what_is_no_message_of_the_vocabulary_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedError):
        WORDS.decode(payload)


@given(
    st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "ignore"))
)
def test_no_bytes_raise_anything_but_malformed(payload: bytes) -> None:
    try:
        WORDS.decode(payload)
    except MalformedError:
        return


def test_a_message_of_another_vocabulary_is_not_sent() -> None:
    with pytest.raises(TypeError):
        WORDS.encode(Inner("x"))


def test_a_field_that_cannot_be_read_strictly_fails_at_once() -> None:
    @dataclass(frozen=True)
    class Loose:
        anything: object

    with pytest.raises(TypeError):
        Vocabulary(Loose)
