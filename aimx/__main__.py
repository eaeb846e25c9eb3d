"""`python -m aimx` is the command `aimx`."""

from __future__ import annotations

from aimx.cli.main import process

process()
