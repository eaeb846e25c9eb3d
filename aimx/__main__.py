"""`python -m aimx` is the command `aimx`."""

from __future__ import annotations

import sys

from aimx.cli.main import main

sys.exit(main())
