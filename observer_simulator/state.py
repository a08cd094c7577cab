"""What outlives a restart: the account and what was issued.

Invariant: the file is replaced as a whole; a simulator that is stopped in order continues exactly,
one that is killed continues from about `_SAVE_SECONDS` before.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from observer_core.errors import ConfigurationError
from observer_core.files import write_atomically
from observer_simulator.account import Account
from observer_simulator.credentials import Credentials

# Real time between two saves.
_SAVE_SECONDS = 2.0

_FORMAT = 1
# It holds tokens.
_MODE = 0o600


class StateFile:
    """The file of one simulated broker; within its asynchronous context it is kept current.

    Args:
        path: The file; its folder is made.
        account: What was sent.
        credentials: What was issued.
    """

    def __init__(self, path: Path, account: Account, credentials: Credentials) -> None:
        self._path = path
        self._account = account
        self._credentials = credentials
        self._saved = b""
        self._stop = asyncio.Event()
        self._saving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._saving = asyncio.create_task(self._save_regularly())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        assert self._saving is not None, "the context was entered"
        await self._saving

    def load(self) -> None:
        """Continues from the file, where there is one.

        Raises:
            ConfigurationError: The file is not one of the simulator's.
        """
        if not self._path.exists():
            return
        try:
            saved: dict[str, Any] = json.loads(self._path.read_bytes())
            if saved["format"] != _FORMAT:
                raise ConfigurationError(
                    f"{self._path} has format {saved['format']} instead of {_FORMAT}.",
                    remedy="Remove it to begin anew, or run the version that wrote it.",
                )
            self._account.restore(saved["account"])
            self._credentials.restore(saved["credentials"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{self._path} is not a state file of the simulator: {error!r}.",
                remedy="Name another file in OBSERVER_SIMULATOR_STATE_FILE, or remove this one.",
            ) from error

    async def _save_regularly(self) -> None:
        """Saves what has changed; the last time after the order to stop."""
        while not self._stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _SAVE_SECONDS)
            content = self._content()
            if content != self._saved:
                await asyncio.to_thread(write_atomically, self._path, content, mode=_MODE)
                self._saved = content

    def _content(self) -> bytes:
        state = {
            "format": _FORMAT,
            "account": self._account.as_dict(),
            "credentials": self._credentials.as_dict(),
        }
        return json.dumps(state, ensure_ascii=False, indent=1).encode()
