"""`observer sql`: SQL over the lake, without a database server.

Invariant: a query can read the lake and nothing else, and changes nothing; a day is there once, whether it is
closed or open, also where it is closed while the query runs. What is asked is answered or refused, never left
out in silence.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import duckdb

from observer_core.errors import ConfigurationError, InputError, StorageError
from observer_core.lake import parquet, readers
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.settings import Paths, PathSettings

# DuckDB lets a query write wherever it lets it read, so that the kind of each statement decides.
_EXPLAIN = re.compile(r"\s*explain\b(?P<options>\s+analyze\b|\s*\([^()]*\)(?=\s*\w))?", re.IGNORECASE)

# A day is closed once: asked again, its file is there.
_ATTEMPTS = 3

# Without them DuckDB makes several statements of it, some of which write.
_NAME_VALUES = "Name the values of a PIVOT: PIVOT bars_1m ON venue IN ('KRX', 'NXT') USING sum(volume)."

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
        InputError: There is no query, or more than one.
    """
    query = sys.stdin.read() if arguments.query is None else arguments.query
    paths = Paths(PathSettings.load()) if arguments.data is None else Paths.of_data(arguments.data)
    for attempt in range(1, _ATTEMPTS + 1):
        connection = open_lake(paths)
        try:
            show(connection, query, as_csv=arguments.csv)
        except duckdb.IOException as error:
            # The hours that were listed went, because their day was closed.
            if attempt == _ATTEMPTS:
                raise ConfigurationError(
                    f"The query was refused: {error}.", remedy="Ask for files that are there."
                ) from error
        else:
            break
        finally:
            connection.close()
    return 0


def open_lake(paths: Paths) -> duckdb.DuckDBPyConnection:
    """Returns a connection with a view for each table of the lake.

    A table of which a file is damaged has none, and the file is named on standard error: the others can be
    asked.

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
        try:
            _add_view(connection, paths, table)
        except (StorageError, OSError, duckdb.Error) as error:
            sys.stderr.write(f"The table {table} is left out: {error}\n")
    connection.execute(f"SET allowed_directories = [{_text(str(paths.lake))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def show(connection: duckdb.DuckDBPyConnection, query: str, *, as_csv: bool = False) -> None:
    """Prints the rows of a query.

    Raises:
        ConfigurationError: It would change something, or DuckDB refuses it; the message is DuckDB's.
        IOException: DuckDB's, where a file has gone since the views were made.
        StorageError: It names a table of which a file is damaged.
        InputError: There is no query, or more than one.
    """
    try:
        _require_one_query(connection, query)
        rows = connection.sql(query)
        if as_csv:
            rows.pl().write_csv(sys.stdout)
        else:
            rows.show(max_width=160, max_rows=40)
    except duckdb.IOException:
        raise
    except duckdb.Error as error:
        asked = _left_out(connection, query) if isinstance(error, duckdb.CatalogException) else []
        if asked:
            raise StorageError(
                f"The query needs {', '.join(asked)}, which cannot be read.",
                remedy="Mend the file that is named above, or ask other tables.",
            ) from error
        raise ConfigurationError(
            f"The query was refused: {error}.",
            remedy="Correct it; docs/data-dictionary.md lists tables and columns.",
        ) from error


def _left_out(connection: duckdb.DuckDBPyConnection, query: str) -> list[Table]:
    """Returns the tables that a query names and that have no view."""
    views = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
    named = set(re.findall(r"\w+", query.lower()))
    return [table for table in Table if table in named and table not in views]


def _require_one_query(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    statements = connection.extract_statements(query)
    for statement in statements:
        if not _only_reads(connection, statement):
            raise ConfigurationError(
                f"This is no query, but {statement.type.name}: {statement.query.strip()[:80]!r}.",
                remedy=_NAME_VALUES
                if statement.type is duckdb.StatementType.MULTI
                else "Ask with SELECT, or EXPLAIN of a SELECT; write results elsewhere with --csv.",
            )
    if not statements:
        raise InputError("The query is empty.", remedy=f'Ask something, such as "{_EXAMPLE}".')
    if len(statements) > 1:
        raise InputError(
            f"These are {len(statements)} queries.", remedy="Ask one at a time, or join them by UNION ALL."
        )


def _only_reads(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> bool:
    if statement.type is duckdb.StatementType.SELECT:
        return True
    # EXPLAIN ANALYZE runs what it explains.
    explained = _EXPLAIN.match(statement.query)
    if statement.type is not duckdb.StatementType.EXPLAIN or explained is None:
        return False
    inner = connection.extract_statements(statement.query[explained.end() :])
    return [one.type for one in inner] == [duckdb.StatementType.SELECT]


def _add_view(connection: duckdb.DuckDBPyConnection, paths: Paths, table: Table) -> None:
    """Makes a table's view: of its files, or without rows where there are none.

    Raises:
        StorageError: A file is damaged.
        Error: DuckDB's, where it reads a file otherwise than the lake's own readers.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            connection.execute(f"CREATE VIEW {table} AS {_query_of(connection, paths, table)}")
        except (FileNotFoundError, duckdb.IOException):
            # As in `run`.
            if attempt == _ATTEMPTS:
                raise
        else:
            return


def _query_of(connection: duckdb.DuckDBPyConnection, paths: Paths, table: Table) -> str:
    """Returns the query that gives a table's rows, of its files as they are now."""
    days = readers.table_days(paths, table)
    found = {day: readers.table_files(paths, table, day) for day in days}
    for day, held in found.items():
        readers.require_told(paths, table, day, held)
    files = [file for held in found.values() for file in held]
    for file in files:
        with file.open("rb") as content:
            parquet.require_whole(content)
    columns = ", ".join(f'"{name}"' for name in SCHEMAS[table].polars.names())
    # The declaration gives names and types to columns that an older file lacks.
    source = f"({_no_rows(connection, table)})"
    if files:
        listed = ", ".join(_text(str(file)) for file in files)
        stored = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
        source += f" UNION ALL BY NAME FROM {stored}"
    # Names of tables, columns and files are ours; a view takes no parameters.
    return f"SELECT {columns} FROM ({source})"  # noqa: S608


def _no_rows(connection: duckdb.DuckDBPyConnection, table: Table) -> str:
    """Returns a query that gives a table's columns with their types, and no row."""
    declared = connection.from_arrow(SCHEMAS[table].empty().to_arrow())
    typed = zip(declared.columns, declared.types, strict=True)
    columns = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in typed)
    return f"SELECT {columns} WHERE false"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
