"""The sources of symbols, in the order of preference.

Invariant: a stage returns what its source says or raises; whether that is plausible is judged
elsewhere, alike for all of them. A broker lists what is traded today: for another day it is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar

from observer_core.brokers.kis.master_files import MasterFile, download_masters
from observer_core.brokers.kiwoom.rest import KiwoomRestClient
from observer_core.brokers.kiwoom.stocks import Converted, MarketCode, convert
from observer_core.clock import Clock
from observer_core.errors import MasterFileError
from observer_core.market.calendar import MarketCalendar
from observer_core.reference.listing import LISTING_DATE, read_listing
from observer_core.reference.symbols import (
    LAST_GOOD,
    PACKAGED_LISTING,
    Loaded,
    Stage,
    last_good,
    last_good_symbols,
)
from observer_core.settings import KisSettings, KiwoomSettings, Paths


@dataclass(frozen=True, slots=True)
class KisMasterStage:
    """The master files of KIS, downloaded and kept.

    They speak of the day that they were packed for, which need not be the one that is asked for: the broker
    goes on serving the last ones until it has packed anew.

    Attributes:
        url: `KIS_MASTER_URL`.
        paths: Where the raw files are kept.
        clock: The process's clock.
    """

    url: str
    paths: Paths
    clock: Clock
    name: ClassVar[str] = "kis-master"

    async def load(self, day: date) -> Loaded:
        if refusal := _not_today(day, self.clock):
            return Loaded((), refusal)
        files = await download_masters(self.url, self.paths.master_files(day))
        instruments = tuple(instrument for file in files for instrument in file.instruments)
        # Where the two are of different days, the list as a whole is of the one that is not meant.
        other = sorted({_packed_for(file) for file in files} - {day})
        return Loaded(instruments, "; ".join(map(_described, files)), as_of=other[0] if other else day)


@dataclass(frozen=True, slots=True)
class KiwoomStage:
    """Kiwoom's stock list of both markets.

    What it does not carry (ISIN, previous volume) comes from the last good file of this deployment, or from
    the packaged listing; the remark says of how many.

    Attributes:
        settings: Access to Kiwoom; without a key the stage is skipped.
        paths: Where the token is cached and earlier files lie.
        clock: The process's clock.
    """

    settings: KiwoomSettings
    paths: Paths
    clock: Clock
    name: ClassVar[str] = "kiwoom"

    async def load(self, day: date) -> Loaded:
        if not self.settings.is_configured:
            return Loaded((), "KIWOOM_APP_KEY and KIWOOM_APP_SECRET are not set")
        if refusal := _not_today(day, self.clock):
            return Loaded((), refusal)
        async with KiwoomRestClient.connect(self.settings, self.paths.token_cache, self.clock) as client:
            rows = {market: await client.stock_list(market) for market in MarketCode}
        good = last_good_symbols(self.paths, day)
        known = {one.code: one for one in (good.instruments if good else read_listing())}
        converted = convert(rows, known)
        return Loaded(converted.instruments, _completed(converted, good.day if good else LISTING_DATE))


@dataclass(frozen=True, slots=True)
class LastGoodStage:
    """The newest file of this deployment that came from a broker.

    Attributes:
        paths: Where the files lie.
    """

    paths: Paths
    name: ClassVar[str] = LAST_GOOD

    async def load(self, day: date) -> Loaded:
        found = last_good(self.paths, day)
        symbols = found.symbols
        if symbols is None:
            if found.damaged:
                raise found.damaged[0]
            return Loaded((), "this deployment has no earlier file from a broker")
        passed_over = "".join(f"; passed over: {error}" for error in found.damaged)
        remark = f"symbols of {symbols.day} from {symbols.source}{passed_over}"
        return Loaded(symbols.instruments, remark, as_of=symbols.as_of)


@dataclass(frozen=True, slots=True)
class PackagedListingStage:
    """The dated listing that ships with the package."""

    name: ClassVar[str] = PACKAGED_LISTING

    async def load(self, day: date) -> Loaded:
        del day  # The listing is of its own day.
        remark = f"listing of {LISTING_DATE}; prices and halts are of that day"
        return Loaded(read_listing(), remark, as_of=LISTING_DATE)


def default_stages(kis: KisSettings, kiwoom: KiwoomSettings, paths: Paths, clock: Clock) -> tuple[Stage, ...]:
    """Returns the stages of a deployment."""
    return (
        KisMasterStage(kis.master_url, paths, clock),
        KiwoomStage(kiwoom, paths, clock),
        LastGoodStage(paths),
        PackagedListingStage(),
    )


def _not_today(day: date, clock: Clock) -> str:
    """Returns why a broker cannot tell the symbols of a day; empty where it can.

    On a day without trading its list is still that of the last trading day.
    """
    today = clock.now().date()
    listed = MarketCalendar().previous_trading_day(today + timedelta(days=1))
    return "" if day in (today, listed) else f"it lists what is traded today, {today}, and not on {day}"


def session_listed(packed_at: datetime) -> date:
    """Returns the trading day whose instruments a broker lists at an instant, Korean time.

    Base prices and volumes are those of the last completed session, so the list of a day is packed from the
    end of the session before it on: in practice on the morning of the day itself (decision 0007).
    """
    calendar = MarketCalendar()
    day = packed_at.date()
    if calendar.is_trading_day(day):
        session = calendar.session(day)
        if packed_at < session.at(session.data_ends):
            return day
    return calendar.next_trading_day(day)


def _packed_for(file: MasterFile) -> date:
    if file.packed_at is None:
        raise MasterFileError(
            f"{file.path.name} does not tell when it was packed, so that its day is not known.",
            remedy="Look into the kept file: without that time nothing tells a new file from an old one.",
        )
    return session_listed(file.packed_at)


def _described(file: MasterFile) -> str:
    return f"{file.path.name} packed {file.packed_at:%Y-%m-%d %H:%M}"


def _completed(converted: Converted, known_on: date) -> str:
    """Returns what is not Kiwoom's own word about its instruments."""
    count = len(converted.instruments)
    told = (
        f"ISIN and previous volume of {converted.known} as of {known_on}, unknown for "
        f"{count - converted.known}; preferred shares, SPAC, foreign shares and halts by rule from code, "
        "name and state; base price is the previous close"
    )
    if not converted.unmapped:
        return told
    classes = ", ".join(f"{number} of class {name!r}" for name, number in sorted(converted.unmapped.items()))
    return f"{told}; left out: {classes}"
