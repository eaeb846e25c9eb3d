from collections.abc import Callable
from pathlib import Path

import pytest

BAD = Path(__file__).parent / "bad"


def manifests() -> list[Path]:
    return sorted(path for path in BAD.iterdir() if path.is_dir() or path.suffix == ".toml")


@pytest.mark.parametrize("path", manifests(), ids=lambda path: path.stem)
def test_a_bad_manifest_prints_exactly_this(path: Path, printed: Callable[[Path], str]) -> None:
    expected = path.with_suffix(".txt").read_text()

    assert printed(path) == expected


def test_every_text_has_its_manifest() -> None:
    texts = {path.stem for path in BAD.glob("*.txt")}

    assert texts == {path.stem for path in manifests()}
