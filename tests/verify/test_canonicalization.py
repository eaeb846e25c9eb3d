import time

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given
from hypothesis import strategies as st

from aimx.verify.canonicalization import (
    relaxed_body,
    relaxed_field,
    simple_body,
    simple_field,
)

pieces = st.sampled_from([b" ", b"\t", b"  ", b"a", b"b.", b"\xe9", b"\r\n"])
bodies = st.lists(pieces, max_size=40).map(lambda found: b"".join(found) + b"\r\n")
marks = st.sampled_from([b" ", b"\t", b"\v", b"\f", b"a", b":", b"\r\n ", b"\r\n\t"])
values = st.lists(marks, max_size=20).map(lambda found: b"".join(found) + b"\r\n")


@given(bodies)
def test_a_relaxed_body_is_what_dkimpy_makes_of_it(body):
    assert relaxed_body(body) == Relaxed.canonicalize_body(body)


@given(bodies)
def test_a_simple_body_is_what_dkimpy_makes_of_it(body):
    assert simple_body(body) == Simple.canonicalize_body(body)


@given(bodies)
def test_a_body_is_canonicalized_once(body):
    assert relaxed_body(relaxed_body(body)) == relaxed_body(body)
    assert simple_body(simple_body(body)) == simple_body(body)


@given(values)
def test_a_field_is_what_dkimpy_makes_of_it(value):
    ((name, relaxed),) = Relaxed.canonicalize_headers([(b"Subject", value)])

    assert relaxed_field(b"Subject", value) == name + b":" + relaxed
    assert simple_field(b"Subject", value) == b"Subject:" + value


@pytest.mark.parametrize(
    ("body", "relaxed", "simple"),
    [
        pytest.param(
            b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n", b" C \r\nD \t E\r\n", id="3.4.5"
        ),
        pytest.param(b"", b"", b"\r\n", id="no body"),
        pytest.param(b"\r\n\r\n", b"", b"\r\n", id="empty lines only"),
        pytest.param(b"a", b"a\r\n", b"a\r\n", id="no last CRLF"),
    ],
)
def test_the_examples_of_rfc_6376(body, relaxed, simple):
    assert (relaxed_body(body), simple_body(body)) == (relaxed, simple)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b" " * 8_000_000 + b"x\r\n", id="one run of spaces"),
        pytest.param((b" " * 998 + b"\r\n") * 8_000, id="lines of spaces"),
        pytest.param(b"x \t" * 2_500_000 + b"\r\n", id="many short runs"),
        pytest.param(b"\r\n" * 4_000_000, id="empty lines"),
    ],
)
def test_a_hostile_body_costs_no_more_than_a_long_one(body):
    started = time.process_time()
    relaxed_body(body)
    simple_body(body)

    # Quadratic, each of them takes minutes; linear, a tenth of a second.
    assert time.process_time() - started < 5
