"""`observer sql`: SQL over the lake, without a database server.

Invariant: a query can read the lake and nothing else, and changes nothing; a day is there once, whether it is
closed or open.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import duckdb

from observer_core.errors import ConfigurationError
from observer_core.lake import readers
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.settings import Paths, PathSettings

# DuckDB lets a query write wherever it lets it read, so that the kind of each statement decides.
_EXPLAIN = re.compile(r"\s*explain\b(?P<options>\s+analyze\b|\s*\([^()]*\)(?=\s*\w))?", re.IGNORECASE)

_EXAMPLE = "SELECT symbol, count(*) AS trades, sum(volume) AS shares FROM scalp_trades GROUP BY symbol"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `sql`."""
    parser = subparsers.add_parser(
        "sql", help="query the lake with SQL (DuckDB)", epilog=f'Example: observer sql "{_EXAMPLE}"'
    )
    parser.add_argument("query", nargs="?", help="the query; read from standard input where it is left out")
    parser.add_argument("--data", type=Path, help="the data folder; OBSERVER_DATA_DIR where it is left out")
    parser.add_argument("--csv", action="store_true", help="write CSV with a header instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Runs a query and prints its rows.

    Raises:
        ConfigurationError: There is no lake, or the query is refused.
    """
    query = arguments.query or sys.stdin.read()
    connection = open_lake(_paths(arguments.data))
    try:
        show(connection, query, as_csv=arguments.csv)
    finally:
        connection.close()
    return 0


def open_lake(paths: Paths) -> duckdb.DuckDBPyConnection:
    """Returns a connection with a view for each table of the lake.

    Args:
        paths: The layout.

    Raises:
        ConfigurationError: There is no lake.
    """
    if not paths.lake.is_dir():
        raise ConfigurationError(
            f"{paths.lake} is not there.",
            remedy="Set OBSERVER_DATA_DIR, or name the data folder of a deployment with --data.",
        )
    connection = duckdb.connect()
    # Times are shown as the exchange's clock has them; they stay instants.
    connection.execute("SET TimeZone = 'Asia/Seoul'")
    for table in Table:
        _add_view(connection, paths, table)
    connection.execute(f"SET allowed_directories = [{_text(str(paths.lake))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def show(connection: duckdb.DuckDBPyConnection, query: str, *, as_csv: bool = False) -> None:
    """Prints the rows of a query.

    Raises:
        ConfigurationError: It would change something, or DuckDB refuses it; the message is DuckDB's.
    """
    try:
        for statement in connection.extract_statements(query):
            if not _only_reads(connection, statement):
                raise ConfigurationError(
                    f"This is no query, but {statement.type.name}: {statement.query.strip()[:80]!r}.",
                    remedy="Ask with SELECT, or EXPLAIN of a SELECT; write results elsewhere with --csv.",
                )
        rows = connection.sql(query)
        if rows is None:
            return
        if as_csv:
            rows.pl().write_csv(sys.stdout)
        else:
            rows.show(max_width=160, max_rows=40)
    except duckdb.Error as error:
        raise ConfigurationError(
            f"The query was refused: {error}.",
            remedy="Correct it; docs/data-dictionary.md lists tables and columns.",
        ) from error


def _only_reads(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> bool:
    if statement.type is duckdb.StatementType.SELECT:
        return True
    # EXPLAIN ANALYZE runs what it explains.
    explained = _EXPLAIN.match(statement.query)
    if statement.type is not duckdb.StatementType.EXPLAIN or explained is None:
        return False
    inner = connection.extract_statements(statement.query[explained.end() :])
    return [one.type for one in inner] == [duckdb.StatementType.SELECT]


def _paths(data: Path | None) -> Paths:
    if data is None:
        return Paths(PathSettings.load())
    folder = str(data)
    return Paths(PathSettings.load({"OBSERVER_DATA_DIR": folder, "OBSERVER_SNAPSHOT_DIR": folder}))


def _add_view(connection: duckdb.DuckDBPyConnection, paths: Paths, table: Table) -> None:
    """Makes a table's view: of its files, or without rows where there are none."""
    files = [
        str(file)
        for day in readers.table_days(paths, table)
        for file in readers.table_files(paths, table, day)
    ]
    columns = ", ".join(f'"{name}"' for name in SCHEMAS[table].polars.names())
    connection.register(f"_{table}", SCHEMAS[table].empty().to_arrow())
    # The declaration gives names and types to columns that an older file lacks.
    source = f"FROM _{table}"
    if files:
        listed = ", ".join(map(_text, files))
        stored = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
        source += f" UNION ALL BY NAME FROM {stored}"
    # Names of tables, columns and files are ours; a view takes no parameters.
    connection.execute(f"CREATE VIEW {table} AS SELECT {columns} FROM ({source})")  # noqa: S608


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
