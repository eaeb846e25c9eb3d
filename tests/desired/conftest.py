from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

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


_remarks = st.text(st.sampled_from("ab é#[]\"'=,{}\\"), max_size=8).map(lambda text: f"# {text}")
_spaces = st.sampled_from(["", " ", "  ", "\t"])
_words = st.text(st.sampled_from("ab.@-é\"'\\[#=\n"), max_size=5)


def _quoted(draw: st.DrawFn, text: str) -> str:
    if not set(text) & set("'\n") and draw(st.booleans()):
        return f"'{text}'"
    if "\n" in text and draw(st.booleans()) and not set(text) & set('"\\'):
        return f'"""\n{text}"""'
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _array(draw: st.DrawFn) -> str:
    items = [_quoted(draw, text) for text in draw(st.lists(_words, max_size=3, unique=True))]
    if draw(st.booleans()):
        return f"[{draw(_spaces)}{(draw(_spaces) + ',' + draw(_spaces)).join(items)}]"
    lines = [f"  {item},{draw(_spaces)}{draw(st.just('') | _remarks)}\n" for item in items]
    return f"[{draw(_spaces)}\n{''.join(lines)}{draw(st.just('') | _remarks)}\n]"


def _value(draw: st.DrawFn) -> str:
    match draw(st.sampled_from(["string", "array", "scalar", "table"])):
        case "string":
            return _quoted(draw, draw(_words))
        case "array":
            return _array(draw)
        case "table":
            return f"{{{draw(_spaces)}protect{draw(_spaces)}={draw(_spaces)}{_array(draw)} }}"
        case _:
            return draw(
                st.sampled_from(["true", "60", "1.5", "1979-05-27 07:32:00", "0x1F", "inf"])
            )


def _pairs(draw: st.DrawFn) -> Iterator[str]:
    keys = ["owner", "trust", "'trusted_senders'", '"a b"', "lifecycle.protect", "lifecycle . x"]
    for name in draw(st.lists(st.sampled_from(keys), max_size=4, unique=True)):
        yield from draw(st.lists(_remarks | st.just(""), max_size=2))
        indent, around, behind = draw(_spaces), draw(_spaces), draw(_spaces)
        remark = draw(st.just("") | _remarks)
        yield f"{indent}{name}{around}={around}{_value(draw)}{behind}{remark}"


@st.composite
def _manifests(draw: st.DrawFn) -> str:
    lines = [*draw(st.lists(_remarks | st.just(""), max_size=2)), *_pairs(draw)]
    headers = ["smtp", "mailboxes . 'x@a.com'", 'mailboxes."y@a.com"', 'domain."b.com"', "policy"]
    for header in draw(st.lists(st.sampled_from(headers), max_size=4, unique=True)):
        lines += draw(st.lists(_remarks | st.just(""), max_size=2))
        lines.append(f"{draw(_spaces)}[{draw(_spaces)}{header}] {draw(st.just('') | _remarks)}")
        lines += _pairs(draw)
        for _ in range(draw(st.integers(0, 2))):
            lines += [f"[[{header}.hooks]]{draw(_spaces)}", *_pairs(draw)]
    lines += draw(st.lists(_remarks | st.just(""), max_size=2))
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n"]))
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


@pytest.fixture(scope="session")
def manifests() -> st.SearchStrategy[str]:
    """Texts in every spacing and quoting that people use; not all of them make sense."""
    return _manifests()
