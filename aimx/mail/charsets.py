"""Octets in whatever a message says its charset is -> text, and never an error.

Only charsets of a fixed list are looked up: a label is the sender's, and looking up any name at
all would search the disk for a module, and remember each miss for good.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from encodings.aliases import aliases
from functools import lru_cache

from aimx.mail import japanese

# Python's names of the codecs that mail is written in. `idna`, `punycode` and the escapes are
# codecs too, and quadratic or worse.
CODECS = frozenset(
    {
        *("ascii", "utf_7", "utf_8", "utf_8_sig"),
        *("utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"),
        *("latin_1", *(f"iso8859_{part}" for part in (*range(2, 12), *range(13, 17)))),
        *(f"cp{page}" for page in (437, 720, 737, 775, 850, 852, 855, 857, 858, *range(860, 867))),
        *(f"cp{page}" for page in (869, 874, 932, 949, 950, 1006, 1125, *range(1250, 1259))),
        *("koi8_r", "koi8_t", "koi8_u", "kz1048", "ptcp154", "tis_620"),
        *("mac_cyrillic", "mac_greek", "mac_iceland", "mac_latin2", "mac_roman", "mac_turkish"),
        *("big5", "big5hkscs", "gb18030", "gb2312", "gbk", "hz"),
        *("euc_jp", "euc_jis_2004", "euc_jisx0213"),
        *("shift_jis", "shift_jis_2004", "shift_jisx0213"),
        *("iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_2004", "iso2022_jp_3"),
        *("iso2022_jp_ext", "iso2022_kr", "euc_kr", "johab"),
    }
)

BYTE_ORDER_MARK = "\ufeff"

# What senders write and Python does not know, without the prefixes that `_spellings` takes off.
LABELS = {
    "8859_1": "latin_1",
    "ansi": "cp1252",
    "big5_eten": "big5",
    "cn_big5": "big5",
    "cp10000": "mac_roman",
    "cp51932": "euc_jp",
    "cp943": "cp932",
    "eucjp_ms": "euc_jp",
    "gb_2312_80": "gb2312",
    "iso_10646_ucs_2": "utf_16",
    "iso_2022_jp_ms": "iso2022_jp_ext",
    "koi": "koi8_r",
    "koi8": "koi8_r",
    "koi8_ru": "koi8_u",
    "ksc_5601": "euc_kr",
    "latin_9": "iso8859_15",
    "logical": "iso8859_8",
    "mac_ce": "mac_latin2",
    "mac_ukrainian": "mac_cyrillic",
    "ucs_2": "utf_16",
    "unicode": "utf_16",
    "unicode_2_0_utf_7": "utf_7",
    "visual": "iso8859_8",
    "ks_c_5601": "euc_kr",
    "ks_c_5601_1987": "euc_kr",
    "ksc5601": "euc_kr",
    "iso_8859_6_e": "iso8859_6",
    "iso_8859_6_i": "iso8859_6",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_8_i": "iso8859_8",
    "unicode_1_1_utf_7": "utf_7",
    "utf8mb4": "utf_8",
    "windows_31j": "cp932",
}

# Where text is not in the charset it claims, it is most often in this larger one.
LARGER = {
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso2022_jp": "iso2022_jp_ext",
    "iso8859_9": "cp1254",
    "shift_jis": "cp932",
    "tis_620": "cp874",
}

# Octets of what is not UTF-7 and claims to be: with a fault at each a tenth of a second.
_MOST_UTF_7 = 256 * 1024

_SEPARATORS = re.compile(r"[^a-z0-9]+")
_PAGE = re.compile(r"(?:win|windows|cp|ibm|dos|ms)_?([0-9]{3,5})")


@lru_cache(maxsize=256)
def codec(label: str) -> str | None:
    """Python's name of the codec; None for a charset that we do not know."""
    plain = _SEPARATORS.sub("_", label[:64].lower()).strip("_")
    names = (
        LABELS.get(spelling) or aliases.get(spelling, spelling) for spelling in _spellings(plain)
    )
    return next((name for name in names if name in CODECS), None)


def _spellings(plain: str) -> Iterator[str]:
    """The label, without what some put before it, and as the page of its number."""
    yield plain
    bare = plain.removeprefix("x_").removeprefix("x_")
    yield bare
    yield bare.removeprefix("cs")  # As IANA has them: csEUCKR.
    if page := _PAGE.fullmatch(bare):
        yield f"cp{page[1]}"


def decode(octets: bytes, label: str) -> str:
    """What does not decode becomes U+FFFD; an unknown charset is guessed at."""
    name = codec(label)
    if name in (None, "ascii", "utf_8"):
        return guess(octets)
    if name == "latin_1":
        # Octets 0x80 to 0x9F are letters and quotes of Windows-1252, whatever the label says.
        return octets.decode("cp1252", "replace")
    try:
        text = octets.decode(name)
    except UnicodeError:
        text = _else(octets, LARGER.get(name, name))
    return whole(text) if name == "utf_7" else text


def _else(octets: bytes, name: str) -> str:
    """What is not in the charset it claims: UTF-8 if it is that, which is seldom by chance."""
    with suppress(UnicodeDecodeError):
        if not octets.isascii():
            return octets.decode()
    if name == "utf_7" and len(octets) > _MOST_UTF_7:
        return guess(octets)
    is_japanese = name in japanese.CODECS and len(octets) <= japanese.MOST
    return octets.decode(name, japanese.ERRORS if is_japanese else "replace")


def guess(octets: bytes, likely: str = "") -> str:
    """UTF-8 if it is that, else what is `likely`, else Windows-1252, which most of the rest is."""
    try:
        return octets.decode().removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as cause:
        # One broken character after sound ones does not make UTF-8 another charset.
        is_ascii_so_far = octets[: cause.start].isascii()
        if is_ascii_so_far and likely:
            return decode(octets, likely)
        return octets.decode("cp1252" if is_ascii_so_far else "utf-8", "replace")


def whole(text: str) -> str:
    """The text without halves of surrogate pairs, which no file can hold."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def warm() -> None:
    """Load every codec, for a process that cannot load modules later."""
    for name in CODECS:
        b"".decode(name)
