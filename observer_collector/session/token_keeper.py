"""Renews the access token before the day, so that it need not be renewed in it.

Invariant: between the morning and the opening auction of a trading day the token is made to outlast the
day's last data; a broker that does not answer then is asked again at the spacing of the token store,
and the token in use stays in use.
"""

from __future__ import annotations

from observer_collector.cadence import next_multiple
from observer_collector.market_hours import MarketHours
from observer_core.brokers.kis.tokens import TokenStore
from observer_core.clock import Clock, kst_datetime
from observer_core.errors import ExternalError, StorageError
from observer_core.logs import logger

_NANOSECONDS = 1_000_000_000
# From 07:30: nobody publishes when the broker's nightly maintenance ends, and 07:00 is the latest guess.
_FROM_HOUR, _FROM_MINUTE = 7, 30
_LOOK_NS = 60 * _NANOSECONDS

_log = logger(__name__)


class TokenKeeper:
    """Looks once a minute.

    Args:
        tokens: The token store.
        hours: The market's hours.
        clock: The process's clock.
    """

    def __init__(self, tokens: TokenStore, hours: MarketHours, clock: Clock) -> None:
        self._tokens = tokens
        self._hours = hours
        self._clock = clock
        self._problem = ""
        self._kept_for_ns = 0

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            now_ns = self._clock.now_ns()
            window = self._hours.before_session(now_ns)
            if window is not None:
                starts_ns, ends_ns = window
                moment = kst_datetime(now_ns)
                if now_ns < starts_ns and (moment.hour, moment.minute) >= (_FROM_HOUR, _FROM_MINUTE):
                    await self._renew(ends_ns)
            await next_multiple(self._clock, _LOOK_NS)

    async def _renew(self, until_ns: int) -> None:
        if self._kept_for_ns == until_ns:
            return
        try:
            await self._tokens.renew_ahead(kst_datetime(until_ns))
        except (ExternalError, StorageError) as error:
            if self._problem != str(error):
                _log.warning("The access token is not renewed ahead yet.", error=str(error))
            self._problem = str(error)
        else:
            self._kept_for_ns, self._problem = until_ns, ""
