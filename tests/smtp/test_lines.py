import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.smtp.lines import CommandLines, Unusable

fragments = st.sampled_from([b"\r\n", b"\r", b"\n", b"\0", b"NOOP", b" ", b"x" * 2500])
streams = st.lists(fragments, max_size=10).map(b"".join)


def taken(blocks):
    """What is taken, up to the first line that ends a session, and how much stays at most."""
    lines, arrived, found = CommandLines(1024), bytearray(), []
    for block in blocks:
        arrived += block
        while (line := lines.take(arrived)) is not None:
            found.append(line)
            if line is Unusable.MALFORMED:
                return found
        assert len(arrived) <= 4096
    return found


@given(streams)
def test_cut_anywhere_the_lines_are_the_same(whole):
    whole += b"\r\n"

    assert taken([bytes([octet]) for octet in whole]) == taken([whole])


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        pytest.param(b"NOOP\r\nQUIT\r\n", [b"NOOP", b"QUIT"], id="lines"),
        pytest.param(b"\r\n", [b""], id="empty"),
        pytest.param(b"NOOP", [], id="unfinished"),
        pytest.param(b"NOOP\r", [], id="almost-finished"),
        pytest.param(b"NOOP\n", [Unusable.MALFORMED], id="bare-lf"),
        pytest.param(b"\n", [Unusable.MALFORMED], id="nothing-but-lf"),
        pytest.param(b"NOOP\rQUIT\r\n", [Unusable.MALFORMED], id="bare-cr"),
        pytest.param(b"NOOP\r\r\n", [Unusable.MALFORMED], id="two-cr"),
        pytest.param(b"NO\0OP\r\n", [Unusable.MALFORMED], id="nul"),
        pytest.param(b"NO\0", [Unusable.MALFORMED], id="nul-unfinished"),
        pytest.param(b"x" * 4095 + b"\r\nQUIT\r\n", [Unusable.TOO_LONG, b"QUIT"], id="too-long"),
        pytest.param(b"x" * 99_999 + b"\nQUIT\r\n", [Unusable.MALFORMED], id="too-long-bare-lf"),
    ],
)
def test_only_crlf_ends_a_line(sent, found):
    assert taken([sent]) == found


@pytest.mark.parametrize(
    ("line", "utf8", "short_enough"),
    [
        pytest.param(b"x" * 1022, False, True, id="longest"),
        pytest.param(b"x" * 1023, False, False, id="one-more"),
        pytest.param(b"x" * 4094, True, True, id="longest-utf8"),
        pytest.param(b"x" * 4095, True, False, id="one-more-utf8"),
        pytest.param(b"mail FROM:<%s> smtputf8" % (b"x" * 2000), False, True, id="asks-for-utf8"),
        pytest.param(b"RCPT TO:<%s> SMTPUTF8" % (b"x" * 2000), False, False, id="not-with-rcpt"),
        pytest.param(b"MAIL FROM:<%sSMTPUTF8>" % (b"x" * 2000), False, False, id="in-the-address"),
    ],
)
def test_a_line_may_be_longer_with_smtputf8(line, utf8, short_enough):
    assert CommandLines(1024).fits(line, utf8=utf8) is short_enough
