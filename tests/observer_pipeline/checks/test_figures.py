"""Figures are counted from the rows themselves."""

from datetime import UTC, datetime

import polars as pl
import pytest

from observer_core.market.calendar import Phase
from observer_pipeline.checks import figures


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    """Returns a Korean time of 2026-09-15 in UTC."""
    return datetime(2026, 9, 15, hour - 9, minute, second, tzinfo=UTC)


def trades(*rows) -> pl.LazyFrame:
    """Returns trades of (symbol, received, price, volume, cumulative volume)."""
    frame = pl.DataFrame(
        rows, schema=["symbol", "received_at", "price", "volume", "cumulative_volume"], orient="row"
    )
    return frame.with_columns(
        pl.col("received_at").cast(pl.Datetime("us", "UTC")),
        pl.col("received_at").cast(pl.Datetime("us", "UTC")).alias("time"),
        pl.lit("KRX").alias("venue"),
        pl.lit("0").alias("shard"),
        pl.lit(1).alias("epoch"),
        pl.int_range(pl.len()).alias("frame"),
        pl.lit(0).alias("record"),
    ).lazy()


TAPE = (
    ("005930", at(9, 0, 1), 70_000, 10, 10),
    ("000660", at(9, 0, 2), 200_000, 5, 5),
    ("005930", at(10, 0, 1), 71_000, 10, 20),
)


@pytest.fixture(params=[1, 250_000], ids=["a symbol at a time", "all at once"], autouse=True)
def pieces(request, monkeypatch):
    """How much of a table is in memory at once changes no figure."""
    monkeypatch.setattr(figures, "CHUNK_ROWS", request.param)


def test_rows_are_counted_by_korean_hour_and_minute():
    assert figures.rows_by_hour(trades(*TAPE)) == {9: 2, 10: 1}
    assert figures.rows_by_minute(trades(*TAPE)) == {540: 2, 600: 1}


def test_extreme_prices_and_volumes_are_those_of_each_symbol():
    ranges = {one.symbol: (one.lowest, one.highest) for one in figures.price_ranges(trades(*TAPE))}
    assert ranges == {"000660": (200_000, 200_000), "005930": (70_000, 71_000)}
    assert figures.volumes(trades(*TAPE)) == {"005930": 20, "000660": 5}


def test_a_trade_that_was_sent_again_counts_once():
    assert figures.distinct_volumes(trades(*TAPE, TAPE[0])) == {"005930": 20, "000660": 5}


def test_symbols_do_not_disturb_each_others_cumulative_volume():
    assert figures.steps_back(trades(*TAPE)) == ([], 3)


@pytest.mark.parametrize(("moment", "phase"), [(at(11), Phase.CONTINUOUS), (at(16, 30), Phase.AFTER_MARKET)])
def test_a_falling_cumulative_volume_is_found_with_its_phase(moment, phase):
    steps, looked_at = figures.steps_back(trades(*TAPE, ("005930", moment, 71_000, 1, 1)))
    assert looked_at == 4
    assert [(one.symbol, one.before, one.after, one.phase) for one in steps] == [("005930", 20, 1, phase)]


def test_the_busiest_symbols_come_first_with_their_minutes():
    bars = pl.DataFrame(
        {
            "symbol": ["000660", "005930", "005930"],
            "minute": [at(9), at(9), at(9, 1)],
            "trade_count": [3, 2, 2],
        }
    )
    traded = figures.minutes_traded(bars.lazy(), most=1)
    assert {symbol: sorted(minutes) for symbol, minutes in traded.items()} == {"005930": [540, 541]}


def test_lists_have_one_name_in_files_and_in_memory(tmp_path):
    frame = pl.DataFrame({"symbol": ["a"], "extra": [["x"]]})
    frame.write_parquet(tmp_path / "a.parquet")
    assert figures.columns_of([tmp_path / "a.parquet"])[str(tmp_path / "a.parquet")] == figures.type_names(
        frame.to_arrow().schema
    )
