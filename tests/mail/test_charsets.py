from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail import charsets, japanese


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("ISO-2022-JP", "iso2022_jp", "すみません。"),
        ("Shift_JIS", "shift_jis", "日本語"),
        ("euc-jp", "euc_jp", "日本語"),
        ("ks_c_5601-1987", "euc_kr", "스티해"),
        ("EUC-KR", "euc_kr", "한국말로"),
        ("gb2312", "gb2312", "简体中文"),
        ("Big5", "big5", "繁體中文"),
        ("KOI8-R", "koi8_r", "Привет"),
        ("windows-1251", "cp1251", "Привет"),
        ("ISO-8859-1", "latin_1", "Grüße"),
        ("iso-8859-15", "iso8859_15", "10 €"),
        ("iso-8859-8-i", "iso8859_8", "שלום"),
        ("UTF-16LE", "utf_16_le", "\u20ac"),
        ("utf-7", "utf_7", "Grüße"),
        (" utf8 ", "utf_8", "Grüße"),
        ("us-ascii", "utf_8", "Grüße"),
        ("", "cp1252", "Grüße"),
    ],
)
def test_a_charset_decodes_as_the_standard_library_does(label: str, codec: str, text: str) -> None:
    assert charsets.decode(text.encode(codec), label) == text


@pytest.mark.parametrize(
    ("label", "octets", "text"),
    [
        pytest.param("iso-8859-1", b"\x93quoted\x94", "\u201cquoted\u201d", id="Windows-1252"),
        pytest.param("gb2312", "镕".encode("gb18030"), "镕", id="GB 18030"),
        pytest.param("euc-kr", "똠".encode("cp949"), "똠", id="Unified Hangul"),
        pytest.param("shift_jis", "①".encode("cp932"), "①", id="Windows-31J"),
    ],
)
def test_a_label_stands_for_the_larger_charset_too(label: str, octets: bytes, text: str) -> None:
    assert charsets.decode(octets, label) == text


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("csGB2312", "gb2312"),
        ("GB_2312-80", "gb2312"),
        ("x-gbk", "gbk"),
        ("cn-big5", "big5"),
        ("x-x-big5", "big5"),
        ("csEUCKR", "euc_kr"),
        ("x-windows-949", "cp949"),
        ("x-sjis", "shift_jis"),
        ("Windows-31J", "cp932"),
        ("x-euc-jp", "euc_jp"),
        ("ISO-2022-JP-MS", "iso2022_jp_ext"),
        ("win-1251", "cp1251"),
        ("x-cp1251", "cp1251"),
        ("CP-1252", "cp1252"),
        ("DOS-866", "cp866"),
        ("x-mac-roman", "mac_roman"),
        ("koi8", "koi8_r"),
        ("csKOI8R", "koi8_r"),
        ("Latin-9", "iso8859_15"),
        ("csUTF8", "utf_8"),
        ("x-unknown", None),
        ("unknown-8bit", None),
        ("cs", None),
        ("x-", None),
        ("windows-1", None),
    ],
)
def test_a_charset_has_many_names(label: str, codec: str | None) -> None:
    assert charsets.codec(label) == codec


@pytest.mark.parametrize(
    ("label", "octets", "text"),
    [
        pytest.param("iso-2022-jp", b"\x1b$B-j-!F|\x1b(B ok", "㈱①日 ok", id="added by NEC"),
        pytest.param("iso-2022-jp", b"\x1b$B|b\x1b(B", "髙", id="added by IBM"),
        pytest.param("euc-jp", b"\xad\xa1\xad\xea", "①㈱", id="EUC"),
        pytest.param("iso-2022-jp", b"\x1b$B\x7fz\x1b(B", "\ufffd", id="nobody's"),
        pytest.param("iso-2022-jp", b"\x1b$B-", "\ufffd", id="half"),
        pytest.param("euc-jp", b"a\xadb", "a\ufffdb", id="half in EUC"),
    ],
)
def test_japanese_has_the_characters_of_windows(label: str, octets: bytes, text: str) -> None:
    assert charsets.decode(octets, label) == text


@given(st.binary(), st.sampled_from(["iso-2022-jp", "euc-jp"]))
def test_no_octets_at_all_make_japanese_fail(octets: bytes, label: str) -> None:
    assert isinstance(charsets.decode(b"\x1b$B" + octets, label), str)


def test_a_large_text_is_decoded_without_asking_for_each_character() -> None:
    octets = b"\xad\xa1" * (japanese.MOST // 2 + 1)

    assert "①" not in charsets.decode(octets, "euc-jp")


def test_what_is_not_utf_7_is_decoded_as_far_as_it_is() -> None:
    assert charsets.decode(b"+AOk- +!", "utf-7").startswith("\u00e9 ")


def test_a_large_text_that_is_not_utf_7_stays_as_it_is() -> None:
    octets = b"+!" * 200_000

    assert charsets.decode(octets, "utf-7") == octets.decode()


@pytest.mark.parametrize(
    "label", ["idna", "punycode", "unicode_escape", "zlib", "os.path", "a" * 999]
)
def test_only_charsets_are_looked_up(label: str) -> None:
    assert charsets.codec(label) is None


def test_one_broken_character_does_not_change_the_charset() -> None:
    assert charsets.guess("grün und gr\u00fcn".encode()[:-2]) == "grün und gr\ufffd"


@pytest.mark.parametrize(
    "label", ["gb2312", "big5", "shift_jis", "euc-kr", "koi8-t", "iso-2022-jp"]
)
def test_what_is_not_in_the_charset_it_claims_is_utf_8_where_it_can_be(label: str) -> None:
    assert charsets.decode("您好\uff0c17%".encode() + b"\r\n", label) == "您好\uff0c17%\r\n"


@given(st.binary(), st.sampled_from(sorted(charsets.CODECS)) | st.text())
def test_all_octets_in_all_charsets_become_text_that_a_file_can_hold(
    octets: bytes, label: str
) -> None:
    text = charsets.decode(octets, label)

    assert text.encode().decode() == text


def test_every_charset_can_be_loaded_ahead() -> None:
    charsets.warm()

    assert all(charsets.codec(name) for name in charsets.CODECS)
