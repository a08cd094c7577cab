"""Loading the warehouse: ours against raw COPY through ADBC, in the same run.

Ours is `load_table`: an hour of trades from the lake's Parquet into a partition with its primary key and
indexes, through the ledger, counted, in one transaction. The peer sends the same rows, already in memory as
Arrow, by ADBC's binary COPY into a plain table; once without any index, and once into a copy of our partition
with its primary key and indexes. A real PostgreSQL is started for it, with durable writes.

    python bench/warehouse.py [--rows 200000] [--rounds 3] [--json]
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import pyarrow as pa
from compaction import DAY, HOUR, layout, write_inputs
from sqlalchemy import text
from sqlalchemy.engine import URL

from observer.stack.postgres import PostgresServer
from observer_core.lake.compaction import compact_hour
from observer_core.lake.readers import scan
from observer_core.lake.schemas import Table
from observer_core.warehouse import WarehouseTable, connect, load_table, migrate, transaction
from observer_core.warehouse.expiry import drop_day
from observer_core.warehouse.partitions import ensure_partitions

_TRADES = "observer.scalp_trades"
_PARTITION = f"{_TRADES}_{DAY:%Y%m%d}"


def ours(engine, paths):
    """Loads the hour into a partition made ahead, as every day's is; the peer's table is there, too."""
    drop_day(engine, WarehouseTable.SCALP_TRADES, DAY)
    with transaction(engine) as connection:
        ensure_partitions(connection, [DAY])
    start = time.perf_counter()
    result = load_table(engine, paths, WarehouseTable.SCALP_TRADES, DAY)
    return time.perf_counter() - start, result.rows


def peer(engine, address, rows, *, indexed):
    """Sends rows into a table like our partition; with its key and indexes, or bare."""
    including = " INCLUDING INDEXES" if indexed else ""
    with transaction(engine) as connection:
        connection.execute(text("DROP TABLE IF EXISTS public.peer"))
        connection.execute(text(f"CREATE TABLE public.peer (LIKE {_PARTITION}{including})"))
    start = time.perf_counter()
    with adbc.connect(address) as connection, connection.cursor() as cursor:
        sent = cursor.adbc_ingest("peer", rows, mode="append", db_schema_name="public")
        connection.commit()
    return time.perf_counter() - start, sent


def arrow_rows(paths):
    """Returns the rows of the hour; without the two columns of lists, which are null throughout."""
    rows = scan(paths, Table.SCALP_TRADES, DAY).drop("extra", "unparsed").collect()
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest())


def compare(engine, address, paths, rounds):
    load_table(engine, paths, WarehouseTable.SCALP_TRADES, DAY)
    rows: pa.Table = arrow_rows(paths)
    seconds = {"ours": [], "bare": [], "indexed": []}
    for _ in range(rounds):
        for name, (wall, sent) in (
            ("ours", ours(engine, paths)),
            ("bare", peer(engine, address, rows, indexed=False)),
            ("indexed", peer(engine, address, rows, indexed=True)),
        ):
            if sent != rows.num_rows:
                raise SystemExit(f"{name}: {rows.num_rows} rows were to be loaded, {sent} were.")
            seconds[name].append(wall)
    best = {name: min(found) for name, found in seconds.items()}
    with transaction(engine) as connection:
        size = connection.execute(text(f"SELECT pg_total_relation_size('{_PARTITION}')")).scalar_one()
        table = connection.execute(text(f"SELECT pg_relation_size('{_PARTITION}')")).scalar_one()
    return {
        "warehouse.rows_per_second": round(rows.num_rows / best["ours"]),
        "warehouse.adbc_rows_per_second": round(rows.num_rows / best["bare"]),
        "warehouse.adbc_indexed_rows_per_second": round(rows.num_rows / best["indexed"]),
        "warehouse.ratio_adbc_copy": round(best["bare"] / best["ours"], 3),
        "warehouse.ratio_adbc_copy_same_indexes": round(best["indexed"] / best["ours"], 3),
        "warehouse.bytes_per_trade": round(size / rows.num_rows),
        "warehouse.bytes_per_trade_without_indexes": round(table / rows.num_rows),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    # A short name: the server's socket lies in it.
    with tempfile.TemporaryDirectory(prefix="ob-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        paths = layout(root)
        write_inputs(paths, root / "decoded.jsonl", options.rows)
        compact_hour(paths, DAY, HOUR)
        with PostgresServer(root / "pg", databases=["bench"]) as server:
            settings = server.settings("bench")
            engine = connect(settings)
            migrate(engine)
            url = URL.create(
                "postgresql", settings.user, settings.password.get_secret_value(), settings.host,
                settings.port, settings.name,
            )  # fmt: skip
            figures = compare(engine, url.render_as_string(hide_password=False), paths, options.rounds)
            engine.dispose()
    if options.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:46} {figure:>12,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
