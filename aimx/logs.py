"""One structured line a fact, on standard error; a worker is told by its environment how.

How may change while it runs. So each line asks what holds by then, and the loggers, which are made
once in each module, stay as they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from desired.frozen import frozen

_DESCRIPTOR = 2
_VARIABLE = "AIMX_LOG"  # `<format>:<level>`, from the supervisor to its workers.
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


@frozen
class _Manner:
    """From which level on a line is written, and how."""

    level: int
    rendering: Callable[[EventDict], str]


class _StandardError:
    """Takes a line a write. One that cannot be written is lost, and stops nobody's mail."""

    def write(self, line: str) -> None:
        try:
            os.write(_DESCRIPTOR, f"{line}\n".encode(errors="backslashreplace"))
        except OSError:
            return


class _Logger(structlog.BoundLoggerBase):
    """A method a level. structlog's own copy the facts four times before a line is made of them."""

    def debug(self, event: str, **facts: object) -> None:
        self._say("debug", event, facts)

    def info(self, event: str, **facts: object) -> None:
        self._say("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        self._say("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        self._say("error", event, facts)

    def exception(self, event: str, **facts: object) -> None:
        self._say("error", event, {"exc_info": True, **facts})

    def critical(self, event: str, **facts: object) -> None:
        self._say("critical", event, facts)

    def _say(self, level: str, event: str, facts: Mapping[str, object]) -> None:
        line: Any = {**self._context, **facts, "event": event}
        try:
            for step in self._processors:
                line = step(self._logger, level, line)
        except structlog.DropEvent:
            return
        self._logger.write(line)


def configure() -> None:
    """Log from now on as the environment says, for which `change` speaks."""
    form, _, level = os.environ.get(_VARIABLE, "").partition(":")
    change(level, form)
    structlog.configure(
        processors=[_line],
        wrapper_class=_Logger,
        logger_factory=_StandardError,
        cache_logger_on_first_use=True,
    )


def change(level: str = "", form: str | None = None) -> None:
    """Log from now on at this level; JSON, or text where a person reads it at a terminal."""
    global _manner  # noqa: PLW0603 - a process has one standard error
    chosen = form or ("text" if os.isatty(_DESCRIPTOR) else "json")
    os.environ[_VARIABLE] = f"{chosen}:{level or 'info'}"
    _manner = _Manner(_LEVELS.get(level, _LEVELS["info"]), _rendering(chosen))


def _line(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """The facts of a line as its text, in one step: structlog would call each of several."""
    manner = _manner
    if _LEVELS[method] < manner.level:
        raise structlog.DropEvent
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    event["level"] = method
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, method, event)
    return manner.rendering(event)


def _rendering(form: str) -> Callable[[EventDict], str]:
    if form != "text":
        return _json
    colors = os.isatty(_DESCRIPTOR) and not os.environ.get("NO_COLOR")
    console = structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=32)
    return lambda event: console(None, "", _tamed(event))


def _json(event: EventDict) -> str:
    """One line, whatever strangers put into it: JSON alone escapes no more than it must."""
    return _escaped(_ENCODER.encode(event))


# Made once: `json.dumps` would make one for each line. What is no JSON is shown as Python does.
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=repr)


def _tamed(event: EventDict) -> EventDict:
    """The renderer shows text as it is, unless it has a space in it; else what Python has."""
    return {name: _readable(value) for name, value in event.items()}


def _readable(value: object) -> object:
    """Names stand one after the other, and what has parts is as JSON has it."""
    if isinstance(value, str):
        return _escaped(value)
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return _escaped(",".join(value))
    if isinstance(value, list | tuple | dict):
        return _escaped(_ENCODER.encode(value))
    return value


def _escaped(text: str) -> str:
    """What moves a cursor, hides or turns around is written as JSON may write it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


_manner = _Manner(_LEVELS["info"], _rendering("json"))
