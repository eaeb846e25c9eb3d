from __future__ import annotations

from aimx.controller.reader import Reader
from desired.problem import Source

MANIFEST = b"""
domains = ["example.com"]
[mailboxes."info@example.com"]
owner = "alice"
"""


def test_what_says_the_same_is_not_read_again() -> None:
    reader = Reader()

    first = reader.read((Source("manifest.toml", MANIFEST),), lambda name: True)
    second = reader.read((Source("manifest.toml", MANIFEST),), lambda name: True)

    assert second is first


def test_an_edit_is_read() -> None:
    reader = Reader()
    reader.read((Source("manifest.toml", MANIFEST),), lambda name: True)

    edited = reader.read(
        (Source("manifest.toml", MANIFEST.replace(b"info@", b"sales@")),), lambda name: True
    )

    assert list(edited.desired.mailboxes) == ["sales@example.com"]


def test_an_owner_who_came_or_went_is_told_though_the_manifest_is_the_same() -> None:
    reader = Reader()
    sources = (Source("manifest.toml", MANIFEST),)

    warned = [
        {problem.code for problem in reader.read(sources, lambda name, is_=is_: is_).warnings}
        for is_ in (False, True)
    ]

    assert warned[0] - warned[1] == {"owner-missing"}
