"""The directories of an instance may be links: to a larger disk, or to where others are."""

import pytest


@pytest.fixture
def linked(make):
    instance = make()
    for name in ("config", "data", "run"):
        here, there = instance.base / name, instance.base / "there" / name
        there.parent.mkdir(exist_ok=True)
        here.rename(there)
        here.symlink_to(there)
    return instance


def test_what_is_reached_through_links_is_applied_served_and_taken_back(linked):
    linked.declare("info@example.com", "postmaster@example.com")
    linked.apply()
    linked.serve()

    assert linked.deliver(b"Subject: hello\r\n\r\nHello.\r\n", "info@example.com") == 250
    assert linked.letter("info@example.com", "hello").path.is_file()
    assert linked.aimx("plan", "--detailed-exitcode").returncode == 0
    linked.declare("postmaster@example.com")
    assert "1 unread" in linked.aimx("plan").stdout
    linked.apply()

    (stone,) = (linked.base / "there" / "data" / ".aimx" / "tombstones").iterdir()
    assert len(list(stone.rglob("*.md"))) == 1
