"""One structured line a fact, on standard error; a worker is told by its environment how."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

_DESCRIPTOR = 2
_VARIABLE = "AIMX_LOG"  # `<format>:<level>`, from the supervisor to its workers.
_LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}


class _StandardError:
    """Takes a line a write. One that cannot be written is lost, and stops nobody's mail."""

    def write(self, line: str) -> None:
        with suppress(OSError):
            os.write(_DESCRIPTOR, line.encode(errors="backslashreplace"))

    def flush(self) -> None:
        """Nothing waits."""


def configure(level: str = "", form: str | None = None) -> None:
    """Log from now on at this level; JSON, or text where a person reads it at a terminal."""
    told_form, _, told_level = os.environ.get(_VARIABLE, "").partition(":")
    chosen = form or told_form or ("text" if sys.stderr.isatty() else "json")
    chosen_level = level or told_level or "info"
    os.environ[_VARIABLE] = f"{chosen}:{chosen_level}"
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            *_rendering(chosen),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            _LEVELS.get(chosen_level, logging.INFO)
        ),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=True,
    )


def _rendering(form: str) -> list[Any]:
    if form == "text":
        colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        return [structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=32)]
    # JSON escapes whatever a stranger put into a value, so that nobody can forge a line.
    return [structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False)]
