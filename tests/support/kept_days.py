"""What is kept of trading days, counted and digested without the project's own readers.

Invariant: nothing of the project stands between these figures and the files and tables they are of, so that
two ways to the same day can be compared by them, and both with the journal.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from observer.stack.postgres import PostgresServer

# Channel, or kind of a control record -> the lake's table (docs/architecture.md).
_TABLES = {
    "H0STCNT0": "scalp_trades",
    "H0STASP0": "scalp_quotes",
    "FHKST11300006": "swing_snapshots",
    "H0STMKO0": "market_events",
    "H0STPGM0": "raw_records",
    "hole": "gaps",
}
# Two ways to a day ask the broker at two moments.
_OF_THE_ASKING = {"daily_official": ["asked_at"]}


class Kept(NamedTuple):
    """A day of a table: how many rows, and a digest of all of them."""

    rows: int
    digest: str


def journaled(data: Path, day: str) -> Counter[str]:
    """Returns table -> lines of a day's journal that belong there.

    Args:
        data: OBSERVER_DATA_DIR.
        day: Trading day, YYYY-MM-DD.
    """
    segments = data.glob(f"assets/*/{day.replace('-', '')}/*.jsonl")
    return _by_table(line for segment in segments for line in segment.read_text().splitlines())


def quarantined(data: Path, day: str) -> Counter[str]:
    """Returns table -> lines of a day that were put aside instead."""
    aside = data.glob(f"quarantine/{day.replace('-', '')}/*.jsonl")
    return _by_table(json.loads(line)["line"] for file in aside for line in file.read_text().splitlines())


def _by_table(lines: Iterable[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in map(json.loads, lines):
        name = line["key"] if line["channel"] == "_control" else line["channel"]
        # A connection's begin and end belong nowhere.
        counts.update([_TABLES[name]] if name not in ("connect", "disconnect") else [])
    return counts


def in_lake(data: Path, day: str) -> dict[str, Kept]:
    """Returns table -> its day, of every table that has a file of the day."""
    kept = {}
    for file in sorted(data.glob(f"lake/*/date={day}/day.parquet")):
        table = file.parents[1].name
        rows = pl.read_parquet(file, hive_partitioning=False).drop(_OF_THE_ASKING.get(table, []))
        digest = hashlib.sha256(repr((rows.columns, rows.rows())).encode())
        kept[table] = Kept(rows.height, digest.hexdigest())
    return kept


def in_postgres(server: PostgresServer, database: str, day: str) -> dict[str, Kept]:
    """Returns table -> its day, of every table of the warehouse that has days."""
    kept = {}
    with server.connection(database) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'p' AND relnamespace = 'observer'::regnamespace"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(
                f"SELECT count(*), md5(string_agg(t::text, ';' ORDER BY t::text)) FROM observer.{table} t "
                "WHERE trading_day = %s",
                (day,),
            )
            kept[table] = Kept(*cursor.fetchone())
    return kept
