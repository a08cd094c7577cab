"""Structured logs of every process.

Invariant: no secret passes. Values registered with `hide` and values under the names of
`_SECRET_NAMES` are replaced before a line is rendered, wherever in the line they stand.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
from collections.abc import Iterable
from pathlib import Path

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from observer_core.settings.model import LogFormat, ServiceSettings

HIDDEN = "[hidden]"

_SECRET_NAMES = frozenset(
    {"access_token", "app_key", "app_secret", "appkey", "appsecret", "approval_key", "authorization", "key",
     "iv", "password", "secretkey", "token"}
)  # fmt: skip
# Shorter values would hide ordinary words.
_SHORTEST_SECRET = 6
_ROTATE_BYTES = 10 * 1024 * 1024
_ROTATE_FILES = 5

_hidden: set[str] = set()


def hide(values: Iterable[str | SecretStr]) -> None:
    """Registers secret values; from now on no log line of this process shows them."""
    for value in values:
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        if len(plain) >= _SHORTEST_SECRET:
            _hidden.add(plain)


def redact(text: str) -> str:
    """Returns the text without any registered secret."""
    for value in _hidden:
        if value in text:
            text = text.replace(value, HIDDEN)
    return text


def configure(settings: ServiceSettings, *, program: str, folder: Path | None = None) -> None:
    """Sends the logs of this process to standard error and to a rotated file.

    Args:
        settings: Level and format.
        program: Name of the file, and a field of every line.
        folder: Folder of the file; no file where None.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    machine = structlog.processors.JSONRenderer(ensure_ascii=False)
    person = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    chosen: Processor = machine if settings.log_format is LogFormat.JSON else person
    root = logging.getLogger()
    root.handlers = [_handler(logging.StreamHandler(sys.stderr), chosen, shared)]
    if folder is not None:
        folder.mkdir(exist_ok=True)
        rotated = logging.handlers.RotatingFileHandler(
            folder / f"{program}.log", maxBytes=_ROTATE_BYTES, backupCount=_ROTATE_FILES, encoding="utf-8"
        )
        root.handlers.append(_handler(rotated, machine, shared))
    root.setLevel(settings.log_level)
    # One line a request says nothing that a metric does not.
    for noisy in ("httpx", "httpcore", "websockets", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(program=program)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Returns the logger of a module."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return bound


def _handler(handler: logging.Handler, renderer: Processor, shared: list[Processor]) -> logging.Handler:
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    return handler


def _redact_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {name: HIDDEN if name in _SECRET_NAMES else _redact_value(value) for name, value in event.items()}


def _redact_value(value: object) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {k: HIDDEN if k in _SECRET_NAMES else _redact_value(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(item) for item in value]
    return value if isinstance(value, int | float | bool) or value is None else redact(str(value))
