"""What a materialization shows: columns, counts, a sample.

Invariant: the same number stands under the same key and type in every run, so that Dagster can plot
it; nothing here is a secret, for metadata is stored and shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

import dagster as dg

from observer_core.lake.columns import TableSchema

if TYPE_CHECKING:
    import polars as pl

# A sample is stored with each event: a few rows of what a person reads first.
SAMPLE_ROWS = 5
_SAMPLE_COLUMNS = 14


def column_schema(schema: TableSchema) -> dg.TableSchema:
    """Returns a declared table as the Dagster UI shows it, with units and the broker's field names."""
    columns = []
    for column in schema.columns:
        tags = {"unit": column.unit} if column.unit else {}
        origin = f" Source: `{column.source}`." if column.source else ""
        columns.append(
            dg.TableColumn(
                name=column.name,
                type=column.type.value,
                description=column.description + origin,
                constraints=dg.TableColumnConstraints(nullable=not column.required),
                tags=tags,
            )
        )
    return dg.TableSchema(columns=columns)


def sample(rows: pl.LazyFrame) -> dg.TableMetadataValue:
    """Returns the first rows of a table, the leading columns only."""
    leading = rows.collect_schema().names()[:_SAMPLE_COLUMNS]
    shown = rows.select(leading).head(SAMPLE_ROWS).collect()
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({name: _shown(value) for name, value in row.items()})
            for row in shown.iter_rows(named=True)
        ],
        schema=dg.TableSchema([dg.TableColumn(name, str(kind)) for name, kind in shown.schema.items()]),
    )


def sample_records(rows: Sequence[Mapping[str, object]]) -> dg.TableMetadataValue:
    """Returns the first of some rows, the leading columns only."""
    leading = list(rows[0])[:_SAMPLE_COLUMNS] if rows else []
    return dg.MetadataValue.table(
        records=[dg.TableRecord({name: _shown(row[name]) for name in leading}) for row in rows[:SAMPLE_ROWS]],
        schema=dg.TableSchema([dg.TableColumn(name) for name in leading]),
    )


def _shown(value: object) -> str | int | float | bool | None:
    if isinstance(value, str):
        # A member of an enum is none of the types that Dagster stores.
        return str(value)
    if value is None or isinstance(value, int | float | bool):
        return value
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    return value.isoformat() if isinstance(value, date) else str(value)
