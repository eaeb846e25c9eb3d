"""How a command line is read: the options that every command takes, and what a mistake ends in."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cache
from typing import Any, NoReturn

from aimx.cli import terminal
from aimx.doors.exits import Exit
from aimx.doors.refusal import sentence
from desired.frozen import frozen


class Formatter(argparse.HelpFormatter):
    """Whose width is known: a parser makes one for each option, and each would ask for it."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=terminal.columns() - 2)


class Parser(argparse.ArgumentParser):
    """argparse, with an exit code for usage errors that reads as nothing else."""

    def __init__(self, **said: Any) -> None:
        super().__init__(**{"formatter_class": Formatter, **said})

    def error(self, message: str) -> NoReturn:
        terminal.tell(f"{self.format_usage()}{self.prog}: {sentence(message)}")
        raise SystemExit(Exit.USAGE)

    def parsed(self, words: Sequence[str], options: argparse.Namespace) -> argparse.Namespace:
        """What the words say, beside what the options say already."""
        if self._subparsers is not None or all(word[:2] == "--" != word for word in words):
            return self.parse_args(words, options)
        # A plain parse would take `purge --yes NAME` for `purge`, and have no use for the name.
        return self.parse_intermixed_args(words, options)


@frozen
class Nested:
    """What a command does of several; which one is meant is the option `does`."""

    added: argparse._SubParsersAction[Parser]

    @classmethod
    def of(cls, parser: argparse.ArgumentParser) -> Nested:
        added = parser.add_subparsers(
            dest="does", metavar="WHAT", title="what", required=True, parser_class=Parser
        )
        return cls(added)

    def parser(self, does: str, summary: str) -> Parser:
        """Of one of them."""
        return self.added.add_parser(
            does,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            parents=[everywhere()],
            allow_abbrev=False,
        )


@cache
def everywhere() -> Parser:
    """The options that every command takes, before or after its name."""
    parser = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    for flags, what in (
        (("-C", "--config-dir"), "directory of the manifest and the keys (/etc/aimx)"),
        (("--data-dir",), "directory of the mail (/var/lib/aimx)"),
        (("--runtime-dir",), "directory of the socket (/run/aimx)"),
        (("--manifest",), "the manifest itself (CONFIG_DIR/manifest.toml)"),
    ):
        parser.add_argument(*flags, metavar="PATH", help=what)
    return parser


def name(text: str) -> str:
    """What somebody calls something, and can stand in a frame."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no name")
    return text.strip()
