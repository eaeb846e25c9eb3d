from collections.abc import Callable
from pathlib import Path

import pytest

from desired.manifest import Reading, read
from desired.problem import ManifestError, Problem, Source, render_problem

Read = Callable[..., Reading]
Wrong = Callable[..., tuple[Problem, ...]]


def _sources(texts: tuple[str | bytes, ...]) -> list[Source]:
    raws = (text.encode() if isinstance(text, str) else text for text in texts)
    return [Source(f"manifest{number or ''}.toml", raw) for number, raw in enumerate(raws)]


@pytest.fixture(scope="session")
def reading() -> Read:
    """Reads a manifest, and its fragments, from text."""
    return lambda *texts, **options: read(_sources(texts), **options)


@pytest.fixture(scope="session")
def wrong() -> Wrong:
    """Everything that reading finds wrong; nothing where it finds nothing."""

    def problems(*texts: str | bytes, **options: Callable[[str], bool]) -> tuple[Problem, ...]:
        try:
            return read(_sources(texts), **options).warnings
        except ManifestError as error:
            return error.problems

    return problems


@pytest.fixture(scope="session")
def printed() -> Callable[[Path], str]:
    """What a manifest on disk prints: a file, or a folder of the manifest and its fragments."""

    def text(path: Path) -> str:
        files = sorted(path.iterdir(), reverse=True) if path.is_dir() else [path]
        sources = [Source(file.name, file.read_bytes()) for file in files]
        try:
            problems = read(sources).warnings
        except ManifestError as error:
            problems = error.problems
        return "\n\n".join(map(render_problem, problems)) + "\n"

    return text
