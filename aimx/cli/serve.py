"""`aimx serve`: the mail engine, in the foreground."""

from __future__ import annotations

import gc
import signal

from aimx.cli import roots
from aimx.cli.options import Options, Parser


def arguments(parser: Parser) -> None:
    pass


def run(options: Options) -> int:
    gc.enable()
    # SIGHUP means "look", and must not end us before there is anybody to look.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    from aimx.processes.supervisor import serve

    return serve(roots.chosen(options), may_move=not roots.data_is_chosen(options))
