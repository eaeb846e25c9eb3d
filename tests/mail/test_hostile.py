"""Messages made to take long: each is read at once.

The bounds are counts, of parts, fields, octets of a field. Where work grew with the square of what
is sent, most of these would take minutes, and the whole file hours.
"""

from collections.abc import Callable, Iterable

import pytest

from aimx.mail.author import author
from aimx.mail.reading import read

MEGABYTE = 1_000_000
LINE = 64_000  # Octets: no longer one is taken in.
FIELDS = (
    *("From", "To", "Cc", "Reply-To", "Subject", "Message-ID", "References", "In-Reply-To"),
    *("Date", "List-Id", "Content-Type", "Content-Disposition", "Content-Transfer-Encoding"),
)
UNITS = (
    *(b"(", b"<", b">", b",", b'"', b"\\", b" ", b";", b"=", b"@", b"[", b"::", b"1", b"a"),
    *(b"a@", b"a.", b"=?", b"=?a?q?", b"=?utf-8?b?YQ==?= ", b"; a=b", b'; a="', b"; a*0*=x''%41"),
    *(b"; a*1=b", b"<a@b>,", b"Mon, ", b"\xcc\x80\xcc\x96", b"a<b>c", b'"a" ', b"(a)", b"/\\"),
)
HTML = (
    *("<div>", "<a ", "<!--", "<", "&", "&#x", "[", "*", "`", "<br>", "</div>", "<table><tr><td>"),
    *("<b><i>", "<a href='x'>", "<p style='display:none'>", "<ul><li>", "<blockquote>", "<script>"),
    *("<style>{", "<style>/*", "<a \"'", "<a style='", "<style>.a{opacity:0}</style><p class=a>"),
    *("<select><option>", "<svg>", "<pre>", "<img src='data:image/png;base64,AAAA'>", "<title "),
)
CHARSETS = ("utf-7", "iso-2022-jp", "hz", "utf-16", "gb18030", "punycode", "idna", "unicode_escape")
SHIFTS = (b"+", b"+AAA-", b"\x1b$B", b"~{", b"\xd8\x00")


def filled(unit: bytes, size: int) -> bytes:
    return (unit * (size // len(unit) + 1))[:size]


def folded(value: bytes) -> bytes:
    return b"\r\n ".join(value[at : at + LINE] for at in range(0, len(value), LINE))


def multipart(parts: Iterable[bytes], boundary: bytes = b"b") -> bytes:
    head = b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n'
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return head + body + b"--" + boundary + b"--\r\n"


def parts_of(line: bytes, total: int = 6 * MEGABYTE) -> bytes:
    """As many parts of this as make so many octets."""
    return multipart([line] * min(900, total // len(line)))


STRUCTURES = {
    "mbox-lines-without-an-end": lambda: parts_of(b"From " + b"x" * LINE),
    "lines-without-a-colon": lambda: parts_of(b"x" * LINE),
    "blanks-before-a-colon": lambda: parts_of(b"x" + b" " * LINE),
    "folds": lambda: parts_of(b"a: b\r\n" + b" \r\n" * (LINE // 3)),
    "types-of-semicolons": lambda: parts_of(b"Content-Type: " + b";" * 16_000 + b"\r\n\r\nx"),
    "types-of-blanks": lambda: parts_of(b"Content-Type: a/b;a" + b" " * 16_000 + b"\r\n\r\nx"),
    "types-of-quotes": lambda: parts_of(b"Content-Type: a/b; " + b'a="' * 5_000 + b"\r\n\r\nx"),
    "names-of-marks": lambda: parts_of(
        b'Content-Disposition: attachment; filename="' + b"\xcc\x96\xcc\x80" * 3_700 + b'"\r\n\r\nx'
    ),
    "equal-names": lambda: multipart(
        [b"Content-Disposition: attachment; filename=a.txt\r\n\r\nx"] * 990
    ),
    "many-parts": lambda: multipart([b"\r\nx"] * 300_000),
    "large-parts": lambda: multipart([b"\r\n" + b"x" * 6_000] * 990),
    "nested": lambda: b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(50_000)
    ),
    "nested-in-one-boundary": lambda: (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * 100_000
    ),
    "what-looks-like-a-boundary": lambda: (
        multipart([], b"b") + filled(b"--b" + b" " * 99, MEGABYTE)
    ),
    "a-boundary-of-one-dash": lambda: multipart([], b"-") + filled(b"-", MEGABYTE),
    "a-boundary-of-dashes": lambda: multipart([], b"-" * 15_000 + b"x") + filled(b"-", MEGABYTE),
    "many-fields": lambda: filled(b"a: b\r\n", 6 * MEGABYTE) + b"\r\nx",
    "many-authors": lambda: filled(b"From: a@b\r\n", 6 * MEGABYTE) + b"\r\nx",
    "base64-of-nothing": lambda: (
        b"Content-Transfer-Encoding: base64\r\n\r\n" + filled(b"\xff=", 6 * MEGABYTE)
    ),
    "base64-of-padding": lambda: (
        b"Content-Transfer-Encoding: base64\r\n\r\nQQ" + filled(b"=", 6 * MEGABYTE) + b"."
    ),
    "base64-in-pieces": lambda: (
        b"Content-Transfer-Encoding: base64\r\n\r\n" + filled(b"Q=\r\n", 6 * MEGABYTE)
    ),
    "soft-line-ends": lambda: (
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + filled(b"= \r\n", 6 * MEGABYTE)
    ),
    "control-characters": lambda: b"\r\n" + filled(bytes(range(1, 10)), 6 * MEGABYTE),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", STRUCTURES.values(), ids=STRUCTURES)
def test_a_hostile_structure_is_read_at_once(make: Callable[[], bytes], arrive) -> None:
    content = make()

    found = read(arrive(content))

    stored = len(found.body) + sum(len(each.content) for each in found.attachments)
    assert len(found.attachments) <= 200
    assert stored <= 3 * len(content)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", FIELDS)
def test_a_hostile_field_is_read_at_once(name: str, arrive) -> None:
    for unit in UNITS:
        value = folded(filled(unit, 250_000))
        incoming = arrive(f"{name}: ".encode() + value + b"\r\n\r\nword\r\n")

        found = read(incoming)
        author(incoming.header)

        assert b"word" in found.body or found.attachments, unit


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", HTML)
def test_hostile_html_is_read_at_once(unit: str, arrive) -> None:
    content = b"Content-Type: text/html\r\n\r\n" + filled(unit.encode(), 2 * MEGABYTE)

    found = read(arrive(content))

    assert found.body or found.attachments


@pytest.mark.timeout(60)
@pytest.mark.parametrize("charset", CHARSETS)
def test_a_hostile_charset_is_read_at_once(charset: str, arrive) -> None:
    for unit in SHIFTS:
        content = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode()

        found = read(arrive(content + filled(unit, 2 * MEGABYTE)))

        assert found.body.decode()
