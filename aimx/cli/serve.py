"""`aimx serve`: the mail engine, in the foreground."""

from __future__ import annotations

import argparse

from aimx.cli import roots


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    from aimx.processes.supervisor import serve

    return serve(roots.chosen(options), may_move=not roots.data_is_chosen(options))
