"""Every way to change a manifest, under a running daemon."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# As on a machine where others have all inotify instances.
DEAF = [sys.executable, str(Path(__file__).with_name("deaf_driver.py"))]


def run(*words: object) -> None:
    names = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    subprocess.run(
        [str(word) for word in words],
        check=True,
        capture_output=True,
        env={**os.environ, **names},
    )


@dataclass
class Place:
    """A directory with a manifest of its own, beside the instance that goes by it."""

    instance: Any
    boxes: list[str] = field(default_factory=lambda: ["postmaster@example.com"])

    @property
    def base(self) -> Path:
        path: Path = self.instance.base
        return path

    @property
    def directory(self) -> Path:
        return self.base / "desired"

    @property
    def manifest(self) -> Path:
        return self.directory / "manifest.toml"

    def more(self) -> tuple[str, str]:
        """A new mailbox, and a manifest that declares it as well."""
        box = f"box{len(self.boxes)}@example.com"
        self.boxes.append(box)
        return box, self.instance.text(*self.boxes)

    def renew(self, text: str) -> None:
        """Whatever the last way left of the directory is gone."""
        for path in self.base.glob("desired*"):
            path.unlink() if path.is_symlink() else shutil.rmtree(path)
        self.directory.mkdir()
        self.manifest.write_text(text)


# Each is a generator: what it does before its `yield` is there, and known, before the change.

Way = Callable[[Place, str], Iterator[None]]


def in_place(place: Place, text: str) -> Iterator[None]:
    yield
    place.manifest.write_text(text)


def truncated_and_written(place: Place, text: str) -> Iterator[None]:
    yield
    with place.manifest.open("w") as file:
        for line in text.splitlines(keepends=True):
            file.write(line)
            file.flush()


def by_rename(place: Place, text: str) -> Iterator[None]:
    yield
    (place.directory / "new").write_text(text)
    (place.directory / "new").rename(place.manifest)


def by_rename_from_elsewhere(place: Place, text: str) -> Iterator[None]:
    yield
    (place.base / "new").write_text(text)
    (place.base / "new").rename(place.manifest)


def as_vim_does(place: Place, text: str) -> Iterator[None]:
    yield
    backup = place.directory / "manifest.toml~"
    place.manifest.rename(backup)
    place.manifest.write_text(text)
    backup.unlink()


def as_emacs_does(place: Place, text: str) -> Iterator[None]:
    yield
    lock = place.directory / ".#manifest.toml"
    lock.symlink_to("someone@somewhere.1:1")
    place.manifest.rename(place.directory / "manifest.toml~")
    place.manifest.write_text(text)
    lock.unlink()


def as_nano_does(place: Place, text: str) -> Iterator[None]:
    yield
    shutil.copy2(place.manifest, place.directory / "manifest.toml~")
    with place.manifest.open("r+") as file:
        file.truncate()
        file.write(text)


def by_install(place: Place, text: str) -> Iterator[None]:
    (place.base / "new").write_text(text)
    yield
    run("install", "-m", "0640", place.base / "new", place.manifest)


def by_git_checkout(place: Place, text: str) -> Iterator[None]:
    git = ("git", "-C", place.directory, "-c", "user.name=a", "-c", "user.email=a@example.org")
    run(*git, "init", "-q", "-b", "one")
    run(*git, "add", ".")
    run(*git, "commit", "-qm", "one")
    run(*git, "checkout", "-qb", "two")
    before = place.manifest.read_text()
    place.manifest.write_text(text)
    run(*git, "commit", "-qam", "two")
    run(*git, "checkout", "-q", "one")
    assert place.manifest.read_text() == before
    yield
    run(*git, "checkout", "-q", "two")


def by_delete_and_create(place: Place, text: str) -> Iterator[None]:
    yield
    place.manifest.unlink()
    place.manifest.write_text(text)


def by_another_directory(place: Place, text: str) -> Iterator[None]:
    other = place.base / "desired.other"
    other.mkdir()
    (other / "manifest.toml").write_text(text)
    yield
    place.directory.rename(place.base / "desired.former")
    other.rename(place.directory)


def by_a_new_directory(place: Place, text: str) -> Iterator[None]:
    yield
    shutil.rmtree(place.directory)
    place.directory.mkdir()
    place.manifest.write_text(text)


def as_kubernetes_does(place: Place, text: str) -> Iterator[None]:
    """The file is a link through a link to a directory, and that link is flipped."""
    before = place.manifest.read_text()
    for version, content in (("..1", before), ("..2", text)):
        (place.directory / version).mkdir()
        (place.directory / version / "manifest.toml").write_text(content)
    (place.directory / "..data").symlink_to("..1")
    (place.directory / "new").symlink_to("..data/manifest.toml")
    (place.directory / "new").rename(place.manifest)
    yield
    (place.directory / "..data_tmp").symlink_to("..2")
    (place.directory / "..data_tmp").rename(place.directory / "..data")
    shutil.rmtree(place.directory / "..1")


def as_git_sync_does(place: Place, text: str) -> Iterator[None]:
    """Each revision is a directory, and the manifest's is the one that is linked to."""
    trees = place.base / "desired.trees"
    for revision, content in (("one", place.manifest.read_text()), ("two", text)):
        (trees / revision).mkdir(parents=True)
        (trees / revision / "manifest.toml").write_text(content)
    shutil.rmtree(place.directory)
    place.directory.symlink_to("desired.trees/one")
    yield
    (place.base / "desired.next").symlink_to("desired.trees/two")
    (place.base / "desired.next").rename(place.directory)


def as_a_fragment(place: Place, text: str) -> Iterator[None]:
    yield
    fragments = place.directory / "manifest.d"
    fragments.mkdir()
    owner = text.partition('owner = "')[2].partition('"')[0]
    (fragments / "one.toml").write_text(f'[mailboxes."{place.boxes[-1]}"]\nowner = "{owner}"\n')


WAYS = [
    in_place,
    truncated_and_written,
    by_rename,
    by_rename_from_elsewhere,
    as_vim_does,
    as_emacs_does,
    as_nano_does,
    by_install,
    pytest.param(
        by_git_checkout, marks=pytest.mark.skipif(not shutil.which("git"), reason="needs git")
    ),
    by_delete_and_create,
    by_another_directory,
    by_a_new_directory,
    as_kubernetes_does,
    as_git_sync_does,
    as_a_fragment,
]


def placed(instance, *through: str) -> Place:
    place = Place(instance)
    instance.variables["AIMX_MANIFEST"] = str(place.manifest)
    place.renew(place.more()[1])
    instance.serve(through=through)
    return place


@pytest.fixture(scope="module")
def hearing(make_for_all) -> Place:
    return placed(make_for_all("hearing"))


@pytest.fixture(scope="module")
def deaf(make_for_all) -> Place:
    try:
        subprocess.run([*DEAF, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs root, and a user namespace of its own")
    return placed(make_for_all("deaf"), *DEAF)


@pytest.mark.parametrize("way", WAYS)
def test_whatever_the_way_of_saving_it_is_applied(hearing, until, way):
    place = hearing
    box, text = place.more()
    place.renew(text)
    until(lambda: place.instance.is_at_rest, "what is there before to be known")
    box, text = place.more()
    steps = way(place, text)
    next(steps)
    until(lambda: place.instance.is_at_rest, "what was prepared to be known")

    next(steps, None)

    until(lambda: place.instance.accepts(box), "what was saved to be applied")
    until(lambda: place.instance.is_at_rest, "convergence")
    assert place.instance.deliver(b"Subject: new\r\n\r\nHello.\r\n", box) == 250


SWIFT = [
    in_place,
    truncated_and_written,
    by_rename,
    as_vim_does,
    as_nano_does,
    by_delete_and_create,
]


def test_of_many_edits_the_last_is_what_is_applied(hearing, until):
    place, seed = hearing, int(os.environ.get("AIMX_SEED", time.time_ns() % 10**6))
    chance = random.Random(seed)
    place.renew(place.more()[1])
    for _ in range(40):
        box, text = place.more()
        fate = chance.choice(["waited for", "overtaken", "broken"])
        list(chance.choice(SWIFT)(place, text + "nonsense" * (fate == "broken")))
        if fate == "waited for":
            until(lambda box=box: place.instance.accepts(box), f"{box} to be accepted, seed {seed}")
    box, text = place.more()

    list(chance.choice(SWIFT)(place, text))

    until(lambda: place.instance.is_at_rest, f"the last edit to be applied, seed {seed}")
    assert place.instance.has("ManifestValid", "True"), seed
    assert all(map(place.instance.accepts, place.boxes)), seed


def test_a_daemon_that_hears_of_nothing_looks(deaf, until):
    place, instance = deaf, deaf.instance
    until(lambda: "cannot watch the manifest" in instance.log, "the daemon to know that it is deaf")
    until(lambda: instance.is_at_rest, "what is there before to be applied")
    box, text = place.more()

    (place.directory / "new").write_text(text)
    (place.directory / "new").rename(place.manifest)

    until(lambda: instance.accepts(box), "what was saved to be found by a look")
    until(lambda: instance.is_at_rest, "convergence")
    assert instance.deliver(b"Subject: new\r\n\r\nHello.\r\n", box) == 250
    assert instance.log.count("cannot watch the manifest") == 1
