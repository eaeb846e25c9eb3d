import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aimx.controller.watch import Watch


def rename_over(manifest: Path) -> None:
    (manifest.parent / "new").write_text("2")
    (manifest.parent / "new").rename(manifest)


def delete_and_make_again(manifest: Path) -> None:
    manifest.unlink()
    manifest.write_text("2")


def flip_a_link_beside_it(manifest: Path) -> None:
    (manifest.parent / "..tmp").symlink_to("..2")
    (manifest.parent / "..tmp").rename(manifest.parent / "..data")


def replace_its_directory(manifest: Path) -> None:
    other = manifest.parent.with_name("other")
    shutil.copytree(manifest.parent, other)
    manifest.parent.rename(manifest.parent.with_name("old"))
    other.rename(manifest.parent)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda manifest: manifest.write_text("2"), id="in-place"),
        rename_over,
        delete_and_make_again,
        flip_a_link_beside_it,
    ],
)
def test_a_change_of_the_manifest_is_a_hint(tmp_path: Path, change: Callable[[Path], None]) -> None:
    directory = tmp_path / "config"
    directory.mkdir()
    (directory / "manifest.toml").write_text("1")

    async def hinted() -> None:
        watch = Watch(lambda: frozenset({directory}), 0.1)
        running = asyncio.create_task(watch.run())
        await armed(watch, directory)
        change(directory / "manifest.toml")
        await asyncio.wait_for(watch.changed.wait(), 20)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(hinted())


async def armed(watch: Watch, directory: Path) -> None:
    """Return when events get through: the first look comes before the watch stands."""
    marks = 0
    while True:
        await asyncio.wait_for(watch.changed.wait(), 20)
        watch.changed.clear()
        marks += 1
        (directory / f"mark-{marks}").touch()
        try:
            await asyncio.wait_for(watch.changed.wait(), 0.5)
        except TimeoutError:
            watch.changed.set()
            continue
        watch.changed.clear()
        # The burst that the mark began must be over.
        try:
            await asyncio.wait_for(watch.changed.wait(), 0.3)
        except TimeoutError:
            return


def test_a_directory_that_was_replaced_is_watched_again(tmp_path: Path) -> None:
    directory = tmp_path / "config"
    directory.mkdir()
    manifest = directory / "manifest.toml"
    manifest.write_text("1")

    async def hinted() -> None:
        watch = Watch(lambda: frozenset({directory, tmp_path}), 0.1)
        running = asyncio.create_task(watch.run())
        await armed(watch, directory)
        replace_its_directory(manifest)
        await asyncio.wait_for(watch.changed.wait(), 20)
        await armed(watch, directory)
        manifest.write_text("2")
        await asyncio.wait_for(watch.changed.wait(), 20)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(hinted())


def test_directories_that_are_not_there_end_nothing(tmp_path: Path) -> None:
    async def hinted() -> None:
        watch = Watch(lambda: frozenset({tmp_path / "gone"}), 0.1)
        running = asyncio.create_task(watch.run())
        await asyncio.wait_for(watch.changed.wait(), 20)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(hinted())
