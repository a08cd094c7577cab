"""Loading: once, whatever is repeated, replaced or interrupted."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from observer_core.errors import ConfigurationError, ConservationError, DatabaseUnavailableError, StorageError
from observer_core.lake import parquet
from observer_core.lake.columns import TableSchema
from observer_core.lake.schemas import Table
from observer_core.settings import DatabaseSettings, Paths
from observer_core.warehouse import (
    WarehouseTable,
    connect,
    load_table,
    loader,
    migrate,
    pending_loads,
    row_counts,
)

from .conftest import DAY, WriteHour, trades

TRADES = WarehouseTable.SCALP_TRADES


def query(engine: Engine, statement: str) -> list[tuple[object, ...]]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def query_nothing(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(statement))


def reading_ahead() -> list[str]:
    """Returns the threads that still make rows ready; none may outlive its load."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("lake-ahead")]


def test_a_day_is_loaded_once(engine: Engine, paths: Paths, write_hour: WriteHour) -> None:
    """The second load finds everything in the ledger."""
    migrate(engine)
    write_hour(9, ("0_09_000001.jsonl", "a", trades("0_09_000001.jsonl", 5)))
    write_hour(10, ("0_10_000002.jsonl", "b", trades("0_10_000002.jsonl", 7, first=100)))
    first = load_table(engine, paths, TRADES, DAY)
    assert (first.rows_loaded, first.rows) == (12, 12)
    again = load_table(engine, paths, TRADES, DAY)
    assert (again.rows_loaded, again.rows, again.loaded) == (0, 12, ())
    assert query(engine, "SELECT count(*) FROM observer.scalp_trades") == [(12,)]
    assert query(engine, "SELECT segment, rows FROM observer.loaded_segments ORDER BY 1") == [
        ("0_09_000001.jsonl", 5),
        ("0_10_000002.jsonl", 7),
    ]


def test_values_arrive_as_they_are(engine: Engine, paths: Paths, write_hour: WriteHour) -> None:
    """Arrays with commas, quotes, backslashes and empty texts; nulls; instants."""
    migrate(engine)
    write_hour(9, ("s", "a", trades("s", 1)))
    load_table(engine, paths, TRADES, DAY)
    (row,) = query(engine, "SELECT extra, change, time, symbol FROM observer.scalp_trades")
    assert row[0] == ["a,b", 'quote "', "back\\slash", "", "{}"]
    assert row[1] is None
    assert str(row[2]) == "2026-09-15 00:30:00+00:00"
    assert row[3] == "005930"


def test_a_segment_that_was_compacted_anew_replaces_its_rows(
    engine: Engine, paths: Paths, write_hour: WriteHour
) -> None:
    """Rows of the other segment stay untouched."""
    migrate(engine)
    keep = ("0_09_000001.jsonl", "a", trades("0_09_000001.jsonl", 5))
    write_hour(9, keep, ("0_09_000002.jsonl", "b", trades("0_09_000002.jsonl", 3, first=50)))
    load_table(engine, paths, TRADES, DAY)
    write_hour(9, keep, ("0_09_000002.jsonl", "c", trades("0_09_000002.jsonl", 4, first=50)))
    result = load_table(engine, paths, TRADES, DAY)
    assert result.loaded == ("0_09_000002.jsonl",)
    assert (result.rows_loaded, result.rows) == (4, 9)


def test_a_row_of_another_trading_day_is_refused(engine: Engine, paths: Paths, write_hour: WriteHour) -> None:
    """Compaction sets such a record aside; in a file it would escape the replacement of its segment."""
    migrate(engine)
    strange = trades("s", 2).with_columns(trading_day=pl.Series([DAY, date(2026, 9, 14)]))
    write_hour(9, ("s", "a", strange))
    with pytest.raises(ConservationError, match="partition constraint"):
        load_table(engine, paths, TRADES, DAY)
    assert query(engine, "SELECT count(*) FROM observer.scalp_trades") == [(0,)]


def test_a_character_that_postgresql_cannot_hold_is_replaced(
    engine: Engine, paths: Paths, write_hour: WriteHour
) -> None:
    """NUL in a text of the broker must not keep an hour out of the warehouse for ever."""
    migrate(engine)
    odd = trades("s", 1).with_columns(side=pl.lit("a\0b"), extra=pl.lit(["\0"], dtype=pl.List(pl.String)))
    write_hour(9, ("s", "a", odd))
    load_table(engine, paths, TRADES, DAY)
    assert query(engine, "SELECT side, extra FROM observer.scalp_trades") == [("a\ufffdb", ["\ufffd"])]


def test_rows_that_do_not_add_up_are_not_loaded(engine: Engine, paths: Paths, write_hour: WriteHour) -> None:
    """The file names three rows of a segment and holds two: nothing changes."""
    migrate(engine)
    write_hour(9, ("s", "a", trades("other", 2)), ("t", "b", trades("t", 1, first=9)))
    with pytest.raises(ConservationError, match="nothing was loaded"):
        load_table(engine, paths, TRADES, DAY)
    assert query(engine, "SELECT count(*) FROM observer.scalp_trades") == [(0,)]
    assert query(engine, "SELECT count(*) FROM observer.loaded_segments") == [(0,)]


def test_a_row_cannot_be_stored_twice(engine: Engine, paths: Paths, write_hour: WriteHour) -> None:
    """The identity of a journal line is the key of its row, whatever segment claims it."""
    migrate(engine)
    write_hour(9, ("s", "a", trades("s", 2)), ("t", "b", trades("t", 2)))
    with pytest.raises(ConservationError, match="there already"):
        load_table(engine, paths, TRADES, DAY)
    assert query(engine, "SELECT count(*) FROM observer.scalp_trades") == [(0,)]


def test_what_was_missed_while_the_database_was_away_is_pending(
    engine: Engine, paths: Paths, write_hour: WriteHour
) -> None:
    """Catch-up finds every hour that is in the lake only."""
    migrate(engine)
    write_hour(9, ("s", "a", trades("s", 2)))
    assert pending_loads(engine, paths, [DAY]) == [(TRADES, DAY)]
    load_table(engine, paths, TRADES, DAY)
    assert pending_loads(engine, paths, [DAY]) == []
    write_hour(10, ("t", "b", trades("t", 2, first=9)))
    assert pending_loads(engine, paths, [DAY]) == [(TRADES, DAY)]


def test_the_universe_is_loaded_from_its_file(engine: Engine, paths: Paths) -> None:
    """One row a symbol."""
    migrate(engine)
    symbol = {
        "code": "005930",
        "name": "삼성전자",
        "market": "KOSPI",
        "base_price": 71900,
        "previous_volume": 5,
    }
    universe = {
        "format": 1, "date": "2026-09-15", "symbols_date": "2026-09-15", "source": "kis-master", "rows": 2,
        "universe_size": 1, "excluded": {"price": 1}, "filters": {}, "symbols": [symbol],
    }  # fmt: skip
    paths.universe(DAY).write_text(json.dumps(universe))
    assert load_table(engine, paths, WarehouseTable.UNIVERSE, DAY).rows == 1
    assert load_table(engine, paths, WarehouseTable.UNIVERSE, DAY).rows_loaded == 0
    assert query(engine, "SELECT symbol, name, base_price FROM observer.universe") == [
        ("005930", "삼성전자", 71900)
    ]
    assert row_counts(engine, DAY)[WarehouseTable.UNIVERSE] == 1


def test_a_segment_that_the_lake_no_longer_has_goes(
    engine: Engine, paths: Paths, write_hour: WriteHour
) -> None:
    """But a day that has left the lake stays: retention of the lake is not retention of the warehouse."""
    migrate(engine)
    keep = ("s", "a", trades("s", 2))
    write_hour(9, keep, ("t", "b", trades("t", 3, first=50)))
    load_table(engine, paths, TRADES, DAY)
    write_hour(9, keep)
    assert pending_loads(engine, paths, [DAY]) == [(TRADES, DAY)]
    result = load_table(engine, paths, TRADES, DAY)
    assert (result.loaded, result.rows_loaded, result.rows) == ((), 0, 2)
    assert pending_loads(engine, paths, [DAY]) == []
    paths.lake_hour(Table.SCALP_TRADES, DAY, 9).unlink()
    assert load_table(engine, paths, TRADES, DAY).rows == 2
    assert pending_loads(engine, paths, [DAY]) == []


def test_two_loads_at_once_write_every_row_once(engine: Engine, paths: Paths, write_hour: WriteHour) -> None:
    """The second waits for the first, and finds its ledger."""
    migrate(engine)
    for hour in range(8, 16):
        name = f"0_{hour:02d}_000001.jsonl"
        write_hour(hour, (name, "a", trades(name, 3000, first=10_000 * hour)))
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: load_table(engine, paths, TRADES, DAY), range(4)))
    assert sorted(result.rows_loaded for result in results) == [0, 0, 0, 24_000]
    assert {result.rows for result in results} == {24_000}


def test_a_load_that_is_cut_off_changes_nothing(
    engine: Engine, paths: Paths, write_hour: WriteHour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the session between COPY and commit; the next load does it all."""
    migrate(engine)
    write_hour(9, ("s", "a", trades("s", 2)))

    def cut_off(connection: Connection, *_: object) -> None:
        own = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        query(engine, f"SELECT pg_terminate_backend({own})")

    with monkeypatch.context() as patch:
        patch.setattr(loader, "write_ledger", cut_off)
        with pytest.raises(DatabaseUnavailableError, match=r"127\.0\.0\.1"):
            load_table(engine, paths, TRADES, DAY)
    assert row_counts(engine, DAY)[TRADES] == 0
    assert load_table(engine, paths, TRADES, DAY).rows == 2


def test_a_load_that_is_cut_off_within_copy_changes_nothing(
    engine: Engine, paths: Paths, write_hour: WriteHour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the session after the first of two hours was sent; the rows of before stay."""
    migrate(engine)
    write_hour(8, ("r", "a", trades("r", 3, first=50_000)))
    load_table(engine, paths, TRADES, DAY)
    write_hour(9, ("s", "a", trades("s", 20_000)))
    write_hour(10, ("t", "b", trades("t", 20_000, first=20_000)))
    read = parquet.read_rows

    def cut_off_at_the_second(path: Path, schema: TableSchema) -> Iterator[pl.DataFrame]:
        if path == paths.lake_hour(Table.SCALP_TRADES, DAY, 10):
            query(
                engine,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND query LIKE 'COPY%' AND pid <> pg_backend_pid()",
            )
        yield from read(path, schema)

    with monkeypatch.context() as patch:
        patch.setattr(parquet, "read_rows", cut_off_at_the_second)
        # The error is kept, and with it every frame that it went through.
        with pytest.raises(DatabaseUnavailableError, match=r"127\.0\.0\.1") as _kept:
            load_table(engine, paths, TRADES, DAY)
        assert reading_ahead() == []
    assert row_counts(engine, DAY)[TRADES] == 3
    assert pending_loads(engine, paths, [DAY]) == [(TRADES, DAY)]
    assert load_table(engine, paths, TRADES, DAY).rows == 40_003


def test_a_file_that_cannot_be_read_is_no_failure_of_the_server(
    engine: Engine, paths: Paths, write_hour: WriteHour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It breaks within COPY, while the rows before it are on their way; the error is the reader's own."""
    migrate(engine)
    write_hour(9, ("s", "a", trades("s", 5)))
    read = parquet.read_rows

    def broken(path: Path, schema: TableSchema) -> Iterator[pl.DataFrame]:
        yield from read(path, schema)
        raise StorageError("a page of the file is damaged", remedy="compact anew")

    with monkeypatch.context() as patch:
        patch.setattr(parquet, "read_rows", broken)
        with pytest.raises(StorageError, match="a page of the file is damaged"):
            load_table(engine, paths, TRADES, DAY)
        assert reading_ahead() == []
    assert row_counts(engine, DAY)[TRADES] == 0
    assert load_table(engine, paths, TRADES, DAY).rows == 5


def test_a_reader_sees_a_segment_before_or_after_its_replacement(
    engine: Engine, paths: Paths, write_hour: WriteHour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not kept waiting while the rows of a late compaction are written, and never sees half of them."""
    migrate(engine)
    write_hour(9, ("s", "a", trades("s", 4)))
    load_table(engine, paths, TRADES, DAY)
    write_hour(9, ("s", "b", trades("s", 7, first=2)))
    seen = []
    write = loader.write_ledger

    def look_and_write(*arguments: Any) -> None:
        seen.append(query(engine, "SELECT count(*), min(frame), max(frame) FROM observer.scalp_trades"))
        write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loader, "write_ledger", look_and_write)
        load_table(engine, paths, TRADES, DAY)
    seen.append(query(engine, "SELECT count(*), min(frame), max(frame) FROM observer.scalp_trades"))
    assert seen == [[(4, 0, 3)], [(7, 2, 8)]]


LAST_PRICE = """
    SELECT price, time FROM observer.scalp_trades
    WHERE trading_day = '2026-09-15' AND symbol = '005930' AND venue = 'KRX'
    ORDER BY time DESC, cumulative_volume DESC LIMIT 1
"""
TAPE = """
    SELECT time, price, volume, side, cumulative_volume FROM observer.scalp_trades
    WHERE trading_day = '2026-09-15' AND symbol = '005930'
      AND time >= '2026-09-15 10:00+09' AND time < '2026-09-15 10:05+09'
    ORDER BY time, cumulative_volume
"""


@pytest.mark.parametrize("statement", [LAST_PRICE, TAPE])
def test_the_questions_asked_first_go_through_the_index_of_symbol_and_time(
    engine: Engine, paths: Paths, write_hour: WriteHour, statement: str
) -> None:
    """As `docs/warehouse.md` shows: neither reads a day's rows, and no other day is touched."""
    migrate(engine)
    rows = trades("s", 20_000).with_columns(
        symbol=(pl.int_range(20_000) // 500 * 10).cast(pl.String).str.zfill(6).replace("000050", "005930"),
        time=pl.col("time") + pl.duration(seconds=pl.int_range(20_000) % 500 * 46),
    )
    write_hour(9, ("s", "a", rows.sort("symbol", "frame")))
    load_table(engine, paths, TRADES, DAY)
    query_nothing(engine, "ANALYZE observer.scalp_trades")
    plan = "\n".join(str(line) for (line,) in query(engine, f"EXPLAIN {statement}"))
    assert "scalp_trades_20260915_symbol_time_idx" in plan
    assert "Seq Scan" not in plan


def test_loading_names_the_missing_migration(engine: Engine, paths: Paths) -> None:
    """A database without tables is a matter of configuration (incident I-32)."""
    for action in (lambda: load_table(engine, paths, TRADES, DAY), lambda: row_counts(engine, DAY)):
        with pytest.raises(ConfigurationError, match="0001"):
            action()


def test_a_server_that_is_away_is_an_external_failure(paths: Paths, tmp_path: Path) -> None:
    """Host and port are named, the password is not."""
    settings = DatabaseSettings.load(
        {"DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_USER": "observer", "DB_PASSWORD": "hunter2-long"}
    )
    with pytest.raises(DatabaseUnavailableError, match=r"127\.0\.0\.1:1") as caught:
        load_table(connect(settings), paths, TRADES, DAY)
    assert "hunter2-long" not in str(caught.value)
    assert "hunter2-long" not in repr(connect(settings))
