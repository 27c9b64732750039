"""The log: one JSON object a line on standard error, for everything that happens in the process.

What people write is never logged. Call sites name ids and hosts; as a second line of defence fields that could carry a
body or a secret are withheld by name, bytes are shown as their length and long values are cut. Tracebacks carry no
local variables.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from core.errors import KonsilError, Misconfigured

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_WITHHELD = frozenset({
    "authorization", "body", "content", "cookie", "data", "document", "form", "headers", "html", "key_pem", "markdown",
    "password", "payload", "private_pem", "secret", "signature", "source", "text", "token",
})
_VALUE_LIMIT = 500
_TRACEBACK_LIMIT = 8000


def configure(level: str, format: str) -> None:
    """Send structlog and the standard library's loggers to standard error; `Misconfigured` for an unknown mode."""
    if level not in _LEVELS:
        raise Misconfigured("log.level: one of %(levels)s.", values={"levels": ", ".join(_LEVELS)})
    if format not in ("json", "console"):
        raise Misconfigured("log.format: json or console.")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named,
        _both_voices,
        structlog.processors.format_exc_info,
        withhold,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _Lines(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[level], logging.INFO))


class _Lines(structlog.PrintLogger):
    """Writes lines. One that cannot be written, as on a full disk, is lost; what it tells of goes on."""

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = critical = error = exception = fatal = failure = err = msg


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose lines carry `logger: name`; costs nothing until it is used."""
    logger: FilteringBoundLogger = structlog.get_logger(logger_name=name)
    return logger


def withhold(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what must not be in a log; a structlog processor."""
    for key, value in event.items():
        if key in _WITHHELD:
            event[key] = "[withheld]"
        elif isinstance(value, bytes | bytearray | memoryview):
            event[key] = f"[{len(value)} bytes]"
        elif isinstance(value, str):
            limit = _TRACEBACK_LIMIT if key == "exception" else _VALUE_LIMIT
            event[key] = value if len(value) <= limit else value[:limit] + "…"
        elif not isinstance(value, int | float | None):
            event[key] = str(value)[:_VALUE_LIMIT]
    return event


def _named(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Give our own lines the key `logger` that the standard library's have (structlog keeps that name for itself)."""
    if "logger_name" in event:
        event["logger"] = event.pop("logger_name")
    return event


def _both_voices(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Spread an expected failure given as `error=` over its reason, its sentence and its cause."""
    error = event.get("error")
    if isinstance(error, KonsilError):
        event.update(error=error.message, reason=error.reason, cause=error.cause)
    elif isinstance(error, BaseException):
        event["error"] = f"{type(error).__name__}: {error}"
    return event
