"""The names by which people filter the graph: groups, owner, kinds, metadata keys.

Invariant: no other module writes one of these as text, so that a filter or a plot over months never
meets two spellings.
"""

from __future__ import annotations

from enum import StrEnum

OWNER = "team:observer"

# Counted rows over time are plotted by Dagster: same key and type in every run.
ROW_COUNT = "dagster/partition_row_count"
COLUMN_SCHEMA = "dagster/column_schema"
COLUMN_LINEAGE = "dagster/column_lineage"
TABLE_NAME = "dagster/table_name"


class Group(StrEnum):
    """The groups of the asset graph, from the broker to the day's close."""

    BROKER = "broker"
    REFERENCE = "reference"
    FEED = "feed"
    LAKE = "lake"
    WAREHOUSE = "warehouse"
    OPERATIONS = "operations"
    CONTRACTS = "contracts"


class Tag(StrEnum):
    """Keys of tags on assets, jobs and runs."""

    LAYER = "observer/layer"
    TRADING_DAY = "observer/trading_day"
    TRIGGER = "observer/trigger"
    JOURNAL_STATE = "observer/journal_state"
    MAX_RUNTIME = "dagster/max_runtime"
    KUBERNETES = "dagster-k8s/config"
