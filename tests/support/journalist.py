"""A trading day of both tracks, written into the journal without a broker.

Invariant: the segments are the collector's own, by its writer, so that what comes behind finds what it finds
in production; records are the broker's, with symbol, time, price and volumes of the test.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from observer_core.clock.base import RealClock
from observer_core.journal import ControlKind, JournalWriter, LineBuilder, WriterSettings
from observer_core.journal.envelope import CONTROL_CHANNEL, Received
from observer_core.settings import Paths
from observer_core.settings.paths import Track

KST = timezone(timedelta(hours=9))
DAY = date(2026, 9, 15)

# A trade of 47 values as the paper server sent it on 2026-09-22 (com.team.wts KisRealtimeDecoderTest), with
# symbol, time, price, volume, cumulative volume and value, side and business date open.
_TRADE = (
    "{symbol}^{time}^{price}^2^3750^1.37^{price}.00^{price}^{price}^{price}^{price}^{price}^{volume}^{cumulative}"
    "^{value}^83251^86830^3579^120.39^5217059^6280658^{side}^0.53^53.70^090023^5^-5250^090048^5^-5750^135824^2"
    "^1250^{date}^20^N^47588^70626^794823^496479^0.20^17123443^69.82^0^^{price}^2"
)
# A book of 62 values as captured by a public python project on 2026-06-29, with the symbol open.
_BOOK = (
    "{symbol}^143354^0^324000^324500^325000^325500^326000^326500^327000^327500^328000^328500^323500^323000"
    "^322500^322000^321500^321000^320500^320000^319500^319000^34364^26832^32755^16039^24386^14211^16443"
    "^19597^23179^13243^28602^10731^12584^16973^24121^30969^19788^35604^13932^16282^221049^209586^0^0^0^0"
    "^1347146^-339500^5^-100.00^26718921^-79^8^0^0^0^323750^0^0"
)
# A row of the multi-price answer in the broker's field names, with symbol, price and volume open.
_SWEEP = (
    '{{"kospi_kosdaq_cls_name":"KOSPI","mrkt_trtm_cls_name":"","hour_cls_code":"0","inter_shrn_iscd":"{symbol}",'
    '"inter_kor_isnm":"name","inter2_prpr":"{price}","inter2_prdy_vrss":"0","prdy_vrss_sign":"3",'
    '"prdy_ctrt":"0.00","acml_vol":"{cumulative}","inter2_oprc":"{price}","inter2_hgpr":"{price}",'
    '"inter2_lwpr":"{price}","inter2_llam":"{price}","inter2_mxpr":"{price}","inter2_askp":"{price}",'
    '"inter2_bidp":"{price}","seln_rsqn":"1","shnu_rsqn":"1","total_askp_rsqn":"1","total_bidp_rsqn":"1",'
    '"acml_tr_pbmn":"1","inter2_prdy_clpr":"{price}","oprc_vrss_hgpr_rate":"0.00","intr_antc_cntg_vrss":"0",'
    '"intr_antc_cntg_vrss_sign":"3","intr_antc_cntg_prdy_ctrt":"0.00","intr_antc_vol":"0",'
    '"inter2_sdpr":"{price}"}}'
)
_EVENT = "{symbol}^N^(null)^AB1^^^^55^N^"
VOLUME = 10


def at(hour: int, minute: int = 0, second: int = 0, *, day: date = DAY) -> datetime:
    """Returns a Korean time."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=KST)


@dataclass
class Told:
    """What a journal was told to hold of a day."""

    trades: int = 0
    books: int = 0
    sweep_rows: int = 0
    events: int = 0
    others: int = 0

    @property
    def records(self) -> int:
        return self.trades + self.books + self.sweep_rows + self.events + self.others


class Journalist:
    """Writes a day of both tracks with the collector's own writer.

    Args:
        paths: The layout.
        prices: Symbol -> price of its trades in KRW.
        day: The trading day.
    """

    def __init__(self, paths: Paths, prices: dict[str, int], day: date = DAY) -> None:
        self._paths = paths
        self._prices = prices
        self._day = day
        self._cumulative = dict.fromkeys(prices, 0)
        self._frame = 0
        self._epoch = 0
        self.told = Told()

    @property
    def symbols(self) -> list[str]:
        return list(self._prices)

    @property
    def first_symbol(self) -> tuple[str, int]:
        return next(iter(self._prices.items()))

    def set_price(self, symbol: str, price: int) -> None:
        self._prices[symbol] = price

    def write(self, *hours: int, holes: int = 0, unreadable: int = 0, silent: Sequence[str] = ()) -> None:
        """Writes and seals receive hours: trades in the first minute of each, then books and sweep rows.

        Args:
            hours: Receive hours.
            holes: Control records of a hole, in the last hour.
            unreadable: Trades whose price is no number, in the last hour.
            silent: Symbols that are watched since an earlier day, and of which nothing comes.
        """
        self._epoch += 1
        asyncio.run(self._write(hours, holes, unreadable, silent))

    def _at(self, hour: int, minute: int = 0, second: int = 0) -> datetime:
        return at(hour, minute, second, day=self._day)

    async def _write(
        self, hours: tuple[int, ...], holes: int, unreadable: int, silent: Sequence[str]
    ) -> None:
        scalp, swing = (self._writer(track) for track in (Track.SCALP, Track.SWING))
        tasks = [asyncio.create_task(writer.run()) for writer in (scalp, swing)]
        self._control(scalp, ControlKind.CONNECT, '{"reason":"start"}', self._at(hours[0]))
        for symbol in silent:
            stays = {"symbol": symbol, "action": "stay", "channels": ["H0STCNT0", "H0STASP0"]}
            self._control(scalp, ControlKind.SLOT, json.dumps(stays), self._at(hours[0]))
        for hour in hours:
            for second in (1, 20, 40):
                for symbol in self._prices:
                    self._trade(scalp, symbol, self._at(hour, 0, second))
            for symbol, price in self._prices.items():
                self._add(scalp, "H0STASP0", symbol, _BOOK.format(symbol=symbol), self._at(hour, 1))
                row = _SWEEP.format(symbol=symbol, price=price, cumulative=self._cumulative[symbol])
                self._add(swing, "FHKST11300006", symbol, row, self._at(hour, 2), shard="0-swing")
                self.told.books += 1
                self.told.sweep_rows += 1
        symbol = next(iter(self._prices))
        self._add(scalp, "H0STMKO0", symbol, _EVENT.format(symbol=symbol), self._at(hours[-1], 3))
        self._add(scalp, "H0STPGM0", symbol, f"{symbol}^1^2^3", self._at(hours[-1], 4))
        self.told.events += 1
        self.told.others += 1
        for number in range(holes):
            self._hole(scalp, symbol, self._at(hours[-1], 5, number))
        for number in range(unreadable):
            self._add(scalp, "H0STCNT0", symbol, self._garbled(symbol), self._at(hours[-1], 6, number))
        for writer in (scalp, swing):
            writer.close()
        await asyncio.gather(*tasks)

    def _writer(self, track: Track) -> JournalWriter:
        shard = "0-swing" if track is Track.SWING else "0"
        settings = WriterSettings(self._paths.journal(track), track, "kis", shard, 0.01, 1 << 26)
        return JournalWriter(settings, RealClock())

    def _trade(self, writer: JournalWriter, symbol: str, moment: datetime) -> None:
        self._cumulative[symbol] += VOLUME
        price, cumulative = self._prices[symbol], self._cumulative[symbol]
        payload = _TRADE.format(
            symbol=symbol, time=f"{moment:%H%M%S}", price=price, volume=VOLUME, cumulative=cumulative,
            value=price * cumulative, side=1, date=f"{moment:%Y%m%d}",
        )  # fmt: skip
        self._add(writer, "H0STCNT0", symbol, payload, moment)
        self.told.trades += 1

    def _garbled(self, symbol: str) -> str:
        return _TRADE.format(
            symbol=symbol,
            time="100600",
            price="??",
            volume=1,
            cumulative=1,
            value=1,
            side=1,
            date=f"{self._day:%Y%m%d}",
        )

    def _hole(self, writer: JournalWriter, symbol: str, moment: datetime) -> None:
        seen = int(moment.timestamp()) * 1_000_000_000
        payload = (
            f'{{"channel":"H0STCNT0","symbol":"{symbol}","business_date":"{moment:%Y%m%d}","from_cumulative":10,'
            f'"to_cumulative":30,"shares":20,"value":2000,"trades":2,"sell_trades":1,"buy_trades":1,'
            f'"sell_volume":10,"buy_volume":10,"last_good_ns":{seen - 10**9},"first_seen_ns":{seen},'
            f'"phase":"continuous"}}'
        )
        self._control(writer, ControlKind.HOLE, payload, moment)

    def _control(self, writer: JournalWriter, kind: ControlKind, payload: str, moment: datetime) -> None:
        self._add(writer, CONTROL_CHANNEL, kind, payload, moment)

    def _add(
        self,
        writer: JournalWriter,
        channel: str,
        key: str,
        payload: str,
        moment: datetime,
        *,
        shard: str = "0",
    ) -> None:
        self._frame += 1
        received = Received(self._epoch, self._frame, int(moment.timestamp()) * 1_000_000_000, self._frame)
        line = LineBuilder("kis", shard).any(received, 0, channel, key, payload)
        writer.segment_for(received.wall_ns).append(line, received, channel, key)
