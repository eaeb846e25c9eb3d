"""An apply that was killed, and what the next one does about it where nothing differs."""

from __future__ import annotations

import json
import os
import shutil

import pytest


@pytest.fixture
def applied(instance):
    assert instance.run("apply", "--yes").exit == 0
    return instance


@pytest.fixture
def synced(monkeypatch) -> list[str]:
    """What was asked of the kernel; a real one would wait for every disk of this machine."""
    asked: list[str] = []
    monkeypatch.setattr(os, "sync", lambda: asked.append("everything"))
    return asked


def without_its_end(instance) -> None:
    journal = instance.data / ".aimx/journal/1.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-1]))


def test_what_a_killed_apply_did_is_synced_once_though_nothing_differs(applied, synced):
    without_its_end(applied)

    first, second = (applied.run("apply", "--yes") for _ in range(2))

    assert (first.exit, second.exit) == (0, 0)
    assert "No changes." in first.out
    assert synced == ["everything"]


def test_an_apply_after_one_that_ended_syncs_nothing_more(applied, synced):
    applied.run("apply", "--yes")
    applied.declare("postmaster@example.com", "info@example.com")
    applied.run("apply", "--yes")

    assert synced == []


def test_a_generation_without_record_is_recorded_by_the_next_apply_as_resumed(applied):
    record = applied.data / ".aimx/generations/1"
    shutil.rmtree(record)

    planned = applied.run("plan")
    done = applied.run("apply", "--yes")

    assert "generation 1 was applied and is not on record" in " ".join(planned.out.split())
    assert done.exit == 0
    assert json.loads((record / "record.json").read_text())["resumed"] is True
    assert (record / "config.toml").read_bytes() == (
        applied.base / "config/config.toml"
    ).read_bytes()
    assert "No changes." in applied.run("plan").out
    assert "resumed" in applied.run("history").out
