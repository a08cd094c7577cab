"""What lies on disk and in PostgreSQL at the end of a day, counted record by record.

Invariant: a record is named by its identity in every layer, so that one that is missing and one that
is there twice cannot cancel out. The files are read with a general JSON and Parquet reader, not with
the code that wrote them.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import psycopg2
import zstandard
from psycopg2 import sql

from observer_core.settings import DatabaseSettings, Paths
from observer_core.settings.paths import Track

IDENTITY = ("provider", "shard", "epoch", "frame", "record")
_SCHEMA = pl.Schema(
    {
        "provider": pl.String(),
        "shard": pl.String(),
        "epoch": pl.Int64(),
        "frame": pl.Int64(),
        "record": pl.Int64(),
        "table": pl.String(),
    }
)

TRADES, BOOKS, SWING, EVENTS, BACKFILL, OTHER = (
    "scalp_trades", "scalp_quotes", "swing_snapshots", "market_events", "backfill_trades", "raw_records"
)  # fmt: skip
_TABLES = {
    "H0STCNT0": TRADES, "H0NXCNT0": TRADES, "H0UNCNT0": TRADES,
    "H0STASP0": BOOKS, "H0NXASP0": BOOKS, "H0UNASP0": BOOKS,
    "FHKST11300006": SWING,
    "FHPST01060000": BACKFILL,
    "H0STMKO0": EVENTS, "H0NXMKO0": EVENTS, "H0UNMKO0": EVENTS,
}  # fmt: skip
RECORD_TABLES = (TRADES, BOOKS, SWING, EVENTS, BACKFILL, OTHER)
WAREHOUSE_TABLES = (TRADES, SWING, EVENTS)
_BARS = "bars_1m"
_GAPS = "gaps"
_CONTROL = "_control"
_ZSTD = ".zst"


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of a day.

    Attributes:
        counts: Records by channel and symbol.
        identities: One row a record: identity and the table that its channel belongs to.
        holes: Control records that state a hole.
        gaps: Control records that state a gap.
        unsealed: Files that are no sealed segment: open ones, torn tails, segments without manifest.
    """

    counts: Counter[tuple[str, str]]
    identities: pl.DataFrame
    holes: int
    gaps: int
    unsealed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was counted.

    Attributes:
        journal: The journal of the day.
        quarantined: One row a line in quarantine, as in the journal.
        lake: One row a record in the closed day's files.
        lake_bars: Rows of the day's bars in the lake.
        lake_gaps: Rows of the day's holes and gaps in the lake.
        warehouse: One row a record in PostgreSQL.
        warehouse_bars: Rows of the day's bars in PostgreSQL.
        universe_size: Symbols in the day's universe.
        symbols_source: Which source the day's symbols came from.
    """

    journal: Journal
    quarantined: pl.DataFrame
    lake: pl.DataFrame
    lake_bars: int
    lake_gaps: int
    warehouse: pl.DataFrame
    warehouse_bars: int
    universe_size: int
    symbols_source: str


def collect_evidence(paths: Paths, database: DatabaseSettings, day: date) -> Evidence:
    """Reads journal, quarantine, lake and warehouse of a trading day."""
    warehouse, warehouse_bars = _warehouse(database, day)
    return Evidence(
        journal=_journal(paths, day),
        quarantined=_quarantine(paths, day),
        lake=_lake(paths, day),
        lake_bars=_rows(paths.lake_day(_BARS, day)),
        lake_gaps=_rows(paths.lake_day(_GAPS, day)),
        warehouse=warehouse,
        warehouse_bars=warehouse_bars,
        universe_size=len(_json(paths.universe(day)).get("symbols", [])),
        symbols_source=str(_json(paths.symbols(day)).get("source", "")),
    )


def table_of(channel: str) -> str:
    """Returns the lake's table for a channel (contract of the lake)."""
    return _TABLES.get(channel, OTHER)


def _journal(paths: Paths, day: date) -> Journal:
    counts: Counter[tuple[str, str]] = Counter()
    control: Counter[str] = Counter()
    rows: list[tuple[Any, ...]] = []
    unsealed = []
    for track in Track:
        for path in sorted(paths.journal(track, day).glob("*.jsonl*")):
            name, _, suffix = path.name.partition(".")
            sealed = suffix in ("jsonl", f"jsonl{_ZSTD}") and path.with_name(f"{name}.manifest.json").exists()
            if not sealed:
                unsealed.append(path.name)
            if path.suffix != _ZSTD and path.with_name(path.name + _ZSTD).exists():
                # Of a segment that is being compressed there are both for a moment, with one content.
                continue
            for line in _lines(path):
                channel = line["channel"]
                if channel == _CONTROL:
                    control[line["key"]] += 1
                    continue
                counts[channel, line["key"]] += 1
                rows.append((*(line[name] for name in IDENTITY), table_of(channel)))
    return Journal(counts, _frame(rows), control["hole"], control["gap"], tuple(unsealed))


def _quarantine(paths: Paths, day: date) -> pl.DataFrame:
    folder = paths.quarantine / f"{day:%Y%m%d}"
    entries = [entry["identity"] for path in sorted(folder.glob("*.jsonl")) for entry in _lines(path)]
    records = (entry for entry in entries if entry.get("channel") != _CONTROL)
    return _frame(
        [(*(entry.get(name) for name in IDENTITY), table_of(entry.get("channel", ""))) for entry in records]
    )


def _lake(paths: Paths, day: date) -> pl.DataFrame:
    frames = [_SCHEMA.to_frame()]
    for table in RECORD_TABLES:
        path = paths.lake_day(table, day)
        if path.exists():
            frame = pl.read_parquet(path, columns=list(IDENTITY), hive_partitioning=False)
            frames.append(frame.with_columns(table=pl.lit(table)).cast(_SCHEMA))
    return pl.concat(frames)


def _warehouse(database: DatabaseSettings, day: date) -> tuple[pl.DataFrame, int]:
    rows: list[tuple[Any, ...]] = []
    columns = sql.SQL(", ").join(map(sql.Identifier, IDENTITY))
    session = psycopg2.connect(
        host=database.host,
        port=database.port,
        dbname=database.name,
        user=database.user,
        password=database.password.get_secret_value(),
    )
    try:
        with session.cursor() as cursor:
            for table in WAREHOUSE_TABLES:
                query = sql.SQL("SELECT {}, %s FROM {} WHERE trading_day = %s")
                name = sql.Identifier("observer", table)
                cursor.execute(query.format(columns, name), (table, day))
                rows += cursor.fetchall()
            cursor.execute("SELECT count(*) FROM observer.bars_1m WHERE trading_day = %s", (day,))
            counted = cursor.fetchone()
    finally:
        session.close()
    assert counted is not None, "count(*) has one row"
    return _frame(rows), int(counted[0])


def _frame(rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _rows(path: Path) -> int:
    return pl.scan_parquet(path).select(pl.len()).collect().item() if path.exists() else 0


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb", buffering=0) as file:
        content = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == _ZSTD else file
        for line in io.BufferedReader(content):
            yield json.loads(line)


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    return found
