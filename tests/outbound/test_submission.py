import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail.addresses import Correspondent
from aimx.outbound.addresses import everyone, written
from aimx.outbound.refusal import Code, SubmissionError
from aimx.outbound.submission import Field, author_of, read

DOMAINS = ("a.example", "b.example")


def refusal(submission: bytes) -> tuple[Code, str]:
    with pytest.raises(SubmissionError) as caught:
        author_of(submission, DOMAINS)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize(
    ("author", "found"),
    [
        pytest.param("info@a.example", Correspondent("", "info", "a.example"), id="plain"),
        pytest.param(
            "<info@B.Example>", Correspondent("", "info", "b.example"), id="case-of-the-domain"
        ),
        pytest.param("Info@A.example", Correspondent("", "info", "a.example"), id="case"),
        pytest.param("info", Correspondent("", "info", "a.example"), id="bare-local-part"),
        pytest.param(
            "Ana <info>", Correspondent("Ana", "info", "a.example"), id="bare-with-a-name"
        ),
        pytest.param(
            '"A, B" <i@a.example>', Correspondent("A, B", "i", "a.example"), id="comma-in-quotes"
        ),
        pytest.param("i@a.example (me)", Correspondent("", "i", "a.example"), id="comment"),
        pytest.param("Zoë <i@a.example>", Correspondent("Zoë", "i", "a.example"), id="raw-utf-8"),
        pytest.param(
            "=?utf-8?Q?Zo=C3=AB?= <i@a.example>",
            Correspondent("Zoë", "i", "a.example"),
            id="encoded-word",
        ),
        pytest.param(
            "Ana\r\n <info@a.example>", Correspondent("Ana", "info", "a.example"), id="folded"
        ),
    ],
)
def test_the_author_is_the_one_address_in_from(author: str, found: Correspondent) -> None:
    assert author_of(f"From: {author}\r\n\r\nhi".encode(), DOMAINS) == found


@pytest.mark.parametrize(
    ("submission", "text"),
    [
        pytest.param(b"To: a@b.example\r\n\r\n", "no From header", id="no-from"),
        pytest.param(b"From:\r\n\r\n", "no From header", id="empty-from"),
        pytest.param(b"From: ,\r\n\r\n", "holds 0", id="nobody"),
        pytest.param(
            b"From: a@a.example, b@a.example\r\n\r\n", "exactly one address", id="two-addresses"
        ),
        pytest.param(
            b"From: a@a.example\r\nfrom: b@a.example\r\n\r\n", "2 From headers", id="two-fields"
        ),
        pytest.param(b"From: a@a.example <b@c>\r\n\r\n", "no valid domain", id="one-label"),
        pytest.param(b"From: a@b@a.example\r\n\r\n", "no @, or more than one", id="two-ats"),
        pytest.param(
            b"From: <a@a.example> b\r\n\r\n", "after an address in angle brackets", id="words-after"
        ),
        pytest.param(b'From: "a\r\n\r\n', "may not stand there", id="open-quote"),
        pytest.param(b"From: g: a@a.example;\r\n\r\n", "From: a", id="group"),
        pytest.param(
            b"From: .a@a.example\r\n\r\n", "not a dot-atom of at most 64", id="leading-dot"
        ),
        pytest.param(
            b"From: " + b"a" * 65 + b"\r\n\r\n",
            "not a dot-atom of at most 64",
            id="long-local-part",
        ),
        pytest.param(
            b"From: a@a.example", "no header/body separator (expected blank line)", id="no-blank"
        ),
        pytest.param(
            b"X: " + b"a" * 70_000 + b"\r\n\r\n", "header block is too large", id="large-header"
        ),
        pytest.param(b"From: \xff@a.example\r\n\r\n", "not UTF-8", id="not-utf-8"),
        pytest.param(b"From a@a.example\r\n\r\n", "'Name: value'", id="no-colon"),
        pytest.param(
            b"From: a@a.example\r\nX: a\nBcc: b@b.example\r\n\r\n",
            "Header 'X' contains CRLF characters. Possible header injection",
            id="bare-line-feed",
        ),
        pytest.param(
            b"From: a@a.example\r\nX: a\rBcc: b@b.example\r\n\r\n",
            "Header 'X' contains CRLF characters. Possible header injection",
            id="bare-carriage-return",
        ),
        pytest.param(
            b"From: a@a.example\nX: a\r\n\n", "contains CRLF characters", id="mixed-line-ends"
        ),
        pytest.param(b"From: a\0@a.example\r\n\r\n", "contains control characters", id="nul"),
    ],
)
def test_a_malformed_submission_is_refused(submission: bytes, text: str) -> None:
    code, reason = refusal(submission)

    assert code is Code.MALFORMED
    assert text in reason


def test_an_author_in_a_foreign_domain_is_told_ours() -> None:
    assert refusal(b"From: a@c.example\r\n\r\n") == (
        Code.DOMAIN,
        'sender domain \'c.example\' is not in `domains = ["a.example", "b.example"]`',
    )


def test_lines_may_all_end_in_a_line_feed() -> None:
    submission = read(b"From: a@a.example\nSubject: one\n two\n\nbody\nmore\n")

    assert submission.fields == (Field("From", "a@a.example"), Field("Subject", "one two"))
    assert submission.body == b"body\nmore\n"


@given(st.binary(max_size=300))
def test_no_bytes_make_reading_raise_anything_but_its_own_error(noise: bytes) -> None:
    for submission in (noise, b"From: a@a.example\r\nTo: " + noise + b"\r\n\r\n"):
        with contextlib.suppress(SubmissionError):
            read(submission).author(DOMAINS)


names = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=30)
local_parts = st.from_regex(r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}", fullmatch=True)


@given(names, local_parts)
def test_an_address_survives_being_written_and_read(name: str, local: str) -> None:
    correspondent = Correspondent(" ".join(name.split()), local, "a.example")

    text = written(correspondent)

    assert everyone("To", text) == (correspondent,)
    assert text.isascii()
