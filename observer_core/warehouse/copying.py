"""Frames to COPY.

Invariant: rows go to PostgreSQL whole and in their order, inside the caller's transaction; what it refuses
is an error that tells why.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import closing
from datetime import date
from typing import cast

import polars as pl
from psycopg2 import DataError, IntegrityError, sql
from psycopg2.errors import QueryCanceled, UniqueViolation
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class with a small name
from sqlalchemy import Connection

from observer_core.errors import ConservationError
from observer_core.lake.ahead import made_ahead
from observer_core.warehouse import binary_copy
from observer_core.warehouse.partitions import partition_name
from observer_core.warehouse.tables import SCHEMA, WAREHOUSE_SCHEMAS, WarehouseTable


class _Pieces(io.BufferedIOBase):
    """Hands content to the driver, piece by piece, each as large as it is.

    Attributes:
        failure: Why the next piece could not be made; the driver tells of it as a failure of the server.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self.failure: Exception | None = None

    def read(self, _size: int | None = -1, /) -> bytes:
        try:
            return next(self._pieces, b"")
        except Exception as failure:
            self.failure = failure
            raise


def copy_rows(
    connection: Connection, table: WarehouseTable, day: date, frames: Iterable[pl.DataFrame]
) -> int:
    """Appends rows of one trading day, whose columns are named as the table's.

    All rows are one COPY; some thousand of them are read and brought into its binary form while PostgreSQL
    takes those before.

    Args:
        connection: A transaction.
        table: The table.
        day: Trading day of all rows; its partition is there, and refuses rows of another day.
        frames: Rows, some ten thousand at a time.

    Returns:
        Rows written, as PostgreSQL counted them.

    Raises:
        ConservationError: PostgreSQL refuses a row: most likely its identity is there already.
        Exception: Whatever `frames` raises.
    """
    columns = [column.name for column in WAREHOUSE_SCHEMAS[table].columns]
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(SCHEMA, partition_name(table, day)),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
    )
    encoded = binary_copy.encode(frame.select(columns) for frame in frames)
    # Closed here: left to the collector of garbage, what is made ahead might be ended within its own thread.
    with closing(made_ahead(encoded)) as pieces, cast("Cursor", connection.connection.cursor()) as cursor:
        _copy(cursor, statement, _Pieces(pieces), table)
        return cursor.rowcount


def _copy(cursor: Cursor, statement: sql.Composed, content: _Pieces, table: WarehouseTable) -> None:
    try:
        cursor.copy_expert(statement, content)
    except QueryCanceled:
        if content.failure is None:
            raise
        raise content.failure from None
    except UniqueViolation as error:
        raise ConservationError(
            f"Loading {table}: a row is there already, from another segment: {error.diag.message_detail}",
            remedy="Two segments hold one journal line; compare their manifests in the journal's folder.",
        ) from error
    except (IntegrityError, DataError) as error:
        raise ConservationError(
            f"Loading {table}: PostgreSQL refuses a row: {error.diag.message_primary} "
            f"{error.diag.message_detail or ''}",
            remedy="The lake's file holds what its table cannot: remove it and its receipt, and "
            "compact_hours makes it anew from the journal.",
        ) from error
