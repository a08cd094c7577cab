"""What the simulated broker says it has sent: the account that everything else is compared with.

Invariant: the numbers are the simulator's own, read over HTTP; nothing of the collector, the
pipeline or the lake enters them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import httpx

from observer_core.errors import NetworkError

_SECONDS = 30.0

# Records by channel and symbol.
Counts = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Account:
    """One reading of the account.

    Attributes:
        records: All records and rows that were sent.
        counts: The same by channel and symbol.
        connections: Websocket connections so far.
    """

    records: int
    counts: Counts
    connections: int


class BrokerAccount:
    """The simulator's account over HTTP.

    Args:
        address: Of its REST side.
        client: The HTTP client; its owner closes it.
    """

    def __init__(self, address: str, client: httpx.AsyncClient) -> None:
        self._address = address
        self._client = client

    async def read(self) -> Account:
        """Returns the account as it is now.

        Raises:
            NetworkError: The simulator does not answer.
        """
        try:
            response = await self._client.get(f"{self._address}/admin/account", timeout=_SECONDS)
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise NetworkError(
                f"The simulated broker at {self._address} does not answer: {error!r}."
            ) from error
        body = response.json()
        counts: Counts = Counter()
        for channel, symbols in body["channels"].items():
            for symbol, number in symbols.items():
                counts[channel, symbol] += number
        return Account(body["records_sent"], counts, len(body["connections"]))
