"""Structured logs of every process.

Invariant: no secret passes. Values registered with `hide` and values under the names of
`_SECRET_NAMES` are replaced before a line is rendered, wherever in the line they stand.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from observer_core.settings.process import LogFormat, ServiceSettings

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
_market_time: list[Callable[[], str]] = []


def hide(values: Iterable[str | SecretStr]) -> None:
    """Registers secret values; from now on no log line of this process shows them."""
    for value in values:
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        if len(plain) >= _SHORTEST_SECRET:
            _hidden.add(plain)


def tell_market_time(read: Callable[[], str]) -> None:
    """Adds the market's time to every line of this process from now on; for a process on virtual time."""
    _market_time[:] = [read]


def redact(text: str) -> str:
    """Returns the text without any registered secret; one that holds another is replaced as a whole."""
    for value in sorted(_hidden, key=len, reverse=True):
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
    _configure_structlog()
    machine = structlog.processors.JSONRenderer(ensure_ascii=False)
    person = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    chosen: Processor = machine if settings.log_format is LogFormat.JSON else person
    root = logging.getLogger()
    root.handlers = [_handler(logging.StreamHandler(sys.stderr), chosen)]
    if folder is not None:
        folder.mkdir(exist_ok=True)
        root.handlers.append(_handler(_rotated(folder, program), machine))
    root.setLevel(settings.log_level)
    # One line a request says nothing that a metric does not.
    for noisy in ("httpx", "httpcore", "websockets", "aiohttp.access", "alembic.runtime.plugins"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(program=program)


@contextmanager
def also_in(folder: Path, *, program: str) -> Iterator[None]:
    """Writes what the kernel logs meanwhile to a rotated file as well; for work inside of another program.

    Args:
        folder: Folder of the file; made if there is none.
        program: Name of the file.
    """
    if not structlog.is_configured():
        _configure_structlog()
    folder.mkdir(exist_ok=True)
    handler = _handler(_rotated(folder, program), structlog.processors.JSONRenderer(ensure_ascii=False))
    kernel = logging.getLogger("observer_core")
    before = kernel.level
    kernel.addHandler(handler)
    kernel.setLevel(logging.INFO)
    try:
        yield
    finally:
        kernel.setLevel(before)
        kernel.removeHandler(handler)
        handler.close()


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Returns the logger of a module."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return bound


def _configure_structlog() -> None:
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _shared() -> list[Processor]:
    """Returns what happens to every line, ours or a library's."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_market_time,
        structlog.processors.format_exc_info,
        _redact_event,
    ]


def _rotated(folder: Path, program: str) -> logging.Handler:
    return logging.handlers.RotatingFileHandler(
        folder / f"{program}.log",
        maxBytes=_ROTATE_BYTES,
        backupCount=_ROTATE_FILES,
        encoding="utf-8",
        # Half a surrogate pair out of somebody's file must not cost the line that tells of it.
        errors="backslashreplace",
    )


def _handler(handler: logging.Handler, renderer: Processor) -> logging.Handler:
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    return handler


def _add_market_time(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for read in _market_time:
        event["market_time"] = read()
    return event


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
