"""What a command takes, and what it was given.

Most command lines are nothing but options by their full names, and are read here. To load argparse
and to make its parsers takes as long as a daemon takes to answer, so that it reads the others, and
tells what there is to be told: help, and what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from desired.frozen import frozen

# All that is said of an option which is given or not, or takes any word.
_PLAIN = {"action", "default", "dest", "help", "metavar"}


class Options(SimpleNamespace):
    """What was given, by what it is called, and what holds where nothing was."""


class MisusedError(Exception):
    """What was given makes no sense together, and why: a usage error."""


@frozen
class Argument:
    """What argparse is told of one."""

    names: tuple[str, ...]
    said: Mapping[str, Any]
    rivals: object = None  # The same of all that exclude each other.

    @property
    def is_option(self) -> bool:
        return self.names[0].startswith("-")

    @property
    def is_switch(self) -> bool:
        return self.said.get("action") == "store_true"

    @property
    def is_plain(self) -> bool:
        knows = self.is_switch or "action" not in self.said
        return self.is_option and knows and self.said.keys() <= _PLAIN

    @property
    def may_be_left_out(self) -> bool:
        if self.is_option:
            return not self.said.get("required")
        return self.said.get("nargs") == "?"

    @property
    def called(self) -> str:
        """The option's name for whoever looks for what was given."""
        long = next((name for name in self.names if name.startswith("--")), self.names[0])
        return str(self.said.get("dest", long.lstrip("-").replace("-", "_")))

    @property
    def usual(self) -> Any:
        return self.said.get("default", False if self.is_switch else None)


# What every command takes, before or after its name; what holds without them is not theirs to say.
EVERYWHERE = tuple(
    Argument(names, {"metavar": "PATH", "help": told})
    for names, told in (
        (("-C", "--config-dir"), "directory of the manifest and the keys (/etc/aimx)"),
        (("--data-dir",), "directory of the mail (/var/lib/aimx)"),
        (("--runtime-dir",), "directory of the socket (/run/aimx)"),
        (("--manifest",), "the manifest itself (CONFIG_DIR/manifest.toml)"),
    )
)


class Parser:
    """What a command takes, told as argparse is told."""

    def __init__(self, prog: str, summary: str) -> None:
        self.prog = prog
        self.summary = summary
        self.arguments: list[Argument] = []
        self.defaults: dict[str, Any] = {}
        self.nested: dict[str, Parser] = {}  # What it does of several: the option `does`.

    def add_argument(self, *names: str, **said: Any) -> None:
        self.arguments.append(Argument(names, said))

    def add_mutually_exclusive_group(self) -> Rivals:
        return Rivals(self)

    def set_defaults(self, **defaults: Any) -> None:
        self.defaults |= defaults

    def nest(self, does: str, summary: str) -> Parser:
        """Of one of several things that the command does."""
        self.nested[does] = nested = Parser(f"{self.prog} {does}", summary)
        return nested

    def meant(self, options: Options) -> Parser:
        """That of what was asked for, where the command does several things."""
        return self.nested[options.does] if self.nested else self

    def plainly(self, words: Sequence[str], options: Options) -> Options | None:
        """What the words say, beside what the options say already.

        None where they are more than full names of options, and it takes argparse to read them.
        """
        given = self._given(words)
        if given is None:
            return None
        usual = {each.called: each.usual for each in self.arguments} | self.defaults
        return Options(**{**usual, **vars(options), **given})

    def _given(self, words: Sequence[str]) -> dict[str, Any] | None:
        known = {name: each for each in (*EVERYWHERE, *self.arguments) for name in each.names}
        given: dict[str, Any] = {}
        chosen: dict[object, Argument] = {}
        left = iter(words)
        for word in left:
            each = known.get(word)
            if each is None or not each.is_plain:
                return None
            if each.rivals and chosen.setdefault(each.rivals, each) is not each:
                return None
            given[each.called] = True
            if not each.is_switch:
                given[each.called] = value = next(left, "-")
                if value.startswith("-"):
                    return None
        fixed = (each for each in self.arguments if not each.may_be_left_out)
        is_all = not self.nested and all(each.called in given for each in fixed)
        return given if is_all else None


class Rivals:
    """Arguments of which one may be given."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser

    def add_argument(self, *names: str, **said: Any) -> None:
        self._parser.arguments.append(Argument(names, said, self))


def unfit(told: str) -> Exception:
    """What the type of an argument raises: why a word is not what it takes."""
    from argparse import ArgumentTypeError

    return ArgumentTypeError(told)


def name(text: str) -> str:
    """What somebody calls something, and can stand in a frame."""
    if not text.strip() or not text.isprintable():
        raise unfit(f"{text!r} is no name")
    return text.strip()
