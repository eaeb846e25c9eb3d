"""Whatever is in a record, its reader says so in a sentence or goes on."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import PurePosixPath

import pytest

from reconcilers import generations, history
from reconcilers.host.host import Access, UnseenError
from reconcilers.host.memory import MemoryHost
from reconcilers.journal import interrupted
from reconcilers.records import parsed, sealed, unsealed
from reconcilers.roots import Roots

ROOTS = Roots(*map(PurePosixPath, ("/etc/aimx", "/var/lib/aimx", "/run/aimx", "/etc/aimx/m.toml")))
DEEP = b"[" * 200_000
WHOLE = (
    b'{"at": "2026-01-02T03:04:05+00:00", "who": {"uid": 0, "account": "root", "origin": "x"},'
    b' "resumed": false, "sources": ["m.toml"]}'
)
KEPT = ROOTS.generations / "1"
OURS = Access(0o700, 0, 0)


@pytest.fixture
def host() -> MemoryHost:
    host = MemoryHost(ROOTS)
    for path in (ROOTS.data, ROOTS.state, ROOTS.generations, KEPT, ROOTS.journal):
        if host.look(path) is None:
            host.make_directory(path, OURS)
    return host


@pytest.mark.parametrize("content", [DEEP, b'{"a":' * 200_000, b"", b"\xff", b"{"])
def test_what_is_no_json_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - Of whichever kind.
        parsed(content)


def test_a_sealed_record_says_what_it_said_or_that_it_was_changed() -> None:
    said = {"address": "info@a.com", "at": "2026-01-02T03:04:05Z", "of": ["\u00e4", 1, None, True]}
    content = json.dumps(sealed(said), indent=1).encode()

    assert unsealed(content) == said
    for changed in (content.replace(b"info", b"inbo"), content.replace(b"2026", b"2024")):
        with pytest.raises(ValueError, match="not as it was written"):
            unsealed(changed)


def test_a_record_without_a_seal_is_taken_at_its_word() -> None:
    assert unsealed(b'{"at": "noon"}') == {"at": "noon"}


def test_a_record_that_is_cut_or_flipped_anywhere_says_what_to_do(host: MemoryHost) -> None:
    cuts = [WHOLE[:end] for end in range(len(WHOLE))]
    flips = [
        WHOLE[:at] + bytes([WHOLE[at] ^ 1 << bit]) + WHOLE[at + 1 :]
        for at in range(len(WHOLE))
        for bit in range(8)
    ]
    for content in (*cuts, *flips, DEEP):
        host.replace(KEPT / "record.json", content, OURS)
        with suppress(UnseenError):  # A flip may leave another record that makes sense.
            generations.about(host, ROOTS, 1)

    for content in (*cuts, DEEP):
        host.replace(KEPT / "record.json", content, OURS)
        with pytest.raises(UnseenError, match="Restore it from a backup"):
            generations.about(host, ROOTS, 1)


def test_a_plan_on_record_that_is_nested_without_end_is_damaged() -> None:
    with pytest.raises(UnseenError, match="Restore it from a backup"):
        history.document(DEEP, ROOTS, 1)


def test_a_journal_that_is_nested_without_end_was_interrupted(host: MemoryHost) -> None:
    host.replace(ROOTS.journal / "1.jsonl", DEEP + b"\n", OURS)

    found = interrupted(host, ROOTS)

    assert found is not None
    assert found.generation == 1
