"""Frames to COPY.

Invariant: what PostgreSQL reads is what the frame holds: a null is empty and unquoted, an empty text is
quoted; instants carry their zone.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from datetime import date
from typing import cast

import polars as pl
from psycopg2 import DataError, IntegrityError, sql
from psycopg2.errors import UniqueViolation
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class with a small name
from sqlalchemy import Connection

from observer_core.errors import ConservationError
from observer_core.lake.ahead import one_ahead
from observer_core.warehouse.partitions import partition_name
from observer_core.warehouse.tables import SCHEMA, WarehouseTable

_INSTANT_FORMAT = "%Y-%m-%d %H:%M:%S%.6f+00"
# A text of PostgreSQL cannot hold this character; the lake keeps it.
_NUL, _SHOWN = "\0", "\ufffd"


def copy_rows(
    connection: Connection, table: WarehouseTable, day: date, frames: Iterable[pl.DataFrame]
) -> int:
    """Appends rows of one trading day, whose columns are named as the table's.

    COPY of CSV made by polars is three times faster than rows through the driver. The next frame is
    read and written as text while PostgreSQL takes the one before.

    Args:
        connection: A transaction.
        table: The table.
        day: Trading day of all rows; its partition is there, and refuses rows of another day.
        frames: Rows, some ten thousand at a time.

    Returns:
        Rows written.

    Raises:
        ConservationError: PostgreSQL refuses a row: most likely its identity is there already.
    """
    written = 0
    with cast("Cursor", connection.connection.cursor()) as cursor:
        for columns, text, rows in one_ahead(_as_csv(frames)):
            statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
                sql.Identifier(SCHEMA, partition_name(table, day)),
                sql.SQL(", ").join(map(sql.Identifier, columns)),
            )
            _copy_block(cursor, statement, text, table)
            written += rows
    return written


def _as_csv(frames: Iterable[pl.DataFrame]) -> Iterator[tuple[list[str], io.BytesIO, int]]:
    for frame in frames:
        if frame.is_empty():
            continue
        text = io.BytesIO()
        _as_text(frame).write_csv(text, include_header=False, datetime_format=_INSTANT_FORMAT)
        text.seek(0)
        yield frame.columns, text, frame.height


def _copy_block(cursor: Cursor, statement: sql.Composed, text: io.BytesIO, table: WarehouseTable) -> None:
    try:
        cursor.copy_expert(statement, text)
    except UniqueViolation as error:
        raise ConservationError(
            f"Loading {table}: a row is there already, from another segment: {error.diag.message_detail}",
            remedy="Two segments hold one journal line; compare their manifests in the journal's folder.",
        ) from error
    except (IntegrityError, DataError) as error:
        raise ConservationError(
            f"Loading {table}: PostgreSQL refuses a row: {error.diag.message_primary} "
            f"{error.diag.message_detail or ''}",
            remedy="The lake's file holds what its table cannot; compact the day anew.",
        ) from error


def _as_text(rows: pl.DataFrame) -> pl.DataFrame:
    lists = [name for name, kind in rows.schema.items() if isinstance(kind, pl.List)]
    written = rows.with_columns(_array_literal(name) for name in lists)
    return written.with_columns(pl.col(pl.String).str.replace_all(_NUL, _SHOWN, literal=True))


def _array_literal(name: str) -> pl.Expr:
    """Returns a list of texts as PostgreSQL writes an array; null stays null."""
    quoted = (
        pl.element().str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    )
    inner = pl.col(name).list.eval('"' + quoted + '"').list.join(",")
    return pl.when(pl.col(name).is_not_null()).then("{" + inner + "}").alias(name)
