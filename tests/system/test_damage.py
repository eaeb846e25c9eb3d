"""What a daemon makes of damaged files of state when it is started."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

BOX = "info@example.com"


@pytest.fixture(scope="module")
def served(make_for_all):
    instance = make_for_all()
    instance.declare(BOX, "postmaster@example.com")
    instance.serve()
    return instance


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x80
    path.write_bytes(content)


def replaced_by(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


def zeros(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * 2**20)


DAMAGES = {
    "cut": cut,
    "flipped": flipped,
    "empty": replaced_by(Path.touch),
    "directory": replaced_by(Path.mkdir),
    "fifo": replaced_by(os.mkfifo),
    "link": replaced_by(lambda path: path.symlink_to("/etc/hostname")),
    "zeros": replaced_by(zeros),
}


@pytest.fixture
def stopped(instance):
    instance.declare(BOX, "postmaster@example.com")
    instance.apply()
    return instance


@pytest.mark.parametrize("automatic", ["safe", "none"])
def test_manifest_and_engine_config_may_both_be_damaged(instance, automatic):
    instance.declare(BOX, rest=f'[controller]\nauto_apply = "{automatic}"\n')
    instance.apply()
    instance.manifest.write_text("nonsense")
    cut(instance.base / "config" / "config.toml")

    instance.serve()

    assert instance.deliver(b"Subject: on\r\n\r\nHello.\r\n", BOX) == 250


@pytest.mark.parametrize("damage", ["cut", "fifo", "zeros"])
def test_a_marker_that_names_no_layout_of_ours_is_refused_and_shown(stopped, damage):
    marker = stopped.data / ".layout-version"
    DAMAGES[damage](marker)
    if damage == "cut":  # What is left is what it was, without its end of line.
        marker.write_text("")

    done = stopped.aimx("serve")

    assert done.returncode == 4, done.stdout + done.stderr
    assert str(marker) in done.stdout + done.stderr
    assert "write 2 into it" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_with_keys_and_records_damaged_together_mail_is_received(stopped):
    """What comes of each alone is tried in process, by every way of damage."""
    config = stopped.base / "config"
    cut(config / "dkim" / "example.com" / "private.key")
    DAMAGES["directory"](config / "tls" / "key.pem")
    DAMAGES["flipped"](stopped.state / "journal" / "1.jsonl")
    cut(stopped.state / "generations" / "1" / "record.json")
    (stopped.state / "status.json").mkdir()

    stopped.serve()

    assert stopped.deliver(b"Subject: on\r\n\r\nHello.\r\n", BOX) == 250
    assert stopped.letter(BOX, "on")
    assert "private.key" in stopped.condition("Ready")["message"]
