from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail import filenames, stem


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("../../.bashrc", "bashrc"),
        ("folder/", "folder"),
        ("Cafe\u0301.txt", "Caf\u00e9.txt"),
        ("a\r\n\0b.txt", "a_b.txt"),
        ("invoice\u202efdp.exe", "invoice_fdp.exe"),
        (" - name - ", "name"),
        ("two words.txt", "two words.txt"),
        ("..", ""),
        (".", ""),
        ("\u200b", ""),
        ("", ""),
        ("2026-01-02-030405-hello.md", "attachment-2026-01-02-030405-hello.md"),
        ("2026-01-02 notes.MD", "attachment-2026-01-02 notes.MD"),
        ("2026-01-02-" + "x" * 186 + ".mdx", "2026-01-02-" + "x" * 185 + ".mdx"),
        ("2026-01-02-" + "x" * 185 + ".md", "attachment-2026-01-02-" + "x" * 175 + ".md"),
        (
            "2026-01-02-" + "x" * 186 + ".md" + "x" * 30,
            "attachment-2026-01-02-" + "x" * 175 + ".md",
        ),
        ("notes.md", "notes.md"),
        ("x" * 300, "x" * 200),
        ("é" * 300, "é" * 100),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("x" * 192 + " ... .docx", "x" * 192 + ".docx"),
        ("x." + "y" * 300, "x." + "y" * 198),
    ],
)
def test_a_name_is_made_safe(declared: str, name: str) -> None:
    assert filenames.safe(declared) == name


@pytest.mark.timeout(20)
def test_a_name_of_nothing_but_marks_is_read_at_once() -> None:
    # Bringing all of it into order would take a minute.
    assert filenames.safe("a" + "\u0300\u0316" * 100_000).startswith("à")


@pytest.mark.parametrize(
    ("declared", "names"),
    [
        (["a.txt", "a.txt", "a.txt"], ["a.txt", "a-1.txt", "a-2.txt"]),
        (["a.txt", "a-1.txt", "a.txt"], ["a.txt", "a-1.txt", "a-2.txt"]),
        (["a", "a"], ["a", "a-1"]),
        (["", "b", ""], ["attachment-1", "b", "attachment-3"]),
        (["attachment-2", ""], ["attachment-2", "attachment-2-1"]),
        (["raw.eml"], ["raw-1.eml"]),
        (["x" * 300 + ".txt"] * 2, ["x" * 196 + ".txt", "x" * 194 + "-1.txt"]),
        (["x" * 196 + ".txt"] * 2, ["x" * 196 + ".txt", "x" * 194 + "-1.txt"]),
    ],
)
def test_names_in_a_message_are_distinct(declared: list[str], names: list[str]) -> None:
    assert list(filenames.distinct(declared)) == names


tricky = st.text("ab./\\-_ \0\u202e\u200b\ufeff\u0301é日", max_size=30)
dated = st.text("-abc. ").map(lambda tail: f"2026-01-02-030405{tail}.md")
declared_names = st.lists(
    st.text() | tricky | dated | st.sampled_from(["raw.eml", "..", "x" * 250]), max_size=12
)


@given(declared_names)
def test_every_name_is_safe_to_create(declared: list[str]) -> None:
    names = list(filenames.distinct(declared))

    assert len(names) == len(declared) == len(set(names))
    for name in names:
        assert name not in ("", ".", "..", filenames.RAW)
        assert len(name.encode()) <= filenames.BYTES
        assert not re.search(r"[/\\]", name)
        assert not any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in name)
        assert not any(unicodedata.bidirectional(one) in BIDI for one in name)
        assert not re.match(r"\d{4}-\d\d-\d\d.*\.md$", name, re.IGNORECASE)


BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI", "BN"}


@given(st.text(), st.datetimes(timezones=st.timezones()), declared_names)
def test_no_attachment_is_called_like_its_message(
    subject: str, moment: object, declared: list[str]
) -> None:
    base = stem.base(subject, moment)  # type: ignore[arg-type]

    assert f"{base}.md" not in filenames.distinct([*declared, f"{base}.md"])
