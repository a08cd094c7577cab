"""A process that records as fast as it can until it is killed: recorder and journal on real files.

    python journal_under_load.py DATA_FOLDER RECEIPTS WINDOW_MS SEGMENT_BYTES

It starts as the collector does (recovery, a new epoch, a start record) and then takes trades of twenty
symbols, about 2,000 a second, each frame with one to three records. Cumulative volumes go on where the
journal's accounting stands. The file of receipts says what it had received, and what was reported durable.
"""

import asyncio
import sys
from random import Random

from receipts import Receipts

from observer_collector.market_hours import MarketHours
from observer_collector.recording.journals import open_journals
from observer_collector.recording.recorder import Recorder
from observer_core.clock import RealClock
from observer_core.journal import ControlKind
from observer_core.market.calendar import MarketCalendar
from observer_core.settings import Paths, PathSettings
from observer_core.settings.collector import CollectorSettings

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
        """Returns a frame, and each of its records as symbol and cumulative volume."""
        symbol, number = self._random.randrange(20), self._random.choice([1, 1, 1, 2, 3])
        records, receipts = [], []
        for _ in range(number):
            self._counts[symbol] += 1
            count = self._counts[symbol]
            receipts.append((symbol, 5 * count))
            records.append(
                RECORD.format(symbol=symbol, volume=5 * count, value=500 * count, count=count, day=self._day)
            )
        return f"0|H0STCNT0|{number:03d}|{'^'.join(records)}".encode(), receipts


async def main(folder, receipts, window_ms, segment_bytes):
    clock, receipts = RealClock(), Receipts(receipts)
    paths = Paths(PathSettings.load({"OBSERVER_DATA_DIR": folder}))
    settings = CollectorSettings.load(
        {"OBSERVER_FSYNC_INTERVAL_MS": window_ms, "OBSERVER_RESERVE_MEGABYTES": "0"}
    )
    journals = await open_journals(paths, settings, MarketHours(MarketCalendar()), clock)
    writer = journals.scalp.writer
    object.__setattr__(writer._settings, "segment_bytes", int(segment_bytes))
    recorder = Recorder(writer, journals.scalp.epochs, journals.continuity, clock, shard="0")
    writing = asyncio.create_task(writer.run())
    await recorder.begin_epoch()
    recorder.control(ControlKind.START, {})
    for hole in journals.scalp.recovery.unreported:
        recorder.hole(hole)
    market = Market(journals.continuity, clock, recorder.epoch)
    while not writing.done():
        for _ in range(12):
            frame, records = market.frame()
            mono_ns = clock.monotonic_ns()
            receipts.received(recorder.epoch, mono_ns, records)
            recorder.message(frame, clock.now_ns(), mono_ns)
        now_ns = clock.monotonic_ns()
        receipts.durable(recorder.epoch, now_ns - int(writer.unsynced_seconds() * 1e9))
        writer.tick(clock.now_ns())
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
