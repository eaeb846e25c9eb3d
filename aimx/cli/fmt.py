"""`aimx fmt`: the manifest in the one way of spacing and quoting, with all its comments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aimx.cli import roots, terminal
from aimx.cli.options import Options, Parser
from aimx.doors.exits import Exit

if TYPE_CHECKING:
    from desired.problem import ManifestError, Source


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 where a file would change"
    )
    parser.add_argument(
        "--canonical",
        action="store_true",
        help="write older shapes in full: `domains`, and mailboxes by their address",
    )


def run(options: Options) -> int:
    from aimx.controller.sources import gather
    from aimx.doors.direct import named
    from desired.problem import ManifestError

    try:
        found = gather(named(roots.chosen(options)))
        wanted = _formatted(found, canonical=options.canonical)
    except ManifestError as cause:
        return _refused(cause)
    changes = [(old, new) for old, new in zip(found, wanted, strict=True) if old != new]
    if options.canonical:
        _tell_short(wanted)
    return _checked(changes) if options.check else _written(changes)


def _formatted(sources: Sequence[Source], *, canonical: bool) -> tuple[Source, ...]:
    """The sources as they should be written. Raises `ManifestError` for all that are no TOML."""
    from desired.format import formatted
    from desired.problem import ManifestError, Problem

    wanted: list[Source] = []
    problems: list[Problem] = []
    for source in _in_full(sources) if canonical else sources:
        try:
            wanted.append(formatted(source))
        except ManifestError as cause:
            problems += cause.problems
    if problems:
        raise ManifestError(problems)
    return tuple(wanted)


def _in_full(sources: Sequence[Source]) -> tuple[Source, ...]:
    """The sources without older shapes; together they desire what they did."""
    from desired.canonical import canonical
    from desired.manifest import read
    from desired.problem import ManifestError, Problem

    desired = read(sources).desired
    full = tuple(canonical(source, desired.default_domain) for source in sources)
    if read(full).desired != desired:
        text = "it would mean something else when written in full"
        hint = "leave it as it is, and tell us"
        raise ManifestError([Problem.of_file(sources[0].name, "format", text, hint)])
    return full


def _refused(cause: ManifestError) -> int:
    from aimx.doors.refusal import ALL_PROBLEMS
    from desired.problem import render_problems

    terminal.tell(render_problems(cause.errors, elsewhere=ALL_PROBLEMS))
    return Exit.INVALID


def _tell_short(sources: Sequence[Source]) -> None:
    from desired.canonical import short
    from desired.finding import where
    from desired.problem import dotted

    for source in sources:
        for path in short(source):
            terminal.tell(
                f"{where(source, path)}: `{dotted(path)}` stands in one line with its table;"
                " write it by its address by hand"
            )


def _checked(changes: Sequence[tuple[Source, Source]]) -> int:
    for source, _ in changes:
        terminal.say(f"{source.name} would change")
    return Exit.ERROR if changes else Exit.DONE


def _written(changes: Sequence[tuple[Source, Source]]) -> int:
    for source, wanted in changes:
        if refusal := _write(source, wanted):
            return refusal
        terminal.say(source.name)
    return Exit.DONE


def _write(source: Source, wanted: Source) -> int:
    from aimx.controller.rewrite import rewrite

    try:
        if rewrite(source.name, source.raw, wanted.raw):
            return Exit.DONE
    except OSError as cause:
        reason = (cause.strerror or str(cause)).lower()
        terminal.tell(f"aimx fmt: cannot write {source.name}: {reason}; it stays as it is.")
        return Exit.ERROR
    terminal.tell(f"aimx fmt: {source.name} has been written meanwhile; run `aimx fmt` again.")
    return Exit.STALE
