"""Asking the broker for its official figures of a day.

Invariant: every question ends as an answer with a name: figures, no row, or why there is none. A broker
that fails three times in a row is not asked any more; one that refuses the key or that nobody reaches is not
asked a second time. What was not asked says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import date
from typing import Protocol

from observer_core.brokers.kis.catalogue import Venue
from observer_core.brokers.kis.daily import MARKET_CODES, figures_of
from observer_core.brokers.kis.transport import NotConnectedError
from observer_core.clock import Clock
from observer_core.errors import BrokerCredentialError, ExternalError
from observer_core.lake.official import Answer, OfficialRow
from observer_core.logs import logger

_PATIENCE = 3

_log = logger(__name__)


class DailyCharts(Protocol):
    """The broker's daily bars, as `KisRestClient` has them."""

    def daily_chart(
        self, code: str, first: date, last: date, *, market: str
    ) -> Awaitable[list[dict[str, str]]]:
        """Returns the rows from one day to another, newest first, prices not adjusted."""


async def ask_official(
    charts: DailyCharts, pairs: Sequence[tuple[str, Venue]], day: date, clock: Clock
) -> list[OfficialRow]:
    """Asks for a day's figures, one request for each symbol and venue.

    Args:
        charts: The broker.
        pairs: Symbols and venues.
        day: The trading day, after its last data.
        clock: When was asked.

    Returns:
        An answer for each pair, in their order.
    """
    rows: list[OfficialRow] = []
    failures, problem = 0, ""
    for symbol, venue in pairs:
        if failures >= _PATIENCE:
            rows.append(OfficialRow(symbol, venue, Answer.FAILED, clock.now(), error=f"not asked: {problem}"))
            continue
        try:
            found = await charts.daily_chart(symbol, day, day, market=MARKET_CODES[venue])
            figures = figures_of(found, day)
        except ExternalError as error:
            hopeless = isinstance(error, BrokerCredentialError | NotConnectedError)
            failures = _PATIENCE if hopeless else failures + 1
            problem = str(error)
            rows.append(OfficialRow(symbol, venue, Answer.FAILED, clock.now(), error=problem))
            _log.warning("The broker has no official figures.", symbol=symbol, venue=venue, error=problem)
        else:
            failures = 0
            answer = Answer.NO_ROW if figures is None else Answer.STATED
            rows.append(OfficialRow(symbol, venue, answer, clock.now(), figures))
    return rows
