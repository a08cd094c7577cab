"""A process that records as fast as it can until it is killed: recorder and journal on real files.

    python journal_under_load.py DATA_FOLDER

It starts as the collector does (recovery, a new epoch, a start record) and then takes trades of twenty
symbols, about 2,000 a second, each frame with one to three records. Cumulative volumes go on where the
journal's accounting stands.
"""

import asyncio
import sys
from random import Random

from observer_collector.market_hours import MarketHours
from observer_collector.recording.journals import open_journals
from observer_collector.recording.recorder import Recorder
from observer_core.clock import RealClock
from observer_core.journal import ControlKind
from observer_core.market.calendar import MarketCalendar
from observer_core.settings import Paths, PathSettings
from observer_core.settings.model import CollectorSettings

RECORD = (
    "{symbol:06d}^140610^100^2^0^0.00^100.00^100^100^100^100^100^5^{volume}^{value}^0^{count}^{count}^0.00^0^{volume}"
    "^1^0.00^0.00^090023^5^0^090048^5^0^135824^2^0^{day}^20^N^1^1^1^1^0.20^1^69.82^0^^100^2"
)


class Market:
    """Twenty symbols that trade five shares at a time."""

    def __init__(self, continuity, clock, seed):
        self._clock, self._random = clock, Random(seed)
        self._counts = [0] * 20
        self._day = f"{clock.now():%Y%m%d}"
        for _, symbol, account in continuity.accounts():
            if account.business_date == self._day:
                self._counts[int(symbol)] = account.volume // 5

    def frame(self):
        symbol, number = self._random.randrange(20), self._random.choice([1, 1, 1, 2, 3])
        records = []
        for _ in range(number):
            self._counts[symbol] += 1
            count = self._counts[symbol]
            records.append(
                RECORD.format(symbol=symbol, volume=5 * count, value=500 * count, count=count, day=self._day)
            )
        return f"0|H0STCNT0|{number:03d}|{'^'.join(records)}".encode()


async def main(folder):
    clock = RealClock()
    paths = Paths(PathSettings.load({"OBSERVER_DATA_DIR": folder}))
    settings = CollectorSettings.load({"OBSERVER_FSYNC_INTERVAL_MS": "20", "OBSERVER_RESERVE_MEGABYTES": "0"})
    journals = await open_journals(paths, settings, MarketHours(MarketCalendar()), clock)
    object.__setattr__(journals.scalp.writer._settings, "segment_bytes", 60_000)
    recorder = Recorder(journals.scalp.writer, journals.scalp.epochs, journals.continuity, clock, shard="0")
    writing = asyncio.create_task(journals.scalp.writer.run())
    await recorder.begin_epoch()
    recorder.control(ControlKind.START, {})
    for hole in journals.scalp.recovery.unreported:
        recorder.hole(hole)
    market = Market(journals.continuity, clock, recorder.epoch)
    while not writing.done():
        for _ in range(12):
            recorder.message(market.frame(), clock.now_ns(), clock.monotonic_ns())
        journals.scalp.writer.tick(clock.now_ns())
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
