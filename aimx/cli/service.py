"""`aimx service`: the server runs as a service of systemd."""

from __future__ import annotations

import os
import sys

from aimx.cli import roots, terminal
from aimx.cli.options import MisusedError, Options, Parser
from aimx.controller.instance import Instance
from aimx.doors.direct import Direct
from aimx.doors.exits import Exit
from aimx.processes.installed import NotInstalledError, install, text, uninstall
from aimx.processes.systemd import SystemdError


def arguments(parser: Parser) -> None:
    parser.add_argument("what", choices=("install", "uninstall"), help="what to do")
    parser.add_argument(
        "--print", action="store_true", dest="prints", help="print the unit, and change nothing"
    )


def run(options: Options) -> int:
    if options.prints and options.what != "install":
        raise MisusedError("`--print` belongs to `install`")
    try:
        if options.prints:
            terminal.say(text(_instance(options), _command()).rstrip("\n"))
            return Exit.DONE
        done = uninstall() if options.what != "install" else install(_instance(options), _command())
        for told in done:
            terminal.report(told, prose=True)
    except (NotInstalledError, SystemdError, OSError, ValueError) as cause:
        terminal.tell(f"aimx service: {terminal.plain(str(cause))}")
        return Exit.REFUSED if isinstance(cause, NotInstalledError) else Exit.ERROR
    return Exit.DONE


def _instance(options: Options) -> Instance:
    """A manifest of the older aimx says where its mail is."""
    chosen, may_move = roots.chosen(options), not roots.data_is_chosen(options)
    return Direct.of(chosen, may_move=may_move).instance


def _command() -> list[str]:
    """How we were called ourselves."""
    program = os.path.abspath(sys.argv[0])
    if os.path.basename(program) == "aimx" and os.access(program, os.X_OK):
        return [program]
    return [sys.executable, "-m", "aimx"]
