"""Compaction of segments that the collector's own writer has sealed (incident I-23)."""

import asyncio
from datetime import datetime

from observer_core.clock import KST, RealClock
from observer_core.journal import (
    CONTROL_CHANNEL,
    ControlKind,
    JournalWriter,
    LineBuilder,
    Received,
    WriterSettings,
    read_lines,
    sealed_segments,
)
from observer_core.lake.compaction import close_day, compact_hour, open_hours
from observer_core.lake.readers import scan
from observer_core.lake.schemas import Table
from observer_core.settings.paths import Track


async def test_what_the_collector_writes_is_what_the_lake_holds(paths, journal):
    settings = WriterSettings(
        root=paths.journal(Track.SCALP), track=Track.SCALP, provider="kis", shard="0", sync_seconds=0.005,
        segment_bytes=400_000,
    )  # fmt: skip
    writer, lines = JournalWriter(settings, RealClock()), LineBuilder("kis", "0")
    running = asyncio.ensure_future(writer.run())
    sent = []
    for number in range(3000):
        seconds = number * 2
        clock = f"{9 + seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
        record = journal.changed(journal.trade_47, p1=clock, p12=1, p13=number + 1)
        received = Received(1, number, journal.at(9) + seconds * 10**9, number)
        segment = writer.segment_for(received.wall_ns)
        if number % 500 == 250:
            text = "005930^\udcff"
            segment.append(lines.any(received, 0, "H0STCNT0", "005930", text), received, "H0STCNT0", "005930")
        else:
            segment.append(
                lines.plain(received, 0, "H0STCNT0", "005930", record), received, "H0STCNT0", "005930"
            )
            sent.append((number, clock))
        if number % 1000 == 0:
            control = lines.any(
                received._replace(frame=10_000 + number), 0, CONTROL_CHANNEL, ControlKind.HOLE, "{}"
            )
            segment.append(control, received, CONTROL_CHANNEL, ControlKind.HOLE)
    writer.close()
    await running

    segments = sealed_segments(paths.journal(Track.SCALP, journal.day))
    assert len(segments) > 3
    assert sum(1 for segment in segments for _ in read_lines(segment.path)) == 3003
    hours = open_hours(paths, journal.day, datetime(2026, 9, 22, 20, tzinfo=KST))
    assert hours == [9, 10]
    results = [compact_hour(paths, journal.day, hour) for hour in hours]
    assert sum(result.records for result in results) == 3000
    assert [result.quarantined for result in results] == [{"payload_not_utf8": 4}, {"payload_not_utf8": 2}]
    assert not any(result.receipt.damaged for result in results)
    close_day(paths, journal.day)
    frame = scan(paths, Table.SCALP_TRADES, journal.day).collect()
    in_korea = frame["time"].dt.convert_time_zone("Asia/Seoul").dt.strftime("%H%M%S")
    assert list(zip(frame["frame"], in_korea, strict=True)) == sent
    assert scan(paths, Table.GAPS, journal.day).collect().height == 3
