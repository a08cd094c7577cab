"""Requests to Kiwoom's REST API (Kiwoom reference, sections 3, 4 and 6.1).

Invariant: a list is whole or an error: pages are followed by the headers alone, and a cursor that does not
move is a failure, never an end (incident I-09: the predecessor's list stopped at page 1). Every request waits
for its turn; the quota is counted for each app key and interface.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from pydantic import SecretStr

from observer_core.brokers.kiwoom.answers import RATE_EXCEEDED, TOKEN_REFUSED, Answer, incomplete
from observer_core.brokers.kiwoom.stocks import MarketCode
from observer_core.brokers.kiwoom.tokens import KiwoomTokens
from observer_core.brokers.kiwoom.transport import exchange, http_client
from observer_core.brokers.limiter import RequestLimiter, limiter_file
from observer_core.clock import Clock
from observer_core.errors import BrokerCredentialError, BrokerRetryableError
from observer_core.settings import KiwoomSettings

_PATH = "/api/dostk/stkinfo"
_STOCK_LIST = "ka10099"
# One a second was seen for this interface; the documents disagree (section 4).
_PER_SECOND = 1.0
_ATTEMPTS = 3
_PAUSE_SECONDS = 1.1
_MOST_PAGES = 100


class KiwoomRestClient:
    """Requests for one app key; they wait on the clock: never make one while a `Participant` is busy.

    Args:
        http: Client with the broker's address.
        tokens: Source of tokens.
        limiter: The pace of the stock list.
        clock: The clock of the limiter.
    """

    def __init__(
        self, http: httpx.AsyncClient, *, tokens: KiwoomTokens, limiter: RequestLimiter, clock: Clock
    ) -> None:
        self._http = http
        self._limiter = limiter
        self._clock = clock
        self.tokens = tokens

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, settings: KiwoomSettings, token_cache: Path, clock: Clock
    ) -> AsyncIterator[KiwoomRestClient]:
        """Yields a client with everything it needs.

        Args:
            settings: App key, secret, environment and address.
            token_cache: The cache file (`Paths.token_cache`).
            clock: The process's clock.
        """
        async with http_client(settings) as http:
            tokens = KiwoomTokens(token_cache, settings, http, clock)
            file = limiter_file(token_cache, f"{tokens.fingerprint}-{_STOCK_LIST}")
            limiter = RequestLimiter(file, clock, _PER_SECOND)
            yield cls(http, tokens=tokens, limiter=limiter, clock=clock)

    async def stock_list(self, market: MarketCode) -> list[dict[str, object]]:
        """Returns all rows of a market's list, as sent (ka10099).

        Raises:
            NetworkError: The broker gave no answer.
            BrokerError: The broker refused, or its pages do not end.
            ConfigurationError: The app key or secret is not set.
            StorageError: The token cache or the limiter's file cannot be used.
        """
        rows: list[dict[str, object]] = []
        keys: set[str] = set()
        key = ""
        for _ in range(_MOST_PAGES):
            answer = await self._ask({"mrkt_tp": market.value}, key)
            page = answer.body.get("list")
            if not isinstance(page, list) or not all(isinstance(row, dict) for row in page):
                raise incomplete(_STOCK_LIST, "list")
            rows += page
            if not answer.next_key:
                return rows
            keys.add(key)
            key = answer.next_key
            if key in keys or not page:
                break
        raise incomplete(_STOCK_LIST, f"end of the list of market {market.name} after {len(rows)} rows")

    async def _ask(self, body: dict[str, str], next_key: str) -> Answer:
        """Sends a request until it has an answer, a lasting error or no attempts left."""
        token = await self.tokens.access_token()
        replaced = False
        attempt = 1
        while True:
            await self._limiter.acquire()
            try:
                return await self._exchange(body, token, next_key)
            except BrokerCredentialError as error:
                if error.code not in TOKEN_REFUSED or replaced:
                    raise
                token, replaced = await self.tokens.access_token(refused=token), True
            except BrokerRetryableError as error:
                if error.code != RATE_EXCEEDED or attempt == _ATTEMPTS:
                    raise
                await self._limiter.refused()
                await self._clock.sleep(_PAUSE_SECONDS * attempt)
                attempt += 1

    async def _exchange(self, body: dict[str, str], token: SecretStr, next_key: str) -> Answer:
        headers = {"api-id": _STOCK_LIST, "authorization": f"Bearer {token.get_secret_value()}"}
        if next_key:
            headers |= {"cont-yn": "Y", "next-key": next_key}
        return await exchange(self._http, _PATH, headers=headers, body=body)
