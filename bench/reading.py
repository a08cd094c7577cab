"""Reading: one symbol's trades over a year, as a researcher asks for them.

The lake is made first: 250 closed days of 40 symbols, each with its share of the trades of the day; files
as day close writes them. Measured is the wall time from the call of `observer.read` to the rows in memory,
files in the page cache.

    python bench/reading.py [--days 250] [--trades 60000] [--json]
"""

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from observer import read
from observer.commands.sql import open_lake
from observer_core.lake.parquet import TableWriter
from observer_core.lake.schemas import SCHEMAS, Table

SYMBOLS = [f"{660 + 1370 * number:06d}" for number in range(40)]
FIRST = date(2025, 9, 1)


def day_of_trades(trades):
    """Returns a day's trades without its date."""
    schema = SCHEMAS[Table.SCALP_TRADES].polars
    each = trades // len(SYMBOLS)
    number = pl.int_range(each, eager=True)
    frame = pl.concat(
        pl.DataFrame(
            {
                "symbol": [symbol] * each,
                "second": number * 23_400 // each,
                "price": 50_000 + (number * 7919 % 401) * 100,
                "volume": number * 104_729 % 977 + 1,
                "frame": number * len(SYMBOLS) + place,
            }
        )
        for place, symbol in enumerate(SYMBOLS)
    ).with_columns(
        pl.col("volume").cum_sum().over("symbol").alias("cumulative_volume"),
        *(pl.lit(value).alias(name) for name, value in (
            ("venue", "KRX"), ("market_session", "2"), ("provider", "kis"), ("shard", "0"), ("epoch", 1),
            ("record", 0), ("segment", "0_09_000001.jsonl"), ("side", "1"))),
    )  # fmt: skip
    missing = [name for name in schema.names() if name not in frame.columns]
    return frame.with_columns(pl.lit(None).alias(name) for name in missing)


def write_days(lake, days, trades):
    schema = SCHEMAS[Table.SCALP_TRADES]
    frame = day_of_trades(trades)
    for number in range(days):
        day = FIRST + timedelta(days=number)
        opens = datetime(day.year, day.month, day.day, tzinfo=UTC)
        at = pl.lit(opens) + pl.duration(seconds="second")
        rows = frame.with_columns(pl.lit(day).alias("trading_day"), at.alias("time"), at.alias("received_at"))
        path = lake.paths.lake_day(Table.SCALP_TRADES, day)
        path.parent.mkdir(parents=True)
        with TableWriter(path, schema) as writer:
            writer.write(rows.select(pl.col(name).cast(kind) for name, kind in schema.polars.items()))
            writer.name_sources([])


def best_of_three(action):
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        found = action()
        seconds.append(time.perf_counter() - start)
    return min(seconds), found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=250)
    parser.add_argument("--trades", type=int, default=60_000, help="trades a day")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-reading-") as folder:
        (Path(folder) / "lake").mkdir()
        lake = read.at(folder)
        write_days(lake, options.days, options.trades)
        year, symbol = (FIRST, FIRST + timedelta(days=options.days)), SYMBOLS[17]
        merged, tape = best_of_three(lambda: lake.trades(year, symbol).collect())
        plain, wide = best_of_three(lambda: lake.table(Table.SCALP_TRADES, year, symbol).collect())
        query = f"SELECT sum(volume) FROM scalp_trades WHERE symbol = '{symbol}'"
        sql, _ = best_of_three(lambda: open_lake(lake.paths).sql(query).fetchall())
        expected = options.trades // len(SYMBOLS) * options.days
        if not tape.height == wide.height == expected:
            raise SystemExit(f"{expected} trades were written, {tape.height} and {wide.height} were read.")
        figures = {
            "read.symbol_year_seconds": round(merged, 2),
            "read.symbol_year_all_columns_seconds": round(plain, 2),
            "read.symbol_year_sql_seconds": round(sql, 2),
            "read.symbol_year_rows": tape.height,
        }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:42} {figure:>12,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
