"""Every way to change a manifest, seen by the real watch: by its events, or without any."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import watchfiles
from structlog.testing import capture_logs

from aimx.controller.sources import gather, places
from aimx.controller.watch import Bursts, Watch
from aimx.controller.whereabouts import Whereabouts
from desired.problem import ManifestError
from reconcilers.roots import Roots

PATIENCE = 60.0  # Seconds; an event takes a fraction of one.
NEVER = 3600.0
SETTLED = 0.15  # Seconds; what still comes then can only make a blind watch look like a good one.
OLD, NEW = b"# old\n", b"# new, and longer\n"


@dataclass(frozen=True)
class Place:
    """A manifest as it is before somebody changes it."""

    base: Path  # Moved about as well, with all that is in it.

    @property
    def config(self) -> Path:
        return self.base / "etc" / "aimx"

    @property
    def manifest(self) -> Path:
        return self.config / "manifest.toml"

    @property
    def fragments(self) -> Path:
        return self.config / "manifest.d"

    @property
    def roots(self) -> Roots:
        config = PurePosixPath(self.config)
        data, run = (PurePosixPath(self.base / name) for name in ("data", "run"))
        return Roots(config, data, run, config / "manifest.toml")

    def read(self) -> list[bytes]:
        """What the controller would see now; nothing where there is none that can be read."""
        try:
            return [source.raw for source in gather(self.roots)]
        except ManifestError:
            return []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "place")
    place.config.mkdir(parents=True)
    place.manifest.write_bytes(OLD)
    return place


def run(*words: object) -> None:
    names = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    subprocess.run(
        [str(word) for word in words],
        check=True,
        capture_output=True,
        env={**os.environ, **names},
    )


# Each is a generator: what it does before its `yield` is there before anybody watches.

Change = Callable[[Place], Iterator[None]]


def in_place(place: Place) -> Iterator[None]:
    yield
    place.manifest.write_bytes(NEW)


def in_place_and_slowly(place: Place) -> Iterator[None]:
    yield
    with place.manifest.open("wb", buffering=0) as file:
        for octet in NEW:
            file.write(bytes([octet]))


def by_rename(place: Place) -> Iterator[None]:
    yield
    (place.config / "new").write_bytes(NEW)
    (place.config / "new").rename(place.manifest)


def by_rename_from_elsewhere(place: Place) -> Iterator[None]:
    (place.base / "new").write_bytes(NEW)
    yield
    (place.base / "new").rename(place.manifest)


def as_vim_does(place: Place) -> Iterator[None]:
    yield
    probe, backup = place.config / "4913", place.config / "manifest.toml~"
    probe.touch()
    probe.unlink()
    (place.config / ".manifest.toml.swp").touch()
    place.manifest.rename(backup)
    place.manifest.write_bytes(NEW)
    backup.unlink()


def by_vim(place: Place) -> Iterator[None]:
    yield
    edit = f"%s/old/{NEW.decode()[2:-1]}/"
    run("vim", "-u", "NONE", "-n", "-es", "-c", edit, "-c", "wq", place.manifest)


def as_vim_does_that_keeps_a_backup(place: Place) -> Iterator[None]:
    yield
    place.manifest.rename(place.config / "manifest.toml~")
    place.manifest.write_bytes(NEW)


def as_emacs_does(place: Place) -> Iterator[None]:
    yield
    lock = place.config / ".#manifest.toml"
    lock.symlink_to("someone@somewhere.1:1")
    (place.config / "#manifest.toml#").write_bytes(NEW)
    place.manifest.rename(place.config / "manifest.toml~")
    place.manifest.write_bytes(NEW)
    (place.config / "#manifest.toml#").unlink()
    lock.unlink()


def as_nano_does(place: Place) -> Iterator[None]:
    yield
    shutil.copy2(place.manifest, place.config / "manifest.toml~")
    with place.manifest.open("r+b") as file:
        file.truncate()
        file.write(NEW)


def as_sed_does(place: Place) -> Iterator[None]:
    yield
    run("sed", "-i", "s/old/new, and longer/", place.manifest)


def as_cp_does(place: Place) -> Iterator[None]:
    (place.base / "new").write_bytes(NEW)
    yield
    run("cp", "--backup", place.base / "new", place.manifest)


def as_install_does(place: Place) -> Iterator[None]:
    (place.base / "new").write_bytes(NEW)
    yield
    run("install", "-m", "0640", place.base / "new", place.manifest)


def as_ln_does(place: Place) -> Iterator[None]:
    (place.base / "new").write_bytes(NEW)
    yield
    run("ln", "-f", place.base / "new", place.manifest)


def as_git_does(place: Place) -> Iterator[None]:
    git = ("git", "-C", place.config, "-c", "user.name=a", "-c", "user.email=a@example.org")
    run(*git, "init", "-q", "-b", "one")
    run(*git, "add", ".")
    run(*git, "commit", "-qm", "one")
    run(*git, "checkout", "-qb", "two")
    place.manifest.write_bytes(NEW)
    run(*git, "commit", "-qam", "two")
    run(*git, "checkout", "-q", "one")
    yield
    run(*git, "checkout", "-q", "two")


def by_delete_and_create(place: Place) -> Iterator[None]:
    yield
    place.manifest.unlink()
    place.manifest.write_bytes(NEW)


def by_a_new_directory(place: Place) -> Iterator[None]:
    yield
    shutil.rmtree(place.config)
    place.config.mkdir()
    place.manifest.write_bytes(NEW)


def by_another_directory(place: Place) -> Iterator[None]:
    other = place.base / "other"
    other.mkdir()
    (other / "manifest.toml").write_bytes(NEW)
    yield
    place.config.rename(place.base / "former")
    other.rename(place.config)


def while_it_was_away(place: Place) -> Iterator[None]:
    yield
    away = place.base.with_name("away")
    place.base.rename(away)
    (away / "etc" / "aimx" / "manifest.toml").write_bytes(NEW)
    away.rename(place.base)


def as_kubernetes_does(place: Place) -> Iterator[None]:
    data = place.config / "..data"
    for version, content in (("..1", OLD), ("..2", NEW)):
        (place.config / version).mkdir()
        (place.config / version / "manifest.toml").write_bytes(content)
    data.symlink_to("..1")
    place.manifest.unlink()
    place.manifest.symlink_to("..data/manifest.toml")
    yield
    (place.config / "..data_tmp").symlink_to("..2")
    (place.config / "..data_tmp").rename(data)
    shutil.rmtree(place.config / "..1")


def as_git_sync_does(place: Place) -> Iterator[None]:
    """Each revision is a directory, and the config directory itself is in the one linked to."""
    for revision, content in (("one", OLD), ("two", NEW)):
        (place.base / "trees" / revision).mkdir(parents=True)
        (place.base / "trees" / revision / "manifest.toml").write_bytes(content)
    (place.base / "current").symlink_to("trees/one")
    shutil.rmtree(place.config)
    place.config.symlink_to(place.base / "current")
    yield
    (place.base / "next").symlink_to("trees/two")
    (place.base / "next").rename(place.base / "current")


def behind_many_links(place: Place) -> Iterator[None]:
    """Four hops, by name and by directory, upwards and absolute."""
    real = place.base / "deep" / "down"
    real.mkdir(parents=True)
    (real / "real.toml").write_bytes(OLD)
    (place.base / "short").symlink_to("deep")
    (place.base / "etc" / "third").symlink_to("../short/down/real.toml")
    (place.config / "second").symlink_to(place.base / "etc" / "third")
    (place.config / "first").symlink_to("second")
    place.manifest.unlink()
    place.manifest.symlink_to("first")
    yield
    (real / "real.toml").write_bytes(NEW)


def where_a_link_led_nowhere(place: Place) -> Iterator[None]:
    place.manifest.unlink()
    place.manifest.symlink_to(place.base / "later" / "still" / "manifest.toml")
    yield
    (place.base / "later" / "still").mkdir(parents=True)
    (place.base / "later" / "still" / "manifest.toml").write_bytes(NEW)


FILE = [
    in_place,
    in_place_and_slowly,
    by_rename,
    by_rename_from_elsewhere,
    as_vim_does,
    pytest.param(by_vim, marks=pytest.mark.skipif(not shutil.which("vim"), reason="needs vim")),
    as_vim_does_that_keeps_a_backup,
    as_emacs_does,
    as_nano_does,
    as_sed_does,
    as_cp_does,
    as_install_does,
    as_ln_does,
    pytest.param(
        as_git_does, marks=pytest.mark.skipif(not shutil.which("git"), reason="needs git")
    ),
    by_delete_and_create,
    by_a_new_directory,
    by_another_directory,
    while_it_was_away,
    as_kubernetes_does,
    as_git_sync_does,
    behind_many_links,
    where_a_link_led_nowhere,
]


def fragment_added(place: Place) -> Iterator[list[bytes]]:
    place.fragments.mkdir()
    yield [OLD]
    (place.fragments / "a.toml").write_bytes(NEW)
    yield [OLD, NEW]


def first_fragment_added(place: Place) -> Iterator[list[bytes]]:
    yield [OLD]
    place.fragments.mkdir()
    (place.fragments / "a.toml").write_bytes(NEW)
    yield [OLD, NEW]


def fragment_changed(place: Place) -> Iterator[list[bytes]]:
    place.fragments.mkdir()
    (place.fragments / "a.toml").write_bytes(OLD)
    yield [OLD, OLD]
    (place.fragments / "a.toml").write_bytes(NEW)
    yield [OLD, NEW]


def fragment_removed(place: Place) -> Iterator[list[bytes]]:
    place.fragments.mkdir()
    (place.fragments / "a.toml").write_bytes(NEW)
    yield [OLD, NEW]
    (place.fragments / "a.toml").unlink()
    yield [OLD]


def fragment_renamed(place: Place) -> Iterator[list[bytes]]:
    place.fragments.mkdir()
    (place.fragments / "b.toml").write_bytes(NEW)
    (place.fragments / "c.toml").write_bytes(OLD)
    yield [OLD, NEW, OLD]
    (place.fragments / "b.toml").rename(place.fragments / "d.toml")
    yield [OLD, OLD, NEW]


def fragment_set_aside(place: Place) -> Iterator[list[bytes]]:
    place.fragments.mkdir()
    (place.fragments / "a.toml").write_bytes(NEW)
    yield [OLD, NEW]
    (place.fragments / "a.toml").rename(place.fragments / "a.toml.off")
    yield [OLD]


def fragments_moved_away(place: Place) -> Iterator[list[bytes]]:
    place.fragments.mkdir()
    (place.fragments / "a.toml").write_bytes(NEW)
    yield [OLD, NEW]
    place.fragments.rename(place.config / "former.d")
    yield [OLD]


def fragments_behind_a_link_that_is_flipped(place: Place) -> Iterator[list[bytes]]:
    for name, content in (("one", OLD), ("two", NEW)):
        (place.base / name).mkdir()
        (place.base / name / "a.toml").write_bytes(content)
    place.fragments.symlink_to(place.base / "one")
    yield [OLD, OLD]
    (place.config / "next").symlink_to(place.base / "two")
    (place.config / "next").rename(place.fragments)
    yield [OLD, NEW]


def fragment_behind_a_link_is_changed(place: Place) -> Iterator[list[bytes]]:
    place.fragments.mkdir()
    (place.base / "shared").mkdir()
    (place.base / "shared" / "a").write_bytes(OLD)
    (place.fragments / "a.toml").symlink_to("../../../shared/a")
    yield [OLD, OLD]
    (place.base / "shared" / "a").write_bytes(NEW)
    yield [OLD, NEW]


FRAGMENTS = [
    fragment_added,
    first_fragment_added,
    fragment_changed,
    fragment_removed,
    fragment_renamed,
    fragment_set_aside,
    fragments_moved_away,
    fragments_behind_a_link_that_is_flipped,
    fragment_behind_a_link_is_changed,
]


@pytest.mark.parametrize("change", FILE)
def test_a_change_is_seen_by_its_events(place: Place, change: Change) -> None:
    steps = change(place)
    next(steps)

    see(Watch(lambda: places(place.roots), 0.1, every=NEVER), place, steps, [NEW])


@pytest.mark.parametrize("change", FILE)
def test_a_change_is_seen_without_any_event(place: Place, change: Change) -> None:
    steps = change(place)
    next(steps)

    see(Watch(Whereabouts, 0.1, every=0.05), place, steps, [NEW])


@pytest.mark.parametrize("change", FRAGMENTS)
def test_a_change_of_fragments_is_seen_by_its_events(place: Place, change: Change) -> None:
    steps = change(place)
    assert next(steps) == place.read()

    see(Watch(lambda: places(place.roots), 0.1, every=NEVER), place, steps)


@pytest.mark.parametrize("change", FRAGMENTS)
def test_a_change_of_fragments_is_seen_without_any_event(place: Place, change: Change) -> None:
    steps = change(place)
    assert next(steps) == place.read()

    see(Watch(Whereabouts, 0.1, every=0.05), place, steps)


def see(watch: Watch, place: Place, steps: Iterator[object], last: object = None) -> None:
    """Make the change and wait until whoever listens to the watch has read what comes of it."""

    async def seen() -> None:
        running = asyncio.create_task(watch.run())
        await asyncio.wait_for(watch.changed.wait(), PATIENCE)
        watch.changed.clear()

        # What it says it leads to, or what is known without.
        wanted = next(steps, None) or last
        async with asyncio.timeout(PATIENCE):
            found: object = None
            while found != wanted:
                await watch.changed.wait()
                watch.changed.clear()
                found = place.read()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(seen())


def test_change_after_change_is_seen(place: Place) -> None:
    """A watch that stood once may be blind the next time: it is armed anew each time."""
    ways = [by_rename, by_another_directory, while_it_was_away, by_a_new_directory, in_place] * 2

    async def seen() -> None:
        watch = Watch(lambda: places(place.roots), 0.1, every=NEVER)
        running = asyncio.create_task(watch.run())
        for way in ways:
            place.manifest.write_bytes(OLD)
            await read(watch, place, [OLD])
            shutil.rmtree(place.base / "former", ignore_errors=True)
            steps = way(place)
            next(steps)
            next(steps, None)
            await read(watch, place, [NEW])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(seen())


def test_a_directory_that_is_made_again_under_its_number_is_watched(place: Place) -> None:
    """File systems give away the number of a directory that is gone to the next one."""
    alike = places(place.roots)

    async def seen() -> None:
        watch = Watch(lambda: alike, 0.1, every=NEVER)
        running = asyncio.create_task(watch.run())
        await read(watch, place, [OLD])
        shutil.rmtree(place.config)
        place.config.mkdir()
        place.manifest.write_bytes(NEW)
        await read(watch, place, [NEW])

        place.manifest.write_bytes(OLD)

        await read(watch, place, [OLD])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(seen())


async def read(watch: Watch, place: Place, wanted: list[bytes]) -> None:
    """Wait for a hint that leads to this, and until all hints of what led to it have come."""
    found: list[bytes] = []
    async with asyncio.timeout(PATIENCE):
        while found != wanted:
            await watch.changed.wait()
            watch.changed.clear()
            found = place.read()
    await asyncio.sleep(SETTLED)
    watch.changed.clear()


def test_what_does_not_concern_the_manifest_is_no_hint(place: Place) -> None:
    async def seen() -> None:
        watch = Watch(lambda: places(place.roots), 0.05, every=NEVER)
        running = asyncio.create_task(watch.run())
        await asyncio.wait_for(watch.changed.wait(), PATIENCE)
        watch.changed.clear()

        for number in range(50):
            (place.config / f"{number}.pem").touch()
            (place.base / str(number)).mkdir()
            await asyncio.sleep(0)
        (place.config / "mark").touch()
        await asyncio.sleep(0.3)

        assert not watch.changed.is_set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(seen())


def test_a_watch_is_armed_anew_though_nothing_changed(place: Place) -> None:
    asked = 0

    def another() -> Whereabouts:
        nonlocal asked
        asked += 1
        return places(place.roots)

    async def looked() -> None:
        watch = Watch(another, 0.05, every=0.02)
        running = asyncio.create_task(watch.run())
        async with asyncio.timeout(PATIENCE):
            while asked < 5:
                await watch.changed.wait()
                watch.changed.clear()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(looked())


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(OSError(28, "OS file watch limit reached"), id="watches"),
        pytest.param(
            watchfiles._rust_notify.WatchfilesRustInternalError("Too many open files"),
            id="instances",
        ),
        pytest.param(FileNotFoundError("No path was found."), id="gone-meanwhile"),
        pytest.param(ValueError("what nobody thought of"), id="unforeseen"),
    ],
)
def test_a_watch_that_is_refused_costs_the_events_alone(
    place: Place, monkeypatch, failure: Exception
) -> None:
    def refused(*paths: str, **options: object) -> None:
        raise failure

    monkeypatch.setattr(watchfiles, "awatch", refused)
    steps = by_rename(place)
    next(steps)

    see(Watch(lambda: places(place.roots), 0.1, every=0.05), place, steps, [NEW])


@pytest.mark.parametrize(
    ("script", "times"),
    [
        pytest.param("refused refused refused seen refused refused", 2, id="blind-twice"),
        pytest.param("refused quiet refused quiet refused", 0, id="directories-that-went-away"),
    ],
)
def test_a_watch_is_logged_each_time_that_it_turns_blind(
    place: Place, monkeypatch, script: str, times: int
) -> None:
    left = script.split()

    async def scripted(*paths: str, stop_event: asyncio.Event, **options: object) -> Bursts:
        match left.pop(0) if left else "quiet":
            case "refused":
                raise OSError(28, "OS file watch limit reached")
            case "seen":
                yield {(watchfiles.Change.modified, str(place.manifest))}
        await stop_event.wait()

    async def watched() -> None:
        running = asyncio.create_task(Watch(lambda: alike, 0.1, every=0.01).run())
        async with asyncio.timeout(PATIENCE):
            while left:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    alike = places(place.roots)
    monkeypatch.setattr(watchfiles, "awatch", scripted)
    with capture_logs() as logged:
        asyncio.run(watched())

    assert [each["event"] for each in logged] == ["cannot watch the manifest"] * times


def test_a_hint_comes_once_its_watches_stand(place: Place, monkeypatch) -> None:
    told: list[str] = []

    class Told(asyncio.Event):
        def set(self) -> None:
            told.append("hint")
            super().set()

    async def standing(*paths: str, stop_event: asyncio.Event, **options: object) -> Bursts:
        told.append("watch")
        await stop_event.wait()
        for never in ():
            yield never

    async def watched() -> None:
        watch = Watch(lambda: places(place.roots), 0.1, Told(), every=NEVER)
        running = asyncio.create_task(watch.run())
        await asyncio.wait_for(watch.changed.wait(), PATIENCE)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    monkeypatch.setattr(watchfiles, "awatch", standing)
    asyncio.run(watched())

    assert told == ["watch", "hint"]


def test_a_directory_that_was_away_while_it_was_to_be_watched_is_watched(
    place: Place, monkeypatch
) -> None:
    """It was made again before anybody could see that it had gone: all looks as it was armed."""
    failures = [FileNotFoundError("No path was found.")]
    watching = watchfiles.awatch

    def once_gone(*paths: str, **options: Any) -> object:
        if failures:
            raise failures.pop()
        return watching(*paths, **options)

    monkeypatch.setattr(watchfiles, "awatch", once_gone)
    steps = by_rename(place)
    next(steps)

    see(Watch(lambda: places(place.roots), 0.1, every=NEVER), place, steps, [NEW])


def test_a_change_that_no_event_tells_is_looked_for_twice_a_minute(place: Place) -> None:
    assert Watch(lambda: places(place.roots), 0.1).every == 30


# In a user namespace the limit is our own: nobody else on the machine is left without.
UNSHARED = ("unshare", "--user", "--map-root-user", "sh", "-c")
WITHOUT = "echo 0 > /proc/sys/user/{} || exit 77; exec {} {} {}"


@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
def test_a_user_without_inotify_is_served_all_the_same(place: Place, limit: str) -> None:
    driver = Path(__file__).with_name("blind_driver.py")
    script = WITHOUT.format(limit, sys.executable, driver, place.config)
    try:
        subprocess.run([*UNSHARED, f"{sys.executable} -c ''"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs user namespaces, and a Python that everybody may run")

    done = subprocess.run(
        [*UNSHARED, script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )

    assert done.returncode == 0, done.stderr
    # Said once, however often it was tried.
    assert done.stdout.count("cannot watch the manifest") == 1


def test_a_directory_that_nobody_may_read_is_passed_by(place: Place) -> None:
    """Only root can watch it, and everybody else sees changes below it by the others."""
    closed = place.base / "etc"
    closed.chmod(0o311)
    steps = in_place(place)
    next(steps)
    try:
        see(Watch(lambda: places(place.roots), 0.1, every=NEVER), place, steps, [NEW])
    finally:
        closed.chmod(0o755)
