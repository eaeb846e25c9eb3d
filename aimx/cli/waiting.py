"""Waiting until the running engine is what was applied.

The daemon's conditions are asked for again and again, also across its restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from aimx.cli import administer, terminal
from aimx.cli.lacking import Missing, Status, Waited, has_engine, lacking
from aimx.cli.options import Options
from desired.frozen import frozen

_PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)  # Seconds between two looks; the last one from then on.

Look = Callable[[], Status | None]  # None: no daemon answers.


@frozen
class Wait:
    """What an apply is followed by, begun before it: whether there is anybody to wait for."""

    look: Look
    seconds: int
    served: bool  # A daemon answered before the apply.

    @classmethod
    def before(cls, options: Options) -> Wait:
        def look() -> Status | None:
            return administer.conditions(options)

        return cls(look, options.wait, look() is not None)

    def until(self, generation: int) -> Waited:
        """Until all holds at this generation, or the time is over."""
        began = time.monotonic()
        pauses = iter(_PAUSES)
        try:
            while True:
                status = self.look()
                missing = tuple(lacking(status, generation))
                spent = time.monotonic() - began
                nobody = status is None and not self.served
                if not missing or nobody or spent >= self.seconds:
                    engine = status is None or has_engine(status)
                    return Waited(generation, spent, missing, engine)
                _show(missing[0], spent)
                time.sleep(min(next(pauses, _PAUSES[-1]), self.seconds - spent))
        except KeyboardInterrupt:
            terminal.tell(
                "\naimx apply: it is applied, and not waited for any more; `aimx status` tells how"
                " it stands."
            )
            raise
        finally:
            if terminal.can_overwrite():
                terminal.overwrite("")


def _show(missing: Missing, seconds: float) -> None:
    if seconds >= 1 and terminal.can_overwrite():
        line = f"waiting for {missing.type}, {missing.reason or missing.status} ({seconds:.0f}s)"
        terminal.overwrite(line[: terminal.width()])
