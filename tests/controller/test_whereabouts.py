import os
from pathlib import Path

from aimx.controller.whereabouts import Whereabouts, whereabouts


def found(manifest: Path) -> Whereabouts:
    return whereabouts([manifest], manifest.with_suffix(".d"))


def watched(manifest: Path, below: Path) -> set[Path]:
    """The directories that are watched below another one."""
    return {Path(path) for path in found(manifest).paths if Path(path).is_relative_to(below)}


def test_every_directory_on_the_way_is_watched(tmp_path: Path) -> None:
    manifest = tmp_path / "a" / "b" / "manifest.toml"
    manifest.parent.mkdir(parents=True)

    assert set(found(manifest).paths) == {str(path) for path in manifest.parents}


def test_every_hop_of_a_link_is_watched(tmp_path: Path) -> None:
    # As a ConfigMap is mounted: manifest.toml -> ..data/manifest.toml, ..data -> ..1.
    (tmp_path / "..1").mkdir()
    (tmp_path / "..1" / "manifest.toml").write_text("")
    (tmp_path / "..data").symlink_to("..1")
    manifest = tmp_path / "manifest.toml"
    manifest.symlink_to("..data/manifest.toml")

    places = found(manifest)

    directories = dict(places.directories)
    inodes = {inode: Path(path) for path, (_, inode) in directories.items()}
    assert (tmp_path / "..1").stat().st_ino in inodes
    assert all(
        places.concerns(str(path))
        for path in (
            manifest,
            tmp_path / "..data",
            inodes[(tmp_path / "..1").stat().st_ino] / "manifest.toml",
        )
    )


def test_a_directory_with_two_names_is_watched_once(tmp_path: Path) -> None:
    # The kernel tells of what happens there under one of them.
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    manifest = tmp_path / "link" / "manifest.toml"

    assert len(watched(manifest, tmp_path)) == 2


def test_what_is_still_to_come_is_watched_for(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.toml"
    manifest.symlink_to("later/deep/manifest.toml")

    assert found(manifest).concerns(str(tmp_path / "later"))


def test_what_is_told_of_a_directory_itself_or_of_none_that_is_known_concerns() -> None:
    places = Whereabouts(directories=frozenset({("/a", (1, 1)), ("/a/b", (1, 2))}))

    assert places.concerns("/a/b")
    assert places.concerns("/elsewhere/manifest.toml")
    assert not places.concerns("/a/b/other")


def test_what_lies_beside_the_way_concerns_nobody(tmp_path: Path) -> None:
    places = found(tmp_path / "manifest.toml")

    assert places.concerns(str(tmp_path / "manifest.toml"))
    assert places.concerns(str(tmp_path / "manifest.d"))
    assert not places.concerns(str(tmp_path / "config.toml"))
    assert not places.concerns(str(tmp_path.parent / "another"))


def test_every_name_among_the_fragments_matters(tmp_path: Path) -> None:
    (tmp_path / "manifest.d").mkdir()

    places = found(tmp_path / "manifest.toml")

    assert places.concerns(str(tmp_path / "manifest.d" / "new.toml"))


def test_a_circle_of_links_has_an_end(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.toml"
    manifest.symlink_to("manifest.toml")
    os.symlink(".", tmp_path / "here")

    assert watched(manifest, tmp_path) == {tmp_path}
    assert watched(tmp_path / "here" / "here" / "manifest.toml", tmp_path) == {tmp_path}
