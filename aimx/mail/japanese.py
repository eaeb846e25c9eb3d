"""Characters that Windows has added to the Japanese charsets of older standards: ①, ㈱, 髙.

Mail has them under the labels of these standards, and every mail program of the country shows them.
"""

from __future__ import annotations

import codecs

# How the codecs are told to ask here for what they do not know.
ERRORS = "japanese-of-windows"
CODECS = frozenset({"euc_jp", "iso2022_jp_ext"})
# Octets that are decoded so: with a call for each a quarter of a second.
MOST = 128 * 1024

_FIRST, _LAST = 0x21, 0x7E


def _known_to_windows(error: UnicodeError) -> tuple[str, int]:
    """The character at the error, else what `replace` makes of it."""
    assert isinstance(error, UnicodeDecodeError)
    pair = error.object[error.start : error.start + 2]
    # EUC has the table's rows and cells above ASCII.
    above = 0x80 if error.encoding == "euc_jp" else 0
    try:
        return _shifted(*(octet - above for octet in pair)).decode("cp932"), error.start + 2
    except (ValueError, TypeError):
        return "\ufffd", error.end


def _shifted(row: int, cell: int) -> bytes:
    """A character of JIS X 0208's table, as Shift_JIS has it; raises ValueError for none."""
    if not (_FIRST <= row <= _LAST and _FIRST <= cell <= _LAST):
        raise ValueError("no character stands there")
    lead = (row - _FIRST) // 2 + 0x81
    trail = cell + (0x7E if row % 2 == 0 else 0x20 if cell >= 0x60 else 0x1F)
    return bytes((lead if lead < 0xA0 else lead + 0x40, trail))


codecs.register_error(ERRORS, _known_to_windows)
