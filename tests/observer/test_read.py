"""`observer.read` and `observer sql` over a small lake of open and closed days."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from observer import read
from observer.__main__ import main
from observer.commands import sql
from observer_core.errors import ConfigurationError, InputError, StorageError
from observer_core.lake.bars import build_bars
from observer_core.lake.completeness import build_completeness
from observer_core.lake.parquet import TableWriter
from observer_core.lake.schemas import SCHEMAS, Table

CLOSED, OPEN = date(2026, 9, 15), date(2026, 9, 16)


def rows(table, day, values):
    """Returns rows of a table from what matters to a test; identity and receive time are made up."""
    schema = SCHEMAS[table].polars
    received = datetime(day.year, day.month, day.day, tzinfo=UTC)
    made = [
        {
            "trading_day": day,
            "venue": "KRX",
            "provider": "kis",
            "shard": "0",
            "epoch": 1,
            "frame": number,
            "record": 0,
            "received_at": received + timedelta(seconds=number),
            "segment": "0_09_000001.jsonl",
            **value,
        }
        for number, value in enumerate(values)
    ]
    return pl.DataFrame(
        [{name: row.get(name) for name in schema.names()} for row in made], schema=schema, orient="row"
    )


def trade(symbol, second, volume, cumulative, day=CLOSED):
    at = datetime(day.year, day.month, day.day, 0, 0, second, tzinfo=UTC)
    return {"symbol": symbol, "time": at, "price": 70_000 + second, "volume": volume,
            "cumulative_volume": cumulative, "market_session": "2"}  # fmt: skip


def filled(second, volume, cumulative):
    values = trade("005930", second, volume, cumulative)
    del values["market_session"]
    return values | {
        "session": "regular",
        "hole_from_cumulative_volume": 10,
        "hole_to_cumulative_volume": 60,
    }


def write(path, table, frame):
    path.parent.mkdir(parents=True)
    with TableWriter(path, SCHEMAS[table]) as writer:
        writer.write(frame)
        writer.name_sources([])


@pytest.fixture
def folder(tmp_path):
    """A closed day with a hole of 50 shares, of which 30 were filled; an open day of two hours."""
    (tmp_path / "lake").mkdir()
    paths = read.at(tmp_path).paths
    closed = [
        trade("000660", 1, 5, 5),
        trade("005930", 1, 10, 10),
        trade("005930", 9, 7, 67),
    ]
    write(
        paths.lake_day(Table.SCALP_TRADES, CLOSED),
        Table.SCALP_TRADES,
        rows(Table.SCALP_TRADES, CLOSED, closed),
    )
    listed = [filled(3, 20, 30), filled(3, 20, 30), filled(4, 10, 40), filled(9, 7, 67)]
    write(
        paths.lake_day(Table.BACKFILL_TRADES, CLOSED),
        Table.BACKFILL_TRADES,
        rows(Table.BACKFILL_TRADES, CLOSED, listed),
    )
    hole = {"symbol": "005930", "kind": "hole", "channel": "H0STCNT0", "missing_volume": 50,
            "from_cumulative_volume": 10, "to_cumulative_volume": 60}  # fmt: skip
    gap = {"symbol": "005930", "kind": "gap", "channel": "H0STCNT0", "missing_volume": None}
    write(paths.lake_day(Table.GAPS, CLOSED), Table.GAPS, rows(Table.GAPS, CLOSED, [hole, gap]))
    build_completeness(paths, CLOSED)
    for hour, second in ((9, 1), (10, 2)):
        write(
            paths.lake_hour(Table.SCALP_TRADES, OPEN, hour),
            Table.SCALP_TRADES,
            rows(Table.SCALP_TRADES, OPEN, [trade("005930", second, 3, 3 * second, OPEN)]),
        )
    return tmp_path


@pytest.fixture
def lake(folder):
    return read.at(folder)


def test_a_tape_has_what_was_received_and_what_was_filled_each_once_and_says_which(lake):
    """Live trades and those of a hole stand in one order; an overlap of pages adds nothing."""
    tape = lake.trades("2026-09-15", "005930").collect()
    assert tape.select("volume", "cumulative_volume", "source").rows() == [
        (10, 10, "live"),
        (20, 30, "backfill"),
        (10, 40, "backfill"),
        (7, 67, "live"),
    ]


def test_open_and_closed_days_read_alike(lake):
    """A range of days takes the hours of an open day and the file of a closed one."""
    assert lake.days() == [CLOSED, OPEN]
    both = lake.trades(("2026-09-01", OPEN), "005930").collect()
    assert both.group_by("trading_day", maintain_order=True).len().rows() == [(CLOSED, 4), (OPEN, 2)]
    assert lake.table(Table.SCALP_TRADES, [CLOSED, OPEN], ["000660", "005930"]).collect().height == 5


def test_a_day_that_takes_over_while_its_hours_are_still_there_is_read_once(lake):
    """The file of a day hides the hours it was made from."""
    hours = lake.table(Table.SCALP_TRADES, OPEN).collect()
    write(lake.paths.lake_day(Table.SCALP_TRADES, OPEN), Table.SCALP_TRADES, hours)
    assert lake.trades(OPEN).collect().height == 2


def test_days_and_tables_without_rows_give_the_same_columns(lake):
    """Asking for what is not there gives no rows, and the columns of what is."""
    assert lake.trades("2020-01-02").collect_schema() == lake.trades(CLOSED).collect_schema()
    assert lake.bars(CLOSED).collect().is_empty()
    assert lake.quotes(CLOSED).collect_schema() == SCHEMAS[Table.SCALP_QUOTES].polars


def test_coverage_tells_received_filled_and_missing_shares(lake):
    """Of a hole of 50 shares 30 were filled: 20 of the 67 traded are missing; the gap row is no hole."""
    found = lake.coverage(CLOSED).collect()
    expected = [
        ("000660", "regular", 1, 5, 0, 0, 0, 0, 0, 0, 1.0, ""),
        ("005930", "regular", 2, 17, 1, 50, 2, 30, 20, 0, 1 - 20 / 67, "unexplained 1"),
    ]
    assert found.drop("trading_day", "venue", "first_hole_at", "last_hole_at").rows() == expected
    assert_frame_equal(lake.coverage(CLOSED, "000660").collect(), found.head(1))


def test_only_the_columns_and_the_symbol_asked_for_are_read(lake):
    """The symbol is looked for in the files' statistics, not in rows that were read already."""
    plan = lake.table(Table.SCALP_TRADES, CLOSED, "005930").select("price").explain()
    assert 'SELECTION: col("symbol") == "005930"' in plan
    assert "PROJECT" in plan


def test_what_is_no_lake_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="nowhere"):
        read.at(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ("15/9/2026", "days: '15/9/2026' is no date. Remedy: Write it as '2026-09-15'"),
        (20260915, "days: 20260915 is no day. Remedy: Write a date or its text"),
        (None, "days: None is no day"),
        (b"2026-09-15", "days: b'2026-09-15' is no day"),
        (["2026-09-15", 16], "days: 16 is no day"),
        (datetime(2026, 9, 15, 23, tzinfo=UTC), "is a moment and no day. Remedy: Write '2026-09-15', or"),
        ([datetime(2026, 9, 15, tzinfo=UTC)], "is a moment and no day"),
        (("2026-09-16", "2026-09-15"), "2026-09-16 to 2026-09-15 ends before it begins"),
        (("2026-09-15",), "is a tuple of 1; a tuple is the first and the last day"),
        (("2026-09-15", "2026-09-16", "2026-09-17"), "is a tuple of 3"),
    ],
)
def test_what_is_no_day_is_an_error_with_a_remedy(lake, days, told):
    """It is raised where the question is put, and is no empty answer."""
    for ask in (lake.trades, lake.quotes, lake.bars, lake.coverage):
        with pytest.raises(InputError) as raised:
            ask(days)
        assert told in str(raised.value)


@pytest.mark.parametrize("symbols", [5930, ["005930", 660], b"005930", 0.5])
def test_what_is_no_symbol_is_an_error_with_a_remedy(lake, symbols):
    with pytest.raises(InputError, match=r"is no symbol\. Remedy: Write it as text with its leading zeros"):
        lake.trades("2026-09-15", symbols)


def test_days_and_symbols_may_be_any_collection(lake):
    """A generator is read once and asked for as often as a list."""
    days = {"2026-09-15", OPEN}
    for form in (set(days), frozenset(days), (day for day in days), pl.Series([CLOSED, OPEN]), list(days)):
        rows = lake.table("scalp_trades", form, (symbol for symbol in ["000660", "005930"]))
        assert [rows.collect().height for _ in range(2)] == [5, 5]
    assert lake.trades([], []).collect().is_empty()
    assert lake.trades(CLOSED, []).collect().is_empty()


def test_what_is_no_table_is_named(lake):
    with pytest.raises(
        InputError, match=r"there is no table 'trades'\. Remedy: Name one of: backfill_trades"
    ):
        lake.table("trades", CLOSED)


def test_the_environment_names_the_lake(folder, monkeypatch):
    """Without a folder the functions read where the deployment's variables point."""
    monkeypatch.setenv("OBSERVER_DATA_DIR", str(folder))
    assert read.trades(CLOSED, "000660").collect()["volume"].to_list() == [5]
    assert read.coverage(CLOSED).collect().height == 2
    assert read.quotes(CLOSED).collect().is_empty()
    assert read.bars(CLOSED).collect().is_empty()


def test_sql_sees_every_table_and_each_row_once(folder, capsys):
    """A query joins open and closed days; times are the exchange's."""
    query = (
        "SELECT symbol, count(*) AS n, max(time)::text AS last FROM scalp_trades GROUP BY ALL ORDER BY symbol"
    )
    assert main(["sql", "--data", str(folder), "--csv", query]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "symbol,n,last",
        "000660,1,2026-09-15 09:00:01+09",
        "005930,4,2026-09-16 09:00:02+09",
    ]
    every = " UNION ALL ".join(f"SELECT count(*) AS n FROM {table}" for table in Table)
    assert main(["sql", "--data", str(folder), "--csv", f"SELECT sum(n) AS n FROM ({every})"]) == 0
    assert capsys.readouterr().out.splitlines() == ["n", "13"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT no_such_column FROM scalp_trades",
    ],
)
def test_sql_refuses_what_is_not_about_the_lake(folder, query, capsys):
    """A query reads the lake only; whatever else it tries is one line with the remedy."""
    assert main(["sql", "--data", str(folder), query]) == 1
    assert "The query was refused" in capsys.readouterr().err


@pytest.mark.parametrize("query", ["SET enable_external_access = true", "INSTALL httpfs", "PRAGMA version"])
def test_sql_takes_queries_only(folder, query, capsys):
    """Nothing is set, loaded or made, neither here nor there."""
    assert main(["sql", "--data", str(folder), query]) == 1
    assert "This is no query, but" in capsys.readouterr().err


@pytest.mark.parametrize(
    "prefix",
    ["", "SELECT 1;", "EXPLAIN ANALYZE ", "EXPLAIN (ANALYZE, FORMAT json) ", "/**/EXPLAIN ANALYZE "],
)
def test_sql_writes_nothing(folder, prefix, capsys):
    """Also not where DuckDB lets it: into the lake, whose day it could replace."""
    [stored] = (folder / "lake").rglob("scalp_trades/date=2026-09-15/day.parquet")
    before = stored.read_bytes()
    query = f"{prefix}COPY (SELECT 1 AS a) TO '{stored}' (FORMAT parquet)"
    assert main(["sql", "--data", str(folder), query]) == 1
    assert "This is no query, but" in capsys.readouterr().err
    assert stored.read_bytes() == before


@pytest.mark.parametrize("query", ["SELECT 1; SELECT 2", "SELECT count(*) FROM gaps; SHOW TABLES"])
def test_sql_answers_one_query_at_a_time(folder, query, capsys):
    """Of several only the last one could be shown."""
    assert main(["sql", "--data", str(folder), query]) == 1
    shown = capsys.readouterr()
    assert "These are 2 queries. Remedy: Ask one at a time" in shown.err
    assert not shown.out


@pytest.mark.parametrize("query", ["", " ", ";", "-- nothing but a remark"])
def test_sql_says_when_nothing_was_asked(folder, query, capsys):
    assert main(["sql", "--data", str(folder), query]) == 1
    assert "The query is empty. Remedy: Ask something" in capsys.readouterr().err


def test_sql_shows_the_tables_of_the_lake_and_no_others(folder, capsys):
    assert main(["sql", "--data", str(folder), "--csv", "SHOW TABLES"]) == 0
    assert capsys.readouterr().out.splitlines() == ["name", *sorted(Table)]


def test_sql_asks_again_where_a_day_was_closed_meanwhile(folder, capsys, monkeypatch):
    """The hours that the view was made of are gone, and the day's file has their rows."""
    paths = read.at(folder).paths
    opened = sql.open_lake
    closes = iter([True])

    def open_and_close(paths):
        connection = opened(paths)
        for _ in closes:
            hours = read.at(folder).table(Table.SCALP_TRADES, OPEN).collect()
            write(paths.lake_day(Table.SCALP_TRADES, OPEN), Table.SCALP_TRADES, hours)
            shutil.rmtree(paths.lake_open_day(Table.SCALP_TRADES, OPEN))
        return connection

    monkeypatch.setattr(sql, "open_lake", open_and_close)
    query = "SELECT count(*) AS n, sum(volume) AS shares FROM scalp_trades WHERE trading_day = '2026-09-16'"
    assert main(["sql", "--data", str(paths.data), "--csv", query]) == 0
    assert capsys.readouterr().out.splitlines() == ["n,shares", "2,6"]


@pytest.mark.parametrize("prefix", ["EXPLAIN", "EXPLAIN ANALYZE", "explain (format json)"])
def test_sql_explains_a_query(folder, prefix, capsys):
    """A plan changes nothing."""
    assert main(["sql", "--data", str(folder), f"{prefix} SELECT count(*) FROM scalp_trades"]) == 0
    assert capsys.readouterr().out


def test_a_file_that_was_cut_off_is_named(folder, capsys):
    """In Python and in SQL, with what to do about it; other tables can be asked."""
    [stored] = (folder / "lake").rglob("scalp_trades/date=2026-09-15/day.parquet")
    stored.write_bytes(stored.read_bytes()[:-9])
    with pytest.raises(StorageError, match=f"{stored} is damaged"):
        read.at(folder).trades("2026-09-15").collect()
    assert main(["sql", "--data", str(folder), "--csv", "SELECT count(*) AS n FROM gaps"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == ["n", "2"]
    assert f"The table scalp_trades is left out: The table file {stored} is damaged" in shown.err


def test_a_folder_that_is_no_day_is_none_of_ours(folder):
    """Somebody's own folder beside the days hides none of them."""
    days = read.at(folder).days()
    (folder / "lake/scalp_trades/date=notes").mkdir()
    assert read.at(folder).days() == days


def test_sql_reads_a_query_from_standard_input(folder):
    """A query may come through a pipe, and is shown as a table."""
    done = subprocess.run(
        [sys.executable, "-m", "observer", "sql"],
        input="SELECT 6 * 7 AS answer",
        env={**os.environ, "OBSERVER_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "answer" in done.stdout
    assert "42" in done.stdout


def test_sql_names_what_is_damaged_and_not_another_table(folder, capsys):
    """A table that cannot be read is not said to be missing."""
    [stored] = (folder / "lake").rglob("scalp_trades/date=2026-09-15/day.parquet")
    stored.write_bytes(stored.read_bytes()[:-9])
    assert main(["sql", "--data", str(folder), "SELECT count(*) FROM Scalp_Trades"]) == 1
    told = capsys.readouterr().err
    assert f"The table file {stored} is damaged" in told
    assert "The query needs scalp_trades, which cannot be read. Remedy: Mend the file" in told
    assert "Did you mean" not in told


def test_sql_pivots_values_that_are_named(folder, capsys):
    """Without them the error says what to write."""
    pivot = "PIVOT (SELECT symbol, volume FROM scalp_trades) ON symbol {}USING sum(volume)"
    assert main(["sql", "--data", str(folder), "--csv", pivot.format("IN ('000660', '005930') ")]) == 0
    assert capsys.readouterr().out.splitlines() == ["000660,005930", "5,23"]
    assert main(["sql", "--data", str(folder), pivot.format("")]) == 1
    assert "Remedy: Name the values of a PIVOT" in capsys.readouterr().err


def test_a_file_that_is_damaged_within_is_named_or_read(folder):
    """Whatever the reader of the file raises; a question's own fault is not blamed on a file."""
    lake = read.at(folder)
    [stored] = (folder / "lake").rglob("scalp_trades/date=2026-09-15/day.parquet")
    good = stored.read_bytes()
    named = 0
    for place in range(4, len(good) - 4, 97):
        stored.write_bytes(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
        try:
            lake.table(Table.SCALP_TRADES, CLOSED).collect()
        except StorageError as error:
            named += 1
            assert f"The table file {stored} is damaged" in str(error)  # noqa: PT017 - some places are not read
    assert named > 10
    stored.write_bytes(good)
    with pytest.raises(pl.exceptions.PolarsError, match="conversion from"):
        lake.table(Table.SCALP_TRADES, CLOSED).filter(pl.col("venue").cast(pl.Int64) > 1).collect()


def test_a_trade_that_was_sent_again_is_one_on_the_tape_as_in_the_bars(lake):
    """The one that came first stays; another trade of the same second and size is another trade."""
    day = date(2026, 9, 17)
    sent = [trade("005930", 1, 10, cumulative, day) for cumulative in (10, 10, 20, 10)]
    stored = rows(Table.SCALP_TRADES, day, sent)
    write(lake.paths.lake_day(Table.SCALP_TRADES, day), Table.SCALP_TRADES, stored)
    build_bars(lake.paths, day)
    tape = lake.trades(day).collect()
    assert tape["cumulative_volume"].to_list() == [10, 20]
    assert tape["received_at"].to_list() == stored["received_at"].gather([0, 2]).to_list()
    bars = lake.bars(day).collect()
    assert bars.select("volume", "trade_count").rows() == [(tape["volume"].sum(), tape.height)]
