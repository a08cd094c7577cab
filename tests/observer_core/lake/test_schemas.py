"""The declared tables agree with the broker's catalogue."""

import pytest

from observer_core.brokers.kis.catalogue import CHANNELS, MULTI_PRICE_FIELDS
from observer_core.lake.columns import ColumnType
from observer_core.lake.descriptions import DESCRIPTIONS
from observer_core.lake.schemas import SCHEMAS, Table, table_of


def test_every_channel_has_its_table():
    expected = {
        "H0STCNT0": "scalp_trades", "H0NXCNT0": "scalp_trades", "H0UNCNT0": "scalp_trades",
        "H0STASP0": "scalp_quotes", "H0NXASP0": "scalp_quotes", "H0UNASP0": "scalp_quotes",
        "H0STMKO0": "market_events", "H0NXMKO0": "market_events", "H0UNMKO0": "market_events",
        "FHKST11300006": "swing_snapshots", "H0STANC0": "raw_records", "H0STPGM0": "raw_records",
        "H0NEVER0": "raw_records", "FHPST01060000": "backfill_trades", "FHKST03010200": "raw_records",
    }  # fmt: skip
    assert {channel: table_of(channel).value for channel in expected} == expected


@pytest.mark.parametrize(
    ("table", "channels"),
    [
        (Table.SCALP_TRADES, ("H0STCNT0", "H0NXCNT0", "H0UNCNT0")),
        (Table.SCALP_QUOTES, ("H0STASP0", "H0NXASP0", "H0UNASP0")),
        (Table.MARKET_EVENTS, ("H0STMKO0",)),
    ],
)
def test_every_field_of_a_channel_is_a_column(table, channels):
    names = set(SCHEMAS[table].polars.names())
    for channel in channels:
        assert {field.name for field in CHANNELS[channel].fields} <= names


def test_the_counts_of_the_broker_reference_hold():
    """47 values of a trade, 29 keys of multi-price, 40 figures of ten levels."""
    ours = {"trading_day", "venue", "extra", "unparsed"}
    identity = {"provider", "shard", "epoch", "frame", "record", "received_at", "segment"}
    trades = set(SCHEMAS[Table.SCALP_TRADES].polars.names()) - ours - identity
    snapshots = set(SCHEMAS[Table.SWING_SNAPSHOTS].polars.names()) - ours - identity
    levels = [name for name in SCHEMAS[Table.SCALP_QUOTES].polars.names() if name[-1].isdigit()]
    assert (len(trades), len(snapshots), len(levels)) == (47, 29, 40)


def test_no_description_is_left_over():
    used = {
        field.name
        for channel in CHANNELS.values()
        for field in channel.fields
        if table_of(channel.name) != Table.RAW_RECORDS
    }
    used |= {field.name for field in MULTI_PRICE_FIELDS}
    assert set(DESCRIPTIONS) == used


def test_numbers_have_units_and_every_column_has_a_sentence():
    for schema in SCHEMAS.values():
        assert schema.description.endswith(".")
        for column in schema.columns:
            assert column.description.endswith("."), column
            if column.type is ColumnType.DECIMAL:
                assert column.unit, f"{schema.name}.{column.name} has no unit"


def test_prices_and_values_are_whole_won():
    for schema in SCHEMAS.values():
        for column in schema.columns:
            if column.unit == "KRW" and column.name not in ("weighted_average_price", "vwap"):
                assert column.type is ColumnType.INTEGER
