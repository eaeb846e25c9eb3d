from __future__ import annotations

import re
import unicodedata
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail import invisible, parts
from aimx.mail.mime import Document, File, document


def message(*lines: str) -> bytes:
    return "\r\n".join(lines).encode()


def mixed(*bodies: bytes, kind: str = "mixed") -> bytes:
    head = f"Content-Type: multipart/{kind}; boundary=cut\r\n\r\npreamble".encode()
    return head + b"".join(b"\r\n--cut\r\n" + body for body in bodies) + b"\r\n--cut--\r\nepilogue"


PLAIN = b"Content-Type: text/plain\r\n\r\nplain"
HTML = b"Content-Type: text/html\r\n\r\n<p>rich</p>"
IMAGE = b"Content-Type: image/png; name=a.png\r\nContent-Disposition: inline\r\n\r\nPNG"
INVITATION = b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR"
AMP = b"Content-Type: text/x-amp-html\r\n\r\n<html amp4email>"
AN_AMP = File("", "text/x-amp-html", b"<html amp4email>")
AN_IMAGE = File("a.png", "image/png", b"PNG")
AN_INVITATION = File("", "text/calendar", b"BEGIN:VCALENDAR")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(b"", Document(""), id="nothing"),
        pytest.param(b"\r\nbody", Document("body\n"), id="no header"),
        pytest.param(b"X: y\r\n\r\na\r\nb\r\n\r\n", Document("a\nb\n"), id="line ends"),
        pytest.param(PLAIN, Document("plain\n"), id="plain"),
        pytest.param(HTML, Document("rich\n"), id="HTML"),
        pytest.param(mixed(PLAIN, HTML, kind="alternative"), Document("plain\n"), id="both forms"),
        pytest.param(mixed(HTML, PLAIN, kind="alternative"), Document("plain\n"), id="plain last"),
        pytest.param(
            mixed(PLAIN, b"\r\nbetter", HTML, kind="alternative"),
            Document("better\n"),
            id="the last of two plain forms",
        ),
        pytest.param(
            mixed(HTML, HTML.replace(b"rich", b"richer"), kind="alternative"),
            Document("richer\n"),
            id="the last of two rich forms",
        ),
        pytest.param(
            mixed(
                PLAIN,
                mixed(HTML, PLAIN).replace(b"cut", b"inner"),
                kind="alternative",
            ),
            Document("plain\n"),
            id="a plain form before one that is plain in part",
        ),
        pytest.param(
            mixed(b"\r\n \r\n", HTML, kind="alternative"), Document("rich\n"), id="blank plain form"
        ),
        pytest.param(mixed(PLAIN, HTML), Document("plain\n\nrich\n"), id="one after the other"),
        pytest.param(mixed(PLAIN, IMAGE), Document("plain\n", (AN_IMAGE,)), id="inline image"),
        pytest.param(
            mixed(PLAIN, INVITATION, HTML, kind="alternative"),
            Document("plain\n", (AN_INVITATION,)),
            id="invitation",
        ),
        pytest.param(
            mixed(PLAIN, AMP, HTML, kind="alternative"), Document("plain\n"), id="a form for others"
        ),
        pytest.param(
            mixed(b"\r\n\r\n", AMP, kind="alternative"),
            Document("", (AN_AMP,)),
            id="nothing but a form for others",
        ),
        pytest.param(
            mixed(PLAIN, AMP), Document("plain\n", (AN_AMP,)), id="such a form that is a part"
        ),
        pytest.param(
            mixed(
                PLAIN,
                mixed(HTML, IMAGE, kind="related").replace(b"cut", b"inner"),
                kind="alternative",
            ),
            Document("plain\n", (AN_IMAGE,)),
            id="image of the form that is not shown",
        ),
        pytest.param(
            mixed(PLAIN, b"Content-Disposition: attachment\r\n\r\nfile"),
            Document("plain\n", (File("", "text/plain", b"file"),)),
            id="text that is a file",
        ),
        pytest.param(
            mixed(PLAIN, b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny"),
            Document("plain\n", (File("", "message/rfc822", b"Subject: x\r\n\r\ny"),)),
            id="message in a message",
        ),
        pytest.param(
            mixed(b"\r\nSubject: x", kind="digest"),
            Document("", (File("", "message/rfc822", b"Subject: x"),)),
            id="digest",
        ),
        pytest.param(
            b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: BASE64\r\n\r\nUERG",
            Document("", (File("", "application/pdf", b"PDF"),)),
            id="nothing but a file",
        ),
        pytest.param(
            b"Content-Type: multipart/mixed; boundary=cut\r\n\r\nno parts",
            Document("no parts\n"),
            id="multipart without parts",
        ),
        pytest.param(
            b"Content-Type: multipart/mixed\r\n\r\nno boundary",
            Document("no boundary\n"),
            id="multipart without a boundary",
        ),
        pytest.param(
            b"Content-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n\r\na\r\n--cut \r\n\r\nb",
            Document("a\n\nb\n"),
            id="no closing boundary",
        ),
        pytest.param(
            mixed(b"\r\n--cutter\r\n --cut\r\nx--cut"),
            Document("--cutter\n --cut\nx--cut\n"),
            id="lines that only look like a boundary",
        ),
        pytest.param(b"Content-Type: nonsense\r\n\r\nbody", Document("body\n"), id="no type"),
        pytest.param(b"X: y\r\n\r\na\x1b[2Jb\0c", Document("a\ufffd[2Jb\ufffdc\n"), id="controls"),
    ],
)
def test_a_message_becomes_a_document(content: bytes, found: Document) -> None:
    assert document(content) == found


@pytest.mark.parametrize(
    ("encoding", "raw", "text"),
    [
        ("quoted-printable", b"gr=C3=BCn =\r\nTee", "grün Tee\n"),
        ("quoted-printable", b"=ZZ=", "=ZZ\n"),
        ("base64", b"Z3LD\r\nvG4=", "grün\n"),
        ("8bit", "grün".encode(), "grün\n"),
        ("BASE64 (of RFC 2045)", b"Z3LD\r\nvG4=", "grün\n"),
        ("quoted-printable;", b"gr=C3=BCn", "grün\n"),
        ("x-unheard-of", b"as it is", "as it is\n"),
    ],
)
def test_transfer_encodings_are_undone(encoding: str, raw: bytes, text: str) -> None:
    content = f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + raw

    assert document(content) == Document(text)


@pytest.mark.parametrize(
    ("encoding", "raw"),
    [
        pytest.param("base64", b"IA0K", id="a space"),
        pytest.param("quoted-printable", b"=20=\r\n=0D=0A", id="a space and a line end"),
        pytest.param("quoted-printable", b"=C2=A0", id="a space that does not break"),
        pytest.param("8bit", "\u00a0\u200b\ufeff".encode(), id="what has no width"),
    ],
)
def test_a_plain_form_with_a_blank_in_it_does_not_stand_for_the_html(
    encoding: str, raw: bytes
) -> None:
    blank = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}"

    found = document(mixed(blank.encode() + b"\r\n\r\n" + raw, HTML, kind="alternative"))

    assert found == Document("rich\n")


def test_a_plain_form_of_one_letter_stands_for_the_html() -> None:
    plain = b"Content-Transfer-Encoding: base64\r\n\r\nWQ=="

    assert document(mixed(plain, HTML, kind="alternative")) == Document("Y\n")


HTML_OF_A_CHARSET = '<html><head><META {}="text/html; charset={}"></head><p>{}</p></html>'


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [
        ("windows-1251", "cp1251", "\u041f\u0440\u0438\u0432\u0435\u0442"),
        ("iso-2022-jp", "iso2022_jp", "日本"),
        ("windows-1251", "utf-8", "\u041f\u0440\u0438\u0432\u0435\u0442"),
        ("utf-16", "utf-8", "grün"),
        ("utf-16", "ascii", "green"),
        ("unheard-of", "cp1252", "grün"),
    ],
)
@pytest.mark.parametrize("name", ["text/html", "text/html; charset=x-unknown"])
def test_html_without_a_charset_has_the_one_that_it_names(
    name: str, charset: str, codec: str, text: str
) -> None:
    html = HTML_OF_A_CHARSET.format("content", charset, text)

    found = document(f"Content-Type: {name}\r\n\r\n".encode() + html.encode(codec))

    assert found.body.strip() == text


def test_the_charset_that_the_part_names_goes_before_that_of_the_html() -> None:
    html = HTML_OF_A_CHARSET.format("content", "windows-1251", "gr\u00fcn").encode("latin-1")

    found = document(b"Content-Type: text/html; charset=iso-8859-1\r\n\r\n" + html)

    assert found.body.strip() == "gr\u00fcn"


def test_base64_that_is_cut_short_gives_what_there_is_and_says_so() -> None:
    content = mixed(
        PLAIN,
        b"Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\nUE5HU",
    )

    found = document(content)

    assert found.files == (AN_IMAGE,)
    assert found.notes == (
        "A file is damaged: its base64 ends early, or has other characters in it",
    )


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(b"b25l\r\nCg==\r\ndHdv\r\nCg==\r\n", "one\ntwo\n", id="pieces"),
        pytest.param(
            b"b25lCg==\r\n_______\r\nlist mailing list\r\n", "one\n", id="a list's footer"
        ),
        pytest.param(b"eQ==" * 10_000, "y\n", id="pieces without number"),
    ],
)
def test_base64_that_goes_on_behind_its_end_says_so(raw: bytes, text: str) -> None:
    found = document(b"Content-Transfer-Encoding: base64\r\n\r\n" + raw)

    assert found.body == text
    assert found.notes == (
        "A text is damaged: its base64 ends early, or has other characters in it",
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"Dear Ann,\r\n\r\nhere is the text.\r\n",
        b"Hello!\r\nI am what nobody has encoded.\r\n",
    ],
)
def test_what_is_no_base64_is_shown_as_it_came(raw: bytes) -> None:
    found = document(b"Content-Transfer-Encoding: base64\r\n\r\n" + raw)

    assert found == Document(
        raw.decode().replace("\r\n", "\n"),
        notes=("A text is damaged: its base64 ends early, or has other characters in it",),
    )


@pytest.mark.parametrize(
    "raw", [b"b25l Cg==", b"b2*5lCg==", b"b25l\r\n> Cg==", b"\r\nb25lCg==", b""]
)
def test_base64_with_something_between_is_read(raw: bytes) -> None:
    found = document(b"Content-Transfer-Encoding: base64\r\n\r\n" + raw)

    assert found == Document("one\n" if raw else "")


@pytest.mark.parametrize("end", [b"", b"\r\n", b"=\r\n \t\r\n"])
def test_nothing_but_space_behind_its_end_makes_no_base64_damaged(end: bytes) -> None:
    found = document(b"Content-Transfer-Encoding: base64\r\n\r\nb25lCg==" + end)

    assert found == Document("one\n")


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param(b"cut (they say)", id="a comment"),
        pytest.param(b'"=?us-ascii?q?cut?="', id="what looks like an encoded word"),
        pytest.param(b'"cut (1)"', id="brackets within quotes"),
    ],
)
def test_a_boundary_is_what_is_written(declared: bytes) -> None:
    boundary = declared.strip(b'"') if declared.startswith(b'"') else b"cut"

    found = document(
        mixed(PLAIN, IMAGE)
        .replace(b"boundary=cut", b"boundary=" + declared)
        .replace(b"--cut", b"--" + boundary)
    )

    assert found == Document("plain\n", (AN_IMAGE,))


@pytest.mark.parametrize(
    "declared",
    [
        "multipart / mixed; boundary=cut",
        "(a) multipart (b (c)) / (d) mixed (e); boundary=cut",
        "MULTIPART/MIXED boundary=cut",
        'multipart/mixed\r\n\tboundary="cut"; charset=utf-8',
    ],
)
def test_a_type_is_read_however_its_sender_has_spaced_it(declared: str) -> None:
    content = mixed(PLAIN).replace(b"multipart/mixed; boundary=cut", declared.encode())

    assert document(content) == Document("plain\n")


def test_a_comment_is_no_part_of_a_charset() -> None:
    content = b"Content-Type: text/plain; charset=iso-8859-2 (Polish)\r\n\r\nza\xbf\xf3\xb3\xe6"

    assert document(content) == Document("zażółć\n")


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b'attachment; filename="a b.txt"', "a b.txt"),
        (b"attachment; filename=a b.txt", "a b.txt"),
        (b'attachment; filename="a\\"b;c.txt"; size=4', 'a"b;c.txt'),
        (b'attachment; filename="C:\\mail\\a \\\\ \\"b.txt"', 'C:\\mail\\a \\ "b.txt'),
        (b'attachment; filename="a.txt', "a.txt"),
        (b"attachment; filename*=utf-8''%e2%82%ac.txt", "€.txt"),
        (b"attachment; filename=e.txt; filename*=iso-8859-1'de'%e9.txt", "é.txt"),
        (
            b'attachment; filename*0="a"; filename*2=c; filename*1*=%20b',
            "a%20b".replace("%20", " ") + "c",
        ),
        (b"attachment; filename*0*=utf-8''%e2%82; filename*1*=%ac.txt", "€.txt"),
        (b"attachment; filename*=iso-2022-jp''%1b$B%24F%249%1b(B.txt", "てす.txt"),
        (b'attachment; filename="=?UTF-8?B?44Gm44GZ44GoLnR4dA==?="', "てすと.txt"),
        ("attachment; filename=ciële.txt".encode(), "ciële.txt"),
        (b"attachment", "from-type.txt"),
    ],
)
def test_a_file_has_the_name_that_the_sender_gave_it(field: bytes, name: str) -> None:
    content = (
        b'Content-Type: a/b; name="from-type.txt"\r\nContent-Disposition: ' + field + b"\r\n\r\n"
    )

    assert document(content).files == (File(name, "a/b", b""),)


def test_html_keeps_its_links_and_loses_what_nobody_sees() -> None:
    content = message(
        "Content-Type: text/html; charset=utf-8",
        "",
        "<title>t</title><style>s</style><script>x</script><!-- c -->",
        '<p>See <a href="https://example.com/?a=1&amp;b=2">here</a></p>',
        '<p style="display:none">hidden</p><p hidden>hidden</p>',
        '<img alt="dot" src="data:image/png;base64,AAAA">',
    )

    assert document(content) == Document("See [here](https://example.com/?a=1&b=2)\n\ndot\n")


@pytest.mark.parametrize(
    "html",
    [
        pytest.param(b"<p>word</p>" * 50_000, id="too long"),
        pytest.param(b"<div>" * 5_000 + b"word", id="too deep"),
        pytest.param(b"<p hidden>word</p>", id="nothing to see"),
    ],
)
def test_html_that_does_not_fit_into_the_text_is_kept_beside_it(html: bytes) -> None:
    found = document(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html)

    assert found.files == (File("message.html", "text/html", html),)
    assert found.notes == ("HTML that could not all be turned into Markdown is in message.html",)


def nested(depth: int) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(depth)
    )
    return opening + b"\r\nword"


@pytest.mark.parametrize(
    "html",
    [
        "<div><br></div>",
        "<!DOCTYPE html><html><body><p class=MsoNormal><o:p>&nbsp;</o:p></p></body></html>",
        "\u00a0",
    ],
)
def test_html_in_which_nothing_is_written_is_nothing(html: str) -> None:
    found = document(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html.encode())

    assert (found.body.strip(), found.files, found.notes) == ("", (), ())


@pytest.mark.parametrize(
    "html", ["<p hidden>x</p>", "<iframe src=x></iframe>", "<div><img width=1></div>"]
)
def test_html_of_which_nothing_is_seen_is_a_file(html: str) -> None:
    found = document(b"Content-Type: text/html\r\n\r\n" + html.encode())

    assert (found.body, found.files) == ("", (File("message.html", "text/html", html.encode()),))


def test_ten_levels_of_parts_are_taken_apart() -> None:
    assert document(nested(parts.DEPTH)) == Document("word\n")


@pytest.mark.parametrize(
    ("content", "note"),
    [
        pytest.param(
            nested(10_000),
            "The message has parts nested more than 10 deep, so it is shown as it came",
            id="nested",
        ),
        pytest.param(
            mixed(*[b"\r\nword"] * 100_000),
            "The message has more than 1000 parts, so it is shown as it came",
            id="many",
        ),
        pytest.param(
            mixed(b"\r\n" + b"--cutter\r\n" * 100_000 + b"word"),
            "The message has too many lines that look like a boundary, so it is shown as it came",
            id="almost boundaries",
        ),
    ],
)
def test_a_message_out_of_bounds_is_shown_as_it_came(content: bytes, note: str) -> None:
    found = document(content)

    assert found.notes == (note,)
    assert "word" in found.body
    assert len(found.body) >= len(content) - 2 * content.count(b"\r\n")


@given(st.text("a\r\n\v\f\x1c\x85"))
def test_lines_end_at_cr_and_lf_alone(text: str) -> None:
    content = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode()

    body = document(content).body

    lines = re.sub("[\v\f\x1c\x85]", "\ufffd", re.sub("\r\n|\r", "\n", text)).rstrip("\n")
    assert body == (lines and f"{lines}\n")


@pytest.mark.parametrize("text", ["a\x07\x1b[31mb\tc", "é\x07\x1b[31mb\tc", "a\x07\x9b31mb\tc"])
def test_nothing_that_a_terminal_obeys_is_in_a_text(text: str) -> None:
    content = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode()

    body = document(content).body

    assert [c for c in body if unicodedata.category(c) == "Cc"] == ["\t", "\n"]
    assert "\ufffd" in body


def test_three_thousand_parameters_are_read_like_a_few() -> None:
    many = b"".join(b";\r\n p%d=x" % number for number in range(3_000))

    assert document(b"Content-Type: text/plain" + many + b"\r\n\r\nword") == Document("word\n")


letters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff")
lines = st.lists(st.text(letters, max_size=60), max_size=5).map("\n".join)
visible = lines.filter(lambda text: invisible.without(text) == text)
names = st.text("abcé日 .", min_size=1, max_size=20).filter(lambda name: name == name.strip())
files = st.lists(st.tuples(names, st.binary(max_size=100)), max_size=3)


@given(
    visible,
    st.none() | st.text("abc é\n", min_size=1).filter(str.strip),
    files,
    st.sampled_from(["utf-8", "base64", "8bit", "quoted-printable"]),
)
def test_what_the_standard_library_writes_is_read_back(
    text: str, other: str | None, attached: list[tuple[str, bytes]], encoding: str
) -> None:
    written = EmailMessage(policy=SMTP)
    written.set_content(text, cte=None if encoding == "utf-8" else encoding)
    if other is not None:
        written.add_alternative(f"<p>{other}</p>", subtype="html")
    for name, octets in attached:
        written.add_attachment(octets, maintype="image", subtype="png", filename=name)

    found = document(written.as_bytes())

    assert found.files == tuple(File(name, "image/png", octets) for name, octets in attached)
    if text.strip() or other is None:
        assert found.body == (text.rstrip("\n") + "\n" if text.strip("\n") else "")


words = st.sampled_from(
    [
        *(b"\r\n", b"\n", b" ", b";", b'"', b"=", b"\xff", b"\0", b"word", b"=?utf-8?b?", b"?="),
        *(b"--cut", b"--cut--", b"--inner", b"boundary=cut", b"boundary=inner", b"charset=utf-7"),
        *(b"Content-Type: ", b"multipart/mixed", b"multipart/alternative", b"text/html", b"<p>"),
        *(b"Content-Transfer-Encoding: base64", b"message/rfc822", b"name*0*=", b"name*1="),
    ]
)


@given(st.binary() | st.lists(words, max_size=60).map(b"".join))
def test_all_octets_become_a_document(content: bytes) -> None:
    found = document(content)

    assert found.body.encode().decode() == found.body
    assert not found.body or found.body.endswith("\n")
    assert "\r" not in found.body
