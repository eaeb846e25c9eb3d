"""What becomes of the engine when one of its keys, or its certificate, is damaged on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aimx.controller.compiled import compiled


def unlinked(path: Path) -> Path:
    path.unlink()
    return path


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:500]),
    "directory": lambda path: unlinked(path).mkdir(),
    "fifo": lambda path: os.mkfifo(unlinked(path)),
    "link": lambda path: unlinked(path).symlink_to("/etc/passwd"),
}
damaged = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


@damaged
def test_a_damaged_key_takes_the_sending_of_its_domain_alone(serving, damage):
    async def scene(served) -> None:
        key = served.base / "config/dkim/example.com/private.key"
        damage(key)

        first = compiled(served.config, served.host, served.instance.roots)

        assert (first.keys, sorted(first.snapshot.routes)) == ({}, ["postmaster@example.com"])
        (trouble,) = first.troubles
        assert str(key) in trouble

    serving(scene)


@pytest.mark.parametrize("damage", [DAMAGES["cut"], DAMAGES["fifo"]], ids=["cut", "fifo"])
def test_an_engine_that_runs_goes_on_with_the_key_that_it_has(serving, damage):
    async def scene(served) -> None:
        before = served.engine.committed.keys
        damage(served.base / "config/dkim/example.com/private.key")
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert served.routes == ["info", "postmaster"]
        assert served.engine.committed.keys == before
        assert served.condition("Ready") == ("False", "Damaged")

    serving(scene)


@pytest.mark.parametrize(("name", "damage"), [("cert.pem", "link"), ("key.pem", "fifo")])
def test_an_engine_that_runs_goes_on_with_the_certificate_that_it_has(serving, name, damage):
    async def scene(served) -> None:
        before = served.engine.committed.certificate
        DAMAGES[damage](served.base / "config/tls" / name)

        await served.controller.turn()

        assert served.engine.committed.certificate == before
        assert served.condition("Ready") == ("False", "Damaged")

    serving(scene)


def test_a_second_key_that_is_gone_is_told_and_mail_is_signed_without_it(serving):
    async def scene(served) -> None:
        served.declare(
            "postmaster",
            top='[domain."example.com"]\n'
            'dkim = { algorithms = ["rsa-sha256", "ed25519-sha256"] }\n',
        )
        await served.controller.turn()
        both = served.engine.committed.keys["example.com"]
        gone = served.base / "config/dkim/example.com/ed25519-private.key"
        gone.unlink()

        left = compiled(served.config, served.host, served.instance.roots)

        assert list(both) == ["rsa-sha256", "ed25519-sha256"]
        assert left.keys == {"example.com": {"rsa-sha256": both["rsa-sha256"]}}
        assert left.troubles == (
            f"{gone} is gone. Restore it from a backup. Until then example.com signs without it.",
        )

    serving(scene)
