"""`aimx watch`: the controller without the mail engine, in the foreground, or once."""

from __future__ import annotations

import gc
import signal

from aimx.cli import roots
from aimx.cli.options import MisusedError, Options, Parser
from aimx.doors.exits import Exit


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "--once",
        action="store_true",
        help="look once, apply what may be applied unasked, and end; for cron",
    )
    parser.add_argument(
        "--detailed-exitcode",
        action="store_true",
        help="with --once, exit 2 when something waits for somebody",
    )


def run(options: Options) -> int:
    if options.detailed_exitcode and not options.once:
        raise MisusedError("--detailed-exitcode is about --once")
    gc.enable()
    # SIGHUP means "look", and must not end us before there is anybody to look.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    from aimx.processes.watcher import watch, watch_once

    named, may_move = roots.chosen(options), not roots.data_is_chosen(options)
    if not options.once:
        return watch(named, may_move=may_move)
    code = watch_once(named, may_move=may_move)
    if code == Exit.PENDING and not options.detailed_exitcode:
        return Exit.DONE
    return code
