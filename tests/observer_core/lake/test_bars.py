"""Bars against a loop that anybody can read."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.errors import InputError
from observer_core.lake.bars import BarSession, bars_are_current, build_bars, distinct_trades, minute_bars
from observer_core.lake.compaction import close_day, compact_hour
from observer_core.lake.readers import scan
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.market.calendar import MarketCalendar

KST = timezone(timedelta(hours=9))
DAY = date(2026, 9, 15)
# Around each change of session of a normal day since 2026-09-14 (broker reference, 8.1).
EDGES = ["08:35:00", "08:59:59", "09:00:00", "09:00:59", "11:11:11", "15:19:59", "15:20:00", "15:30:01",
         "15:39:59", "15:40:00", "15:59:59", "16:00:00", "19:59:59"]  # fmt: skip

trades = st.lists(
    st.fixed_dictionaries(
        {
            "symbol": st.sampled_from(["000660", "005930"]),
            "venue": st.sampled_from(["KRX", "NXT"]),
            "time": st.sampled_from(EDGES).map(
                lambda text: datetime.combine(DAY, time.fromisoformat(text), KST).astimezone(UTC)
            ),
            "price": st.integers(1000, 1010),
            "volume": st.integers(0, 3),
            "cumulative_volume": st.integers(1, 40),
            "side": st.sampled_from(["1", "5", "3", None]),
            "market_session": st.sampled_from([None, "1", "2", "3", "5"]),
        }
    ),
    max_size=40,
)


def session_of(trade):
    told = {"1": "pre_market", "3": "after_market", "5": "closing_price"}.get(trade["market_session"])
    if told:
        return told
    clock = trade["time"].astimezone(KST).strftime("%H:%M:%S")
    continuous = "regular" if trade["side"] in ("1", "5") else "auction"
    if clock < "09:00:00":
        return "pre_market"
    if trade["venue"] == "NXT":
        if clock >= "15:30:00":
            return "after_market"
        return continuous if clock < "15:20:00" else "auction"
    if clock < "15:20:00":
        return continuous
    if clock < "15:40:00":
        return "auction"
    return "closing_price" if clock < "16:00:00" else "after_market"


def bars_by_loop(rows):
    once = {}
    for row in rows:
        key = tuple(row[name] for name in ("symbol", "venue", "time", "price", "volume", "cumulative_volume"))
        once.setdefault(key, row)
    bars = {}
    for row in sorted(
        once.values(), key=lambda r: (r["symbol"], r["venue"], r["time"], r["cumulative_volume"])
    ):
        minute = row["time"].replace(second=0)
        key = (row["symbol"], row["venue"], minute, session_of(row))
        bar = bars.setdefault(
            key,
            {"open": row["price"], "high": row["price"], "low": row["price"], "volume": 0, "value": 0,
             "count": 0, "buy": 0, "sell": 0},
        )  # fmt: skip
        bar["high"], bar["low"] = max(bar["high"], row["price"]), min(bar["low"], row["price"])
        bar["close"] = row["price"]
        bar["volume"] += row["volume"]
        bar["value"] += row["price"] * row["volume"]
        bar["count"] += 1
        bar["buy"] += row["volume"] if row["side"] == "1" else 0
        bar["sell"] += row["volume"] if row["side"] == "5" else 0
    return {
        key: (b["open"], b["high"], b["low"], b["close"], b["volume"], b["value"], b["count"], b["buy"],
              b["sell"], b["value"] / b["volume"] if b["volume"] else None)
        for key, b in bars.items()
    }  # fmt: skip


@settings(deadline=None)
@given(trades)
def test_bars_are_those_of_a_plain_loop(rows):
    schema = SCHEMAS[Table.SCALP_TRADES].polars
    names = (
        list(rows[0])
        if rows
        else ["symbol", "venue", "time", "price", "volume", "cumulative_volume", "side", "market_session"]
    )
    frame = pl.DataFrame(rows, schema={name: schema[name] for name in names})
    found = minute_bars(distinct_trades(frame), DAY, MarketCalendar().session(DAY))
    assert found.schema == SCHEMAS[Table.BARS_1M].polars
    figures = ("open_price", "high_price", "low_price", "close_price", "volume", "value", "trade_count",
               "buy_volume", "sell_volume", "vwap")  # fmt: skip
    by_key = {
        (bar["symbol"], bar["venue"], bar["minute"], bar["session"]): tuple(bar[name] for name in figures)
        for bar in found.rows(named=True)
    }
    assert by_key == bars_by_loop(rows)


@pytest.mark.parametrize(
    ("day", "clock", "side", "expected"),
    [
        # 2026-01-02 opens at 10:00, 2025-11-13 (exam) trades from 10:00 to 16:30 (broker reference, 8.2).
        (date(2026, 1, 2), "09:45", "1", BarSession.PRE_MARKET),
        (date(2026, 1, 2), "10:00", "1", BarSession.REGULAR),
        (date(2025, 11, 13), "16:10", "5", BarSession.REGULAR),
        (date(2025, 11, 13), "16:25", "5", BarSession.AUCTION),
        # Before 2026-09-14 there was no after-market on the normal channels.
        (date(2026, 9, 11), "16:30", "5", BarSession.CLOSING_PRICE),
        (date(2026, 9, 14), "16:30", "5", BarSession.AFTER_MARKET),
        (date(2026, 9, 14), "09:00", "3", BarSession.AUCTION),
    ],
)
def test_sessions_follow_the_hours_of_the_day(day, clock, side, expected):
    moment = datetime.combine(day, time.fromisoformat(clock), KST).astimezone(UTC)
    schema = SCHEMAS[Table.SCALP_TRADES].polars
    row = {"symbol": "005930", "venue": "KRX", "time": moment, "price": 1, "volume": 1,
           "cumulative_volume": 1, "side": side, "market_session": None}  # fmt: skip
    frame = pl.DataFrame([row], schema={name: schema[name] for name in row})
    assert minute_bars(frame, day, MarketCalendar().session(day))["session"].to_list() == [expected]


def record(journal, clock, volume, cumulative, price=70000):
    return journal.changed(journal.trade_47, p1=clock, p2=price, p12=volume, p13=cumulative)


def test_a_minute_received_in_the_next_hour_makes_one_bar(paths, journal):
    journal.segment([journal.trade(record(journal, "095958", 3, 3))], hour=9)
    journal.segment(
        [
            journal.trade(record(journal, "095959", 4, 7, price=70100)),
            journal.trade(record(journal, "100000", 1, 8)),
        ],
        hour=10,
    )
    compact_hour(paths, journal.day, 9)
    first = build_bars(paths, journal.day)
    assert (first.rows, first.trades) == (1, 1)
    compact_hour(paths, journal.day, 10)
    assert not bars_are_current(paths, journal.day)
    build_bars(paths, journal.day)
    assert bars_are_current(paths, journal.day)
    bars = scan(paths, Table.BARS_1M, journal.day).select(
        "open_price", "close_price", "volume", "trade_count"
    )
    assert bars.collect().rows() == [(70000, 70100, 7, 2), (70000, 70000, 1, 1)]
    close_day(paths, journal.day)
    assert scan(paths, Table.BARS_1M, journal.day).collect().height == 2


def test_a_trade_that_was_sent_again_counts_once(paths, journal):
    sent = record(journal, "100000", 5, 5)
    journal.segment([journal.trade(sent, frame=1), journal.trade(sent, frame=2)], hour=10)
    compact_hour(paths, journal.day, 10)
    result = build_bars(paths, journal.day)
    assert (result.trades, result.repeated) == (1, 1)
    assert scan(paths, Table.BARS_1M, journal.day).collect()["volume"].to_list() == [5]


def test_a_day_without_trades_has_no_bars(paths, journal):
    assert build_bars(paths, journal.day).path is None
    assert scan(paths, Table.BARS_1M, journal.day).collect().is_empty()


def test_a_price_or_volume_that_cannot_be_is_set_aside_and_no_bar_wraps(paths, journal):
    """One trade of 4 billion shares at 4 billion won would be worth less than nothing."""
    cannot_be = [(4_000_000_000, 1), (1, 4_000_000_000), (-(2**63), 1)]
    good = journal.trade(record(journal, "100000", 1_000_000_000, 9, price=1_000_000_000))
    bad = [journal.trade(record(journal, "100000", volume, 9, price=price)) for price, volume in cannot_be]
    journal.segment([good, *bad], hour=10)
    result = compact_hour(paths, journal.day, 10)
    build_bars(paths, journal.day)
    bars = scan(paths, Table.BARS_1M, journal.day).collect()
    assert bars.select("volume", "value", "vwap").rows() == [(10**9, 10**18, 1e9)]
    assert result.quarantined == {"price_not_plausible": 2, "volume_not_plausible": 1}


def test_sums_beyond_a_column_are_an_error_and_no_figure():
    schema = SCHEMAS[Table.SCALP_TRADES].polars
    moment = datetime(2026, 9, 22, 1, tzinfo=UTC)
    row = {"symbol": "005930", "venue": "KRX", "time": moment, "price": 4_000_000_000,
           "volume": 4_000_000_000, "cumulative_volume": 1, "side": "1", "market_session": "2"}  # fmt: skip
    frame = pl.DataFrame([row], schema={name: schema[name] for name in row})
    with pytest.raises(InputError, match="005930 on KRX in the minute of 2026-09-22"):
        minute_bars(frame, DAY, None)
