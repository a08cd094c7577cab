"""The REST interface for market data (broker reference, sections 3 and 4).

Invariant: every request waits for its turn at the limiter, carries a token of the token store, and
ends as an answer or as one error of the tree; a refused token is replaced once per request, a passing
fault is repeated a bounded number of times.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random

import httpx
from pydantic import SecretStr

from observer_core.brokers.kis.catalogue import (
    EXECUTIONS_CHANNEL,
    MINUTE_BARS_CHANNEL,
    MULTI_PRICE_CHANNEL,
)
from observer_core.brokers.kis.endpoints import requests_per_second, rest_url
from observer_core.brokers.kis.oauth import KisOAuth
from observer_core.brokers.kis.rest_errors import RATE_EXCEEDED, TOKEN_REFUSED, OnRefusal
from observer_core.brokers.kis.tokens import TokenStore
from observer_core.brokers.kis.transport import Answer, exchange, http_client, incomplete
from observer_core.brokers.limiter import RequestLimiter, limiter_file
from observer_core.clock import Clock
from observer_core.errors import BrokerCredentialError, BrokerError, BrokerRetryableError, NetworkError
from observer_core.settings import KisSettings

MULTI_PRICE_LIMIT = 30

_QUOTATIONS = "/uapi/domestic-stock/v1/quotations"
_KRX = "J"
_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.25
_MOST_PAGES = 30


@dataclass(frozen=True, slots=True)
class BrokerDay:
    """One calendar day as the broker's holiday answer has it (broker reference, 4.13).

    Attributes:
        day: The day.
        exchange_open: Whether the exchange opens (`opnd_yn`), the only flag that tells.
    """

    day: date
    exchange_open: bool


@dataclass(frozen=True, slots=True)
class _Page:
    """An answer whose rows are an array, as in all endpoints used here."""

    answer: Answer
    rows: list[dict[str, str]]

    def text(self, field: str) -> str:
        """Returns a paging key; the broker pads it with blanks."""
        return str(self.answer.body.get(field, "")).strip()


class KisRestClient:
    """Requests for one app key.

    Every method waits for its turn on the clock: never call one while a `Participant` is busy. All of
    them raise `NetworkError`, `BrokerRetryableError` (repeated a few times before),
    `BrokerCredentialError`, `BrokerRequestError`, and the errors of `TokenStore.access_token`.

    Args:
        http: Client with the broker's address.
        settings: App key and secret.
        tokens: Source of tokens.
        limiter: The pace.
        clock: The clock of the limiter.
        random: Source of the jitter between attempts.

    Attributes:
        on_refusal: Takes each refusal, also of requests that are repeated then.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        settings: KisSettings,
        *,
        tokens: TokenStore,
        limiter: RequestLimiter,
        clock: Clock,
        random: Random,
    ) -> None:
        self._http = http
        self._settings = settings
        self._limiter = limiter
        self._clock = clock
        self._random = random
        self.tokens = tokens
        self.on_refusal: OnRefusal = lambda _name, _error: None

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, settings: KisSettings, token_cache: Path, clock: Clock, *, random: Random | None = None
    ) -> AsyncIterator[KisRestClient]:
        """Yields a client with everything it needs.

        Args:
            settings: App key, secret, environment, address and pace.
            token_cache: The cache file (`Paths.token_cache`).
            clock: The process's clock.
            random: Source of the jitter; the system's where None.
        """
        async with http_client(rest_url(settings)) as http:
            tokens = TokenStore(token_cache, settings, KisOAuth(http, settings, clock), clock)
            file = limiter_file(token_cache, tokens.fingerprint)
            limiter = RequestLimiter(file, clock, requests_per_second(settings))
            jitter = random or Random()  # noqa: S311  (a pause between attempts is no secret)
            yield cls(http, settings, tokens=tokens, limiter=limiter, clock=clock, random=jitter)

    async def multi_price(self, codes: Sequence[str], *, market: str = _KRX) -> list[dict[str, str]]:
        """Returns the present prices of up to 30 symbols (broker reference, 4.9).

        Args:
            codes: Symbols; ETN with their leading Q.
            market: `J` KRX, `NX` NXT, `UN` unified.

        Returns:
            The rows as sent, in the order the broker chose: match them by `inter_shrn_iscd`.
        """
        if not 1 <= len(codes) <= MULTI_PRICE_LIMIT:
            raise ValueError(f"{len(codes)} symbols instead of 1 to {MULTI_PRICE_LIMIT}")
        params: dict[str, str] = {}
        for number, code in enumerate(codes, start=1):
            params[f"FID_COND_MRKT_DIV_CODE_{number}"] = market
            params[f"FID_INPUT_ISCD_{number}"] = code
        return (await self._get("intstock-multprice", MULTI_PRICE_CHANNEL, params)).rows

    async def daily_price(
        self, code: str, *, adjusted: bool = False, market: str = _KRX
    ) -> list[dict[str, str]]:
        """Returns the last 30 daily bars of a symbol, newest first (broker reference, 4.8).

        Args:
            code: The symbol.
            adjusted: Whether prices are adjusted for splits and rights.
            market: `J` KRX, `NX` NXT, `UN` unified.
        """
        params = {
            "FID_COND_MRKT_DIV_CODE": market,
            "FID_INPUT_ISCD": code,
            "FID_PERIOD_DIV_CODE": "D",
            # Here 1 means adjusted; the endpoint inquire-daily-itemchartprice has it the other way round.
            "FID_ORG_ADJ_PRC": "1" if adjusted else "0",
        }
        return (await self._get("inquire-daily-price", "FHKST01010400", params)).rows

    async def daily_chart(
        self, code: str, first: date, last: date, *, adjusted: bool = False, market: str = _KRX
    ) -> list[dict[str, str]]:
        """Returns the daily bars of a symbol from one day to another, newest first (broker reference, 4.7).

        Args:
            code: The symbol.
            first: The first day.
            last: The last day; a hundred rows are the most.
            adjusted: Whether prices are adjusted for splits and rights.
            market: `J` KRX, `NX` NXT, `UN` unified.

        Returns:
            Rows with open, high, low, close, volume and value; none for days without trading.
        """
        params = {
            "FID_COND_MRKT_DIV_CODE": market,
            "FID_INPUT_ISCD": code,
            "FID_INPUT_DATE_1": f"{first:%Y%m%d}",
            "FID_INPUT_DATE_2": f"{last:%Y%m%d}",
            "FID_PERIOD_DIV_CODE": "D",
            # Here 0 means adjusted; the endpoint inquire-daily-price has it the other way round.
            "FID_ORG_ADJ_PRC": "0" if adjusted else "1",
        }
        name = "inquire-daily-itemchartprice"
        return (await self._get(name, "FHKST03010100", params, block="output2")).rows

    async def volatility_interruptions(self, day: date) -> list[dict[str, str]]:
        """Returns the volatility interruptions of a day, both markets (broker reference, 4.16)."""
        params = {
            "FID_DIV_CLS_CODE": "0",
            "FID_COND_SCR_DIV_CODE": "20139",
            "FID_MRKT_CLS_CODE": "0",
            "FID_INPUT_ISCD": "",
            "FID_RANK_SORT_CLS_CODE": "0",
            "FID_INPUT_DATE_1": f"{day:%Y%m%d}",
            "FID_TRGT_CLS_CODE": "",
            "FID_TRGT_EXLS_CLS_CODE": "",
        }
        return (await self._get("inquire-vi-status", "FHPST01390000", params)).rows

    async def volume_ranking(self, *, market: str = _KRX) -> list[dict[str, str]]:
        """Returns the thirty symbols whose volume has increased most (broker reference, 4.10).

        Args:
            market: `J` KRX, `NX` NXT.
        """
        params = {
            "FID_COND_MRKT_DIV_CODE": market,
            "FID_COND_SCR_DIV_CODE": "20171",
            "FID_INPUT_ISCD": "0000",
            "FID_DIV_CLS_CODE": "0",
            "FID_BLNG_CLS_CODE": "1",
            "FID_TRGT_CLS_CODE": "111111111",
            "FID_TRGT_EXLS_CLS_CODE": "000000",
            "FID_INPUT_PRICE_1": "",
            "FID_INPUT_PRICE_2": "",
            "FID_VOL_CNT": "",
            "FID_INPUT_DATE_1": "",
        }
        return (await self._get("volume-rank", "FHPST01710000", params)).rows

    async def executions(self, code: str, until: str, *, market: str = _KRX) -> list[dict[str, str]]:
        """Returns the executions of today up to a second, newest first (broker reference, 4.4).

        Args:
            code: The symbol.
            until: `HHMMSS`, Korean time.
            market: `J` KRX, `NX` NXT, `UN` unified.

        Returns:
            Up to 30 rows as sent; empty where the broker has none.
        """
        params = {
            "FID_COND_MRKT_DIV_CODE": market,
            "FID_INPUT_ISCD": code,
            "FID_INPUT_HOUR_1": until,
        }
        name = "inquire-time-itemconclusion"
        return (await self._get(name, EXECUTIONS_CHANNEL, params, block="output2")).rows

    async def minute_bars(self, code: str, until: str, *, market: str = _KRX) -> list[dict[str, str]]:
        """Returns thirty minute bars of today up to a minute, newest first (broker reference, 4.5).

        The first row may still hold the volume of the minute before; ask for closed minutes only.

        Args:
            code: The symbol.
            until: `HHMMSS` of the last bar, Korean time, seconds 00.
            market: `J` KRX, `NX` NXT, `UN` unified.
        """
        params = {
            "FID_COND_MRKT_DIV_CODE": market,
            "FID_INPUT_ISCD": code,
            "FID_INPUT_HOUR_1": until,
            "FID_PW_DATA_INCU_YN": "N",
            "FID_ETC_CLS_CODE": "",
        }
        name = "inquire-time-itemchartprice"
        return (await self._get(name, MINUTE_BARS_CHANNEL, params, block="output2")).rows

    async def holidays(self, first: date, last: date) -> list[BrokerDay]:
        """Returns the broker's calendar from `first` on, at least to `last` if it reaches that far.

        Call it about once a day: it runs on the broker's ledger (broker reference, 3.3 and 4.13).
        """
        days: dict[date, BrokerDay] = {}
        params = {"BASS_DT": f"{first:%Y%m%d}", "CTX_AREA_NK": "", "CTX_AREA_FK": ""}
        for page in range(_MOST_PAGES):
            found = await self._get("chk-holiday", "CTCA0903R", params, next_page=page > 0)
            before = len(days)
            days |= {day.day: day for day in map(_broker_day, found.rows)}
            # A page without a new day would be followed by itself for ever.
            if not found.answer.more_pages or len(days) == before or max(days) >= last:
                break
            params = {
                "BASS_DT": params["BASS_DT"],
                "CTX_AREA_NK": found.text("ctx_area_nk"),
                "CTX_AREA_FK": found.text("ctx_area_fk"),
            }
        return [days[day] for day in sorted(days)]

    async def approval_key(self) -> SecretStr:
        """Returns a key for registering on a new websocket connection (broker reference, 2.3)."""
        return await self.tokens.approval_key()

    async def _get(
        self,
        name: str,
        tr_id: str,
        params: Mapping[str, str],
        *,
        next_page: bool = False,
        block: str = "output",
    ) -> _Page:
        """Sends a request until it has an answer, a lasting error or no attempts left."""
        token = await self.tokens.access_token()
        replaced = False
        attempt = 1
        while True:
            await self._limiter.acquire()
            try:
                answer = await self._exchange(name, tr_id, params, token, next_page=next_page)
                return _page(name, answer, block)
            except BrokerCredentialError as error:
                if error.code not in TOKEN_REFUSED or replaced:
                    raise
                token, replaced = await self.tokens.replace_access_token(token), True
            except (BrokerRetryableError, NetworkError) as error:
                if attempt == _ATTEMPTS:
                    raise
                await self._pause(error, attempt)
                attempt += 1

    async def _exchange(
        self, name: str, tr_id: str, params: Mapping[str, str], token: SecretStr, *, next_page: bool
    ) -> Answer:
        headers = {
            "content-type": "application/json; charset=utf-8",
            "authorization": f"Bearer {token.get_secret_value()}",
            "appkey": self._settings.app_key.get_secret_value(),
            "appsecret": self._settings.app_secret.get_secret_value(),
            "tr_id": tr_id,
            "custtype": "P",
            "tr_cont": "N" if next_page else "",
        }
        try:
            return await exchange(self._http, "GET", f"{_QUOTATIONS}/{name}", headers=headers, params=params)
        except BrokerError as error:
            self.on_refusal(name, error)
            raise

    async def _pause(self, error: BrokerRetryableError | NetworkError, attempt: int) -> None:
        if isinstance(error, BrokerRetryableError) and error.code in RATE_EXCEEDED:
            await self._limiter.refused()
            # The broker counts its seconds as our clock does.
            await self._clock.sleep(self._random.uniform(0.1, 1.0))
        else:
            # A network and a gateway recover in real time.
            longest = _FIRST_PAUSE_SECONDS * 2**attempt
            await asyncio.sleep(self._random.uniform(longest / 2, longest))


def _page(name: str, answer: Answer, block: str) -> _Page:
    rows = answer.body.get(block)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise incomplete(name, block)
    return _Page(answer, rows)


def _broker_day(row: Mapping[str, str]) -> BrokerDay:
    text, opened = str(row.get("bass_dt", "")), row.get("opnd_yn")
    if opened not in ("Y", "N"):
        raise incomplete("chk-holiday", f"opnd_yn on {text!r}")
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError as error:
        raise incomplete("chk-holiday", f"bass_dt {text!r}") from error
    return BrokerDay(day, opened == "Y")
