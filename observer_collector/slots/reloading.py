"""Slots and thresholds that change without a restart.

Invariant: the file in the configuration mount holds only variables that may change while the collector
runs; it is taken as a whole or not at all, and what is in force is always a valid set. A removed file
or variable brings the environment's value back; a file that is there and cannot be read changes nothing.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from observer_core.errors import ConfigurationError
from observer_core.json_text import parse_json
from observer_core.logs import logger
from observer_core.settings import CollectorSettings

_POLL_SECONDS = 2.0
_LARGEST_BYTES = 64 * 1024
# In place of content: equal to none, so that the file is taken as soon as it can be read.
_UNREADABLE = "unreadable"

RELOADABLE = frozenset(
    {
        "OBSERVER_CHANNELS",
        "OBSERVER_PINNED_SYMBOLS",
        "OBSERVER_FIXED_REGISTRATIONS",
        "OBSERVER_MARKET_OPERATION",
        "OBSERVER_TRIGGER_SYMBOLS",
        "OBSERVER_TRIGGER_VOLUME_RATIO",
        "OBSERVER_TRIGGER_PRICE_MOVE",
        "OBSERVER_TRIGGER_MINIMUM_VALUE",
        "OBSERVER_TRIGGER_SECONDS",
        "OBSERVER_DWELL_SECONDS",
        "OBSERVER_SLOT_MARGIN",
        "OBSERVER_SWEEP_SYMBOLS",
    }
)

_log = logger(__name__)


class Reloading:
    """Watches the file.

    Args:
        path: `Paths.collector_changes`; a mounted ConfigMap replaces it as a whole.
        base: The settings of the environment.
        apply: Puts settings into force; raises ConfigurationError where they are not valid together.
    """

    def __init__(
        self, path: Path, base: CollectorSettings, apply: Callable[[CollectorSettings], None]
    ) -> None:
        self._path = path
        self._base = base
        self._apply = apply
        self._content: bytes | str | None = None
        self.problem: str | None = None
        self.reloads = 0

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_POLL_SECONDS)

    def look(self) -> None:
        """Takes the file where it has changed."""
        try:
            content = self._read()
        except OSError as error:
            problem = str(self._wrong(f"cannot be read: {error.strerror}"))
            if problem != self.problem:
                self._refuse(problem)
            # Whatever it holds once it can be read is taken anew.
            self._content = _UNREADABLE
            return
        if content == self._content:
            return
        self._content = content
        try:
            self._apply(self._changed(content))
        except ConfigurationError as error:
            self._refuse(str(error))
        else:
            self.problem = None
            self.reloads += 1
            _log.info("Settings were changed without a restart.", path=str(self._path))

    def _refuse(self, problem: str) -> None:
        self.problem = problem
        _log.error("The changed settings are not taken; the old ones stay in force.", error=problem)

    def _read(self) -> bytes | None:
        """Returns what the file holds; None where there is none.

        Raises:
            OSError: It cannot be read, or is no file; a pipe or a device would hold the event loop.
        """
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is no file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(_LARGEST_BYTES + 1)
        finally:
            os.close(descriptor)

    def _changed(self, content: bytes | None) -> CollectorSettings:
        if content is None:
            return self._base
        if len(content) > _LARGEST_BYTES:
            raise self._wrong(f"is longer than {_LARGEST_BYTES} bytes")
        try:
            changes = parse_json(content)
        except ValueError as error:
            raise self._wrong(f"is no JSON: {error}") from None
        if not isinstance(changes, dict) or not all(isinstance(value, str) for value in changes.values()):
            raise self._wrong("is no JSON object whose values are texts")
        unknown = sorted(changes.keys() - RELOADABLE)
        if unknown:
            raise self._wrong(f"names {unknown[0]}, which cannot change while the collector runs")
        return CollectorSettings.load(_values_of(self._base) | changes)

    def _wrong(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._path} {why}.",
            remedy=f'Write variables and texts, as {{"OBSERVER_PINNED_SYMBOLS": "005930"}}; '
            f"allowed are {', '.join(sorted(RELOADABLE))}.",
        )


def _values_of(settings: CollectorSettings) -> dict[str, Any]:
    """Returns the values by variable, as `load` reads them."""
    return {
        str(field.validation_alias): getattr(settings, name)
        for name, field in type(settings).model_fields.items()
    }
