"""One structured line a fact, on standard error; a worker is told by its environment how."""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

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
    chosen = form or told_form or ("text" if os.isatty(_DESCRIPTOR) else "json")
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
        colors = os.isatty(_DESCRIPTOR) and not os.environ.get("NO_COLOR")
        return [_tamed, structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=32)]
    return [_json]


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """One line, whatever strangers put into it: JSON alone escapes no more than it must."""
    return _escaped(_ENCODER.encode(event))


# Made once: `json.dumps` would make one for each line. What is no JSON is shown as Python does.
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=repr)


def _tamed(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The renderer shows text as it is, unless it has a space in it."""
    return {
        name: _escaped(value) if isinstance(value, str) else value for name, value in event.items()
    }


def _escaped(text: str) -> str:
    """What moves a cursor, hides or turns around is written as JSON may write it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
