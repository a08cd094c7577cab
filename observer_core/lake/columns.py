"""What a column of a table is.

Invariant: a column's type here decides its type in Parquet and in PostgreSQL; nobody writes a second
list of columns.

Decimals of the broker (rates in %, the weighted average price) are Float64 and not Decimal: a Decimal
has one scale for ever, and a digit more than today's two would be rounded away silently, while a
Float64 gives back any decimal text of up to 15 digits exactly. Prices, volumes and values are Int64.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import TYPE_CHECKING

# The declarations are read where no frame is ever made: by the Dagster code location, for one, which
# would need twice its memory with these two.
if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


class ColumnType(StrEnum):
    """The types of columns."""

    TEXT = "text"
    TEXTS = "texts"
    INTEGER = "integer"
    DECIMAL = "decimal"
    INSTANT = "instant"
    DATE = "date"
    FLAG = "flag"

    @property
    def polars(self) -> pl.DataType:
        """The type in memory. Instants are UTC, exact to the microsecond, as PostgreSQL holds them."""
        return _polars_types()[self]


@cache
def _polars_types() -> dict[ColumnType, pl.DataType]:
    import polars as pl  # noqa: PLC0415 - see above

    return {
        ColumnType.TEXT: pl.String(),
        ColumnType.TEXTS: pl.List(pl.String()),
        ColumnType.INTEGER: pl.Int64(),
        ColumnType.DECIMAL: pl.Float64(),
        ColumnType.INSTANT: pl.Datetime("us", "UTC"),
        ColumnType.DATE: pl.Date(),
        ColumnType.FLAG: pl.Boolean(),
    }


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: Its name in every layer.
        type: What it holds.
        description: What it means, one sentence.
        unit: Unit of a number; empty for everything else.
        source: Where its value comes from: the broker's field (`stck_prpr`), or a word for ours.
        required: Whether a record without a readable value is refused.
    """

    name: str
    type: ColumnType
    description: str
    unit: str = ""
    source: str = ""
    required: bool = False


# What names a journal line for ever; rows that share it are one line stored twice.
IDENTITY_KEY = ("provider", "shard", "epoch", "frame", "record")

IDENTITY = (
    Column("provider", ColumnType.TEXT, "Broker that sent the record.", source="journal", required=True),
    Column("shard", ColumnType.TEXT, "Shard of the journal: one app key.", source="journal", required=True),
    Column("epoch", ColumnType.INTEGER, "Broker connection; never reused.", source="journal", required=True),
    Column("frame", ColumnType.INTEGER, "Message in the epoch.", source="journal", required=True),
    Column(
        "record", ColumnType.INTEGER, "Index of the record in its message.", source="journal", required=True
    ),
    Column(
        "received_at", ColumnType.INSTANT, "When the message was received.", source="journal", required=True
    ),
    Column(
        "segment", ColumnType.TEXT, "Journal segment that holds the line.", source="journal", required=True
    ),
)


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table, in order.

    Attributes:
        name: The table.
        description: What a row is.
        columns: Its columns.
        sort_key: Columns by which its rows are ordered; the first one prunes what a reader skips.
        unique_key: Columns that no two rows share.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    sort_key: tuple[str, ...]
    unique_key: tuple[str, ...]

    @cached_property
    def polars(self) -> pl.Schema:
        """The schema in memory."""
        import polars as pl  # noqa: PLC0415 - see the head of the module

        return pl.Schema({column.name: column.type.polars for column in self.columns})

    @cached_property
    def arrow(self) -> pa.Schema:
        """The schema in Parquet, with description, unit and source of each column."""
        import pyarrow as pa  # noqa: PLC0415 - as above

        plain = self.empty().to_arrow().schema
        return pa.schema(
            [
                plain.field(column.name).with_metadata(
                    {"description": column.description, "unit": column.unit, "source": column.source}
                )
                for column in self.columns
            ]
        )

    def empty(self) -> pl.DataFrame:
        """Returns a frame without rows."""
        import polars as pl  # noqa: PLC0415 - see the head of the module

        return pl.DataFrame(schema=self.polars)
