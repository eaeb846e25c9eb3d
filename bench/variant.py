"""`aimx serve`, but one of its workers is another one: python bench/variant.py PACKAGE ROLE

PACKAGE is one of `bench/variants`, ROLE the module in it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from aimx.cli.main import main
from aimx.processes import station
from aimx.processes.start import User, start


def replaced(package: str, replacing: str) -> None:
    """Start that role's worker out of the package, and all others as ever."""

    def started(
        role: str, descriptors: Mapping[str, int], user: User | None
    ) -> subprocess.Popen[bytes]:
        if role != replacing:
            return start(role, descriptors, user)
        return start(role, descriptors, user, f"variants.{package}")

    station.start = started  # type: ignore[assignment]


if __name__ == "__main__":
    replaced(*sys.argv[1:])
    sys.argv[1:] = ["serve"]
    main()
