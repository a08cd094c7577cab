"""Sweeps at their due times, with a broker that sometimes fails."""

import asyncio
import json

import pytest
from set_back_clock import SetBackClock

from observer_collector import cadence
from observer_collector.market_hours import MarketHours
from observer_collector.recording.sweeps import SwingSweeper
from observer_core.clock import StepClock, kst_datetime
from observer_core.errors import (
    BrokerCredentialError,
    BrokerRequestError,
    BrokerRetryableError,
    NetworkError,
)
from observer_core.journal import (
    EpochStore,
    JournalWriter,
    WriterSettings,
    read_lines,
    sealed_segments,
)
from observer_core.settings.paths import Track

CODES = [f"{number:06d}" for number in range(70)]


class Sweeping:
    """A sweeper, its journal, and the script of its broker."""

    def __init__(self, root, calendar, start, clock):
        self.clock = clock(kst_datetime(start))
        self.root = root
        settings = WriterSettings(root, Track.SWING, "kis", "0-swing", 0.01, 1 << 20)
        self.writer = JournalWriter(settings, self.clock)
        self.asked = []
        self.failures = {}
        self.refused = set()
        self.refusal = "OPSQ2002"
        self.sweeper = SwingSweeper(
            self.multi_price,
            self.writer,
            EpochStore(root / "epochs.json"),
            MarketHours(calendar),
            self.clock,
            interval_seconds=60,
            shard="0-swing",
        )
        self.sweeper.adopt(CODES)
        self.task = asyncio.ensure_future(self.sweeper.run())

    async def multi_price(self, codes):
        """Answers in another order than asked, as the broker may."""
        self.asked.append((self.clock.now().strftime("%H:%M:%S"), tuple(codes)))
        if self.refused & set(codes):
            raise BrokerRequestError(self.refusal, "invalid field length")
        failure = self.failures.get(codes[0], [])
        if failure:
            raise failure.pop(0)
        return [
            {"inter_shrn_iscd": code, "inter_kor_isnm": "삼성", "inter2_prpr": "1"}
            for code in reversed(codes)
        ]

    async def until(self, text):
        hour, minute, second = map(int, text.split(":"))
        await asyncio.sleep(0)  # the sweeper's first step
        await self.clock.advance_to(self.clock.now().replace(hour=hour, minute=minute, second=second))

    async def lines(self):
        await self.sweeper.stop(self.task, patience_seconds=1)
        await asyncio.gather(self.task, return_exceptions=True)
        self.writer.close()
        await self.writer.run()
        folders = sorted(path for path in self.root.iterdir() if path.is_dir())
        lines = [
            line for folder in folders for one in sealed_segments(folder) for line in read_lines(one.path)
        ]
        rows = [line for line in lines if not line.is_control]
        return rows, [json.loads(line.payload) for line in lines if line.is_control]


@pytest.fixture
async def sweeping(tmp_path, calendar, at):
    return lambda start, clock=StepClock: Sweeping(tmp_path / "swing", calendar, at(start), clock)


async def test_sweeps_are_aligned_and_complete(sweeping):
    """Every symbol once a minute on the minute, thirty to a request, each row as it was sent."""
    run = sweeping("08:59:30")
    await run.until("09:01:30")
    rows, sweeps = await run.lines()
    assert sorted({moment for moment, _ in run.asked}) == ["09:00:00", "09:01:00"]
    assert [len(codes) for _, codes in run.asked] == [30, 30, 10, 30, 30, 10]
    assert sorted(line.key for line in rows[:70]) == CODES
    first = rows[0]
    assert (first.channel, first.shard, first.record, first.key) == ("FHKST11300006", "0-swing", 0, "000029")
    assert first.payload == '{"inter_shrn_iscd":"000029","inter_kor_isnm":"삼성","inter2_prpr":"1"}'
    assert len({(line.epoch, line.frame, line.record) for line in rows}) == 140
    assert [(one["outcome"], one["symbols"], one["rows"], one["requests"]) for one in sweeps] == [
        ("complete", 70, 70, 3),
        ("complete", 70, 70, 3),
    ]


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [
        ("08:27:30", "08:31:30", ["08:30:00", "08:31:00"]),
        ("19:57:30", "20:02:30", ["19:58:00", "19:59:00"]),
        ("02:00:30", "02:05:00", []),
    ],
)
async def test_sweeps_run_from_opening_auction_to_end_of_after_market(sweeping, start, end, times):
    run = sweeping(start)
    await run.until(end)
    await run.lines()
    assert sorted({moment for moment, _ in run.asked}) == times


async def test_a_failed_request_is_asked_again_in_its_sweep(sweeping):
    """The rows are there in the end, and the control record says what happened."""
    run = sweeping("08:59:30")
    run.failures["000030"] = [NetworkError("no answer")]
    await run.until("09:00:30")
    rows, sweeps = await run.lines()
    assert sorted(line.key for line in rows) == CODES
    assert [(one["outcome"], one["retried"], one["failed"]) for one in sweeps] == [("complete", 1, 0)]


async def test_a_request_that_stays_unanswered_makes_the_sweep_partial(sweeping):
    """The next sweep asks again."""
    run = sweeping("08:59:30")
    run.failures["000030"] = [BrokerRetryableError("EGW00201", "초당 거래건수를 초과하였습니다.")] * 2
    await run.until("09:01:30")
    rows, sweeps = await run.lines()
    assert [(one["outcome"], one["rows"], one["failed"]) for one in sweeps] == [
        ("partial", 40, 1),
        ("complete", 70, 0),
    ]
    assert "EGW00201" in sweeps[0]["error"]
    assert len(rows) == 110


async def test_a_symbol_that_the_broker_does_not_accept_costs_nobody_else_a_row(sweeping):
    """Its batch is halved until it is alone; from the next sweep on it is asked for by itself."""
    run = sweeping("08:59:30")
    run.refused = {"000042"}
    await run.until("09:00:30")
    first = len(run.asked)
    await run.until("09:01:30")
    rows, sweeps = await run.lines()
    assert sorted(line.key for line in rows[:69]) == [code for code in CODES if code != "000042"]
    assert [(one["outcome"], one["rows"], one["unaccepted_symbols"], one["failed"]) for one in sweeps] == [
        ("partial", 69, ["000042"], 1),
        ("partial", 69, ["000042"], 1),
    ]
    # Thirty, fifteen, seven or eight, three or four, one or two, one: two requests a halving.
    assert 3 + 8 <= first <= 3 + 10
    assert [sorted(len(codes) for _, codes in run.asked[first:])] == [[1, 9, 30, 30]]
    assert "OPSQ2002" in sweeps[1]["error"]


async def test_a_symbol_that_is_accepted_again_is_one_among_others(sweeping):
    run = sweeping("08:59:30")
    run.refused = {"000042"}
    await run.until("09:00:30")
    run.refused = set()
    await run.until("09:02:30")
    _, sweeps = await run.lines()
    assert [(one["outcome"], one["unaccepted"]) for one in sweeps] == [
        ("partial", 1), ("complete", 0), ("complete", 0)
    ]  # fmt: skip
    assert sweeps[2]["requests"] == 3


async def test_a_broker_that_accepts_nothing_is_not_asked_without_end(sweeping):
    """Forty requests more are the most; what is left is asked for with the next sweep."""
    run = sweeping("08:59:30")
    run.refused = set(CODES)
    await run.until("09:00:30")
    _, sweeps = await run.lines()
    assert len(run.asked) <= 3 + 40
    assert (sweeps[0]["outcome"], sweeps[0]["rows"]) == ("failed", 0)


async def test_a_refusal_of_the_gateway_is_about_the_request_and_not_halved(sweeping):
    """EGW00206: no permission for this interface, whatever the symbols are."""
    run = sweeping("08:59:30")
    run.refused, run.refusal = {"000000"}, "EGW00206"
    await run.until("09:00:30")
    _, sweeps = await run.lines()
    assert [(one["outcome"], one["rows"], one["retried"]) for one in sweeps] == [("partial", 40, 0)]
    assert len(run.asked) == 3


async def test_a_refused_key_is_not_tried_again_and_again(sweeping):
    """The sweep ends with the first refusal; a minute later one sweep finds out whether it still holds."""
    run = sweeping("08:59:30")
    run.failures["000000"] = [BrokerCredentialError("EGW00103", "유효하지 않은 AppKey입니다.")]
    await run.until("09:00:30")
    assert len(run.asked) == 1
    assert "EGW00103" in run.sweeper.problem
    await run.until("09:01:30")
    assert run.sweeper.problem is None
    _, sweeps = await run.lines()
    assert [(one["outcome"], one["requests"], one["failed"]) for one in sweeps] == [
        ("failed", 0, 3),
        ("complete", 3, 0),
    ]


async def test_symbols_that_no_row_names_are_missing(sweeping):
    """An answer with fewer rows than symbols is asked about once more; then the sweep names what it lacks."""
    run = sweeping("08:59:30")
    full = run.multi_price

    async def shorter(codes):
        return (await full(codes))[1:]

    run.sweeper._multi_price = shorter
    await run.until("09:00:30")
    _, sweeps = await run.lines()
    assert [(one["rows"], one["missing"], one["requests"], one["retried"]) for one in sweeps] == [
        (69, 1, 3, 1)
    ]
    assert sweeps[0]["missing_symbols"] == ["000069"]
    assert len(run.asked) == 4


async def test_a_row_that_nobody_asked_for_is_journaled_and_no_signal(sweeping):
    """What the broker names by itself must not become a registration."""
    run, seen = sweeping("08:59:30"), []
    full = run.multi_price
    run.sweeper.on_rows = lambda rows, _: seen.extend(row["inter_shrn_iscd"] for row in rows)

    async def more(codes):
        return [*await full(codes), {"inter_shrn_iscd": "ZZZZZZ", "inter2_prpr": "1"}]

    run.sweeper._multi_price = more
    await run.until("09:00:30")
    rows, _ = await run.lines()
    assert sorted(seen) == sorted(CODES)
    assert "ZZZZZZ" in {line.key for line in rows}


async def test_an_answer_without_rows_is_no_line(sweeping):
    run = sweeping("08:59:30")

    async def nothing(codes):
        return []

    run.sweeper._multi_price = nothing
    await run.until("09:00:30")
    rows, sweeps = await run.lines()
    assert rows == []
    assert sweeps[0]["missing"] == 70


async def test_a_sweep_that_takes_longer_than_the_interval_leaves_the_next_one_out(sweeping):
    """It is counted, and the following sweep is on the minute again."""
    run = sweeping("08:59:30")
    quick = run.multi_price

    async def slow(codes):
        await run.clock.sleep(130)
        return await quick(codes)

    run.sweeper._multi_price = slow
    await run.until("09:02:05")
    run.sweeper._multi_price = quick
    await run.until("09:04:30")
    await run.lines()
    assert run.sweeper.skipped == 1
    assert sorted({moment for moment, _ in run.asked}) == ["09:02:10", "09:03:00", "09:04:00"]


async def test_a_clock_set_back_stops_no_sweep(sweeping, monkeypatch):
    """After a step of forty minutes the sweeps go on at the minutes that the clock shows."""
    monkeypatch.setattr(cadence, "_LOOK_SECONDS", 0.01)
    run = sweeping("10:00:30", SetBackClock)
    await run.until("10:01:30")
    run.clock.step_back(2_400)
    before = len(run.asked)
    async with asyncio.timeout(60):
        while not run.sweeper.set_back:
            await asyncio.sleep(0.01)
    await run.until("09:23:30")
    await run.lines()
    assert sorted({moment for moment, _ in run.asked[before:]}) == ["09:22:00", "09:23:00"]
