import os
from pathlib import Path, PurePosixPath

import pytest

from aimx.controller.sources import gather
from desired.problem import ManifestError, Source, digest
from reconcilers.roots import Roots


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    base = PurePosixPath(tmp_path)
    return Roots(base, base / "data", base / "run", base / "manifest.toml")


def write(path: PurePosixPath, text: str = "") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def test_fragments_follow_the_manifest_in_the_order_of_their_names(roots: Roots) -> None:
    write(roots.manifest, "m")
    for name in ("b.toml", "a.toml", ".#a.toml", "notes.txt"):
        write(roots.fragments / name, name)

    assert [(PurePosixPath(s.name).name, s.raw) for s in gather(roots)] == [
        ("manifest.toml", b"m"),
        ("a.toml", b"a.toml"),
        ("b.toml", b"b.toml"),
    ]


@pytest.mark.parametrize(
    ("place", "code", "text"),
    [
        pytest.param(lambda p: None, "manifest-missing", "there is no such file", id="missing"),
        pytest.param(
            lambda p: p.mkdir(),
            "manifest-unreadable",
            "it is a directory, not a file",
            id="directory",
        ),
        pytest.param(os.mkfifo, "manifest-unreadable", "it is not a regular file", id="fifo"),
        pytest.param(
            lambda p: p.symlink_to("gone.toml"),
            "manifest-missing",
            "it is a link to gone.toml, where no file is",
            id="link-to-nowhere",
        ),
        pytest.param(
            lambda p: p.symlink_to(p),
            "manifest-unreadable",
            "too many levels of symbolic links",
            id="link-to-itself",
        ),
    ],
)
def test_what_cannot_be_read_is_a_problem_with_its_file(roots: Roots, place, code, text) -> None:
    place(Path(roots.manifest))

    with pytest.raises(ManifestError) as caught:
        gather(roots)

    (problem,) = caught.value.problems
    assert (problem.where.file, problem.code, problem.text) == (str(roots.manifest), code, text)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        pytest.param(lambda p: p.write_text(""), "not a directory", id="file"),
        pytest.param(lambda p: p.symlink_to("gone"), "no such file or directory", id="nowhere"),
        pytest.param(lambda p: p.symlink_to(p), "too many levels of symbolic links", id="itself"),
    ],
)
def test_fragments_that_cannot_be_listed_are_not_absent(roots: Roots, place, text) -> None:
    write(roots.manifest)
    place(Path(roots.fragments))

    with pytest.raises(ManifestError) as caught:
        gather(roots)

    (problem,) = caught.value.problems
    assert (problem.where.file, problem.text) == (str(roots.fragments), text)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_manifest_that_may_not_be_read_is_a_problem(roots: Roots) -> None:
    write(roots.manifest)
    Path(roots.manifest).chmod(0)

    with pytest.raises(ManifestError, match="permission denied"):
        gather(roots)


def test_every_unreadable_source_is_told(roots: Roots) -> None:
    Path(roots.manifest).mkdir()
    Path(roots.fragments / "a.toml").mkdir(parents=True)

    with pytest.raises(ManifestError) as caught:
        gather(roots)

    assert len(caught.value.problems) == 2


def test_a_fragment_whose_name_is_no_text_has_its_part_in_the_digest(roots: Roots) -> None:
    Path(roots.manifest).write_text('domains = ["a.com"]\n')
    fragments = Path(roots.fragments)
    fragments.mkdir()
    before = digest(gather(roots))
    (fragments / os.fsdecode(b"\xff.toml")).write_text("")

    assert digest(gather(roots)) != before


def test_the_digest_tells_sources_apart_that_run_together() -> None:
    one = digest([Source("a", b"b"), Source("c", b"d")])
    other = digest([Source("a", b"bc"), Source("", b"d")])

    assert one != other
