"""How argparse reads a command line, and what a mistake ends in."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NoReturn

from aimx.cli import terminal
from aimx.cli.options import EVERYWHERE, Argument, Options, Parser
from aimx.doors.exits import Exit
from aimx.doors.refusal import sentence


class Formatter(argparse.HelpFormatter):
    """Whose width is known: a parser makes one for each option, and each would ask for it."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=terminal.columns() - 2)


class Whole(argparse.ArgumentParser):
    """argparse, with an exit code for usage errors that reads as nothing else."""

    def __init__(self, **said: Any) -> None:
        super().__init__(**{"formatter_class": Formatter, **said})

    def error(self, message: str) -> NoReturn:
        terminal.tell(f"{self.format_usage()}{self.prog}: {sentence(message)}")
        raise SystemExit(Exit.USAGE)

    def parsed(self, words: Sequence[str], options: Options) -> Options:
        """What the words say, beside what the options say already."""
        if self._subparsers is not None or all(word[:2] == "--" != word for word in words):
            return self.parse_args(words, options)
        # A plain parse would take `purge --yes NAME` for `purge`, and have no use for the name.
        return self.parse_intermixed_args(words, options)


def whole(parser: Parser) -> Whole:
    """argparse's, of all that the command takes."""
    made = Whole(prog=parser.prog, **_described(parser))
    _tell(parser, made)
    return made


def _described(parser: Parser) -> dict[str, Any]:
    return {
        "description": f"{parser.summary[0].upper()}{parser.summary[1:]}.",
        "parents": [everywhere()],
        "allow_abbrev": False,
    }


def _tell(parser: Parser, to: Whole) -> None:
    to.set_defaults(**parser.defaults)
    _add(parser.arguments, to)
    if not parser.nested:
        return
    added = to.add_subparsers(
        dest="does", metavar="WHAT", title="what", required=True, parser_class=Whole
    )
    for does, nested in parser.nested.items():
        _tell(nested, added.add_parser(does, help=nested.summary, **_described(nested)))


def _add(arguments: Iterable[Argument], to: Whole) -> None:
    groups: dict[object, argparse._MutuallyExclusiveGroup] = {}
    for each in arguments:
        if each.rivals and each.rivals not in groups:
            groups[each.rivals] = to.add_mutually_exclusive_group()
        (groups[each.rivals] if each.rivals else to).add_argument(*each.names, **each.said)


@cache
def everywhere() -> Whole:
    """The options that every command takes, before or after its name."""
    parser = Whole(add_help=False, argument_default=argparse.SUPPRESS)
    _add(EVERYWHERE, parser)
    return parser


def top() -> Whole:
    """What may stand before a command, with it and all behind it."""
    parser = Whole(prog="aimx", add_help=False, parents=[everywhere()], allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-V", "--version", action="store_true")
    parser.add_argument("command", nargs="?", default="")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    return parser


def options_everywhere() -> str:
    """What `aimx --help` says of them."""
    formatter = argparse.HelpFormatter("aimx", width=terminal.columns())
    formatter.start_section("options, before or after the command")
    formatter.add_arguments(everywhere()._actions)
    formatter.end_section()
    return formatter.format_help().rstrip("\n")
