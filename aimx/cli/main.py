"""The command `aimx`: finds the command that is meant, and imports nothing of the others."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol, TextIO

from aimx.cli import terminal
from aimx.cli.options import MisusedError, Options, Parser
from aimx.doors.exits import Exit
from desired.frozen import frozen


class Command(Protocol):
    """A module of a command."""

    def arguments(self, parser: Parser) -> None:
        """Say what the command takes."""

    def run(self, options: Options) -> int:
        """Carry it out; gives the exit code."""


@frozen
class Listed:
    """A line of `aimx --help`, and the module behind it."""

    group: str
    summary: str
    module: str


COMMANDS: dict[str, Listed] = {
    "init": Listed("desired state", "write a commented manifest to begin with", "init"),
    "validate": Listed(
        "desired state", "tell everything that is wrong with the manifest", "validate"
    ),
    "fmt": Listed("desired state", "format the manifest, and keep its comments", "fmt"),
    "schema": Listed("desired state", "print the manifest's JSON Schema", "schema"),
    "plan": Listed("desired state", "show what would change on this machine", "plan"),
    "apply": Listed("desired state", "make the machine match the manifest", "apply"),
    "status": Listed("desired state", "show how machine and manifest stand", "status"),
    "diff": Listed("desired state", "show what drifted since the last apply", "diff"),
    "explain": Listed("desired state", "show how one resource stands, and why", "explain"),
    "graph": Listed("desired state", "draw the steps of the plan", "graph"),
    "history": Listed("desired state", "show what was applied, when and by whom", "history"),
    "tombstones": Listed(
        "desired state", "list, restore or delete the mail of removed mailboxes", "tombstones"
    ),
    "rollback": Listed(
        "desired state", "go back to the manifest of an earlier generation", "rollback"
    ),
    "approve": Listed("desired state", "carry out the plan that waits for approval", "approve"),
    "suspend": Listed("desired state", "let the daemon apply nothing for a while", "suspend"),
    "resume": Listed("desired state", "end a suspension, and lift a pin", "resume"),
    "watch": Listed(
        "desired state", "keep the machine at the manifest, without the mail engine", "watch"
    ),
    "domains": Listed("domains", "list, add and remove domains, and rotate their keys", "domains"),
    "mailboxes": Listed("mailboxes", "list, show, create and delete mailboxes", "mailboxes"),
    "hooks": Listed("mailboxes", "list, create and delete the commands that run on mail", "hooks"),
    "send": Listed("mail", "send a message from a mailbox of yours", "send"),
    "queue": Listed("mail", "list, show and steer what waits to be sent", "queue"),
    "serve": Listed("server", "run the mail engine and watch the manifest", "serve"),
    "service": Listed("server", "have systemd run the mail engine", "service"),
    "dkim-keygen": Listed("server", "make a DKIM key, or another in its place", "dkim_keygen"),
    "version": Listed("server", "print the version", "version"),
}

# Commands under another name.
ALIASES = {"domain": "domains", "mailbox": "mailboxes", "hook": "hooks"}


def process() -> NoReturn:
    """`main` with the words that this process was given; it ends with the command.

    Python would take apart one by one what the kernel takes back at once, for a twentieth of the
    time of a large apply. Who serves leaves in the usual way, as does who cannot say all it said.
    """
    code = main()
    goes_on = gc.isenabled()  # `main` has switched it off, and who serves on again.
    if not goes_on and _are_written(sys.stdout, sys.stderr):
        os._exit(code)
    sys.exit(code)


def _are_written(*streams: TextIO | None) -> bool:
    """Whether nothing is left in them that is still to be written."""
    try:
        for stream in streams:
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    # A command ends with its answer: looking for cycles would take a tenth of its time, the last
    # time when it ends, and free nothing. What goes on says otherwise.
    gc.disable()
    atexit.register(gc.freeze)
    given = list(sys.argv[1:] if arguments is None else arguments)
    _occupy_standard_streams()
    try:
        return _command(given)
    except KeyboardInterrupt:
        terminal.tell("aimx: interrupted.")
        return 130
    except BrokenPipeError:
        return Exit.DONE
    except Exception as cause:  # noqa: BLE001 - a person gets a sentence, never a traceback
        return _unexpected(cause)


def _occupy_standard_streams() -> None:
    """Keep the numbers of closed streams from the next file that is opened.

    What is written to standard error by number, as a daemon's log is, would end up in that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - it has no other name


def _command(given: list[str]) -> int:
    options = _begun(given)
    name = "version" if options.version else ALIASES.get(options.command, options.command)
    if options.help or not name:
        terminal.show(_help())
        return Exit.DONE if options.help else Exit.USAGE
    if name not in COMMANDS:
        from aimx.cli.parsing import top

        top().error(_unknown(name))
    module: Command = importlib.import_module(f"aimx.cli.{COMMANDS[name].module}")
    parser = Parser(f"aimx {name}", COMMANDS[name].summary)
    module.arguments(parser)
    options = _read(parser, options)
    try:
        return module.run(options)
    except MisusedError as cause:
        from aimx.cli.parsing import whole

        whole(parser.meant(options)).error(str(cause))


def _read(parser: Parser, options: Options) -> Options:
    """What is given behind the command."""
    plainly = parser.plainly(options.rest, options)
    if plainly is not None:
        return plainly
    from aimx.cli.parsing import whole

    return whole(parser).parsed(options.rest, options)


def _begun(given: list[str]) -> Options:
    """The command that is meant, what stands before it, and all that is behind it as `rest`."""
    name, *rest = given or [""]
    if (name in COMMANDS or name in ALIASES) and "--" not in rest:
        return Options(help=False, version=False, command=name, rest=rest)
    from aimx.cli.parsing import top

    return top().parse_args(given, Options())


def _unknown(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, [*COMMANDS, *ALIASES], 1)
    hint = f"; did you mean '{close[0]}'?" if close else "; `aimx --help` lists the commands"
    return f"there is no command '{name}'{hint}"


def _help() -> str:
    from aimx.cli.parsing import options_everywhere

    lines = [
        "usage: aimx [options] COMMAND ...",
        "",
        "A mail exchanger for AI agents, administered by desired state.",
    ]
    group = ""
    for name, listed in COMMANDS.items():
        if listed.group != group:
            group = listed.group
            lines += ["", f"{group}:"]
        lines.append(f"  {name:<12}{listed.summary}")
    lines += [
        "",
        options_everywhere(),
        "",
        "AIMX_CONFIG_DIR, AIMX_DATA_DIR, AIMX_RUNTIME_DIR and AIMX_MANIFEST say the same",
        "where no option does.",
        "",
        "`aimx COMMAND --help` tells what a command takes.",
    ]
    return "\n".join(lines)


def _unexpected(cause: Exception) -> int:
    import traceback

    if os.environ.get("AIMX_DEBUG"):
        terminal.tell(traceback.format_exc())
    text = " ".join(str(cause).split()) or type(cause).__name__
    terminal.tell(f"aimx: {text} (AIMX_DEBUG=1 shows where).")
    return Exit.ERROR
