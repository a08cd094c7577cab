"""What the collector says about itself over HTTP.

Invariant: a collector that does not answer says nothing; that is no error here, because others watch
over its process.
"""

from __future__ import annotations

from typing import Any

import httpx

from observer_core.probes import STATUS_PATH

_SECONDS = 5.0


class CollectorStatus:
    """The collector's status page.

    Args:
        address: Such as `http://127.0.0.1:8000`.
        client: The HTTP client; its owner closes it.
    """

    def __init__(self, address: str, client: httpx.AsyncClient) -> None:
        self.address = address
        self._client = client

    async def read(self) -> dict[str, Any]:
        """Returns the status; empty where the collector does not answer."""
        try:
            answer = await self._client.get(f"{self.address}{STATUS_PATH}", timeout=_SECONDS)
            found: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError):
            return {}
        return found

    async def is_registered(self) -> bool:
        """Returns whether the broker has confirmed every registration that the collector wants."""
        registrations = (await self.read()).get("session", {}).get("registrations", {})
        return bool(registrations) and registrations.get("confirmed", 0) == sum(registrations.values())
