import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.smtp.addresses import address


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param("a@b.example", "a@b.example", id="plain"),
        pytest.param("A.b+c=d@B.Example", "A.b+c=d@B.Example", id="case-stays"),
        pytest.param("!#$%&'*+-/=?^_`{|}~@b.example", "!#$%&'*+-/=?^_`{|}~@b.example", id="atom"),
        pytest.param("a@localhost", "a@localhost", id="one-label"),
        pytest.param("a@my_host.example", "a@my_host.example", id="underscore"),
        pytest.param("a@[192.0.2.1]", "a@[192.0.2.1]", id="literal"),
        pytest.param("a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]", id="literal-6"),
        pytest.param("@x.example,@y.example:a@b.example", "a@b.example", id="source-route"),
        pytest.param('"a"@b.example', "a@b.example", id="needless-quotes"),
        pytest.param('"a\\b"@b.example', "ab@b.example", id="needless-escape"),
        pytest.param('"a b"@b.example', '"a b"@b.example', id="quotes"),
        pytest.param('"a\\"\\\\@<>"@b.example', '"a\\"\\\\@<>"@b.example', id="escapes"),
        pytest.param('""@b.example', '""@b.example', id="nothing-in-quotes"),
        pytest.param("x" * 300 + "@b.example", "x" * 300 + "@b.example", id="bounce-address"),
        pytest.param("ä@bücher.example", "ä@xn--bcher-kva.example", id="a-labels"),
        pytest.param("a", None, id="no-domain"),
        pytest.param("@b.example", None, id="no-local-part"),
        pytest.param("a@", None, id="empty-domain"),
        pytest.param(".a@b.example", None, id="leading-dot"),
        pytest.param("a.@b.example", None, id="trailing-dot"),
        pytest.param("a..b@b.example", None, id="two-dots"),
        pytest.param("a b@b.example", None, id="space"),
        pytest.param("a@b@c.example", None, id="two-at"),
        pytest.param("a@b..example", None, id="empty-label"),
        pytest.param("a@b.example.", None, id="final-dot"),
        pytest.param("a@-b.example", None, id="hyphen"),
        pytest.param("a@" + "x" * 64 + ".example", None, id="long-label"),
        pytest.param("a@" + "x." * 128 + "example", None, id="long-domain"),
        pytest.param('"a@b.example', None, id="unfinished-quotes"),
        pytest.param("a\x7f@b.example", None, id="control"),
        pytest.param("a@\u2603-.example", None, id="no-a-labels"),
    ],
)
def test_a_path_is_an_address_or_none(path, found):
    assert address(path) == found


@given(st.text(max_size=40) | st.text('ab.@"\\<> :,[]é', max_size=40))
def test_an_address_reads_as_itself(path):
    found = address(path)

    assert found is None or address(found) == found


@given(st.text('a"\\ .', min_size=1, max_size=10))
def test_quoting_in_vain_makes_no_other_address(local):
    plain = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"@b.example'
    escaped = '"' + "".join("\\" + character for character in local) + '"@b.example'

    assert address(plain) == address(escaped) is not None
