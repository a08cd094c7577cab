"""What Dagster shows but does not make: the broker, and the collector with its journal.

Invariant: these assets have no code here. The collector runs on its own, so that a deployment of the
pipeline never cuts the market feed; what it wrote is observed when it is compacted.
"""

from __future__ import annotations

import dagster as dg

from observer_core.lake.columns import Column, ColumnType, TableSchema
from observer_pipeline import keys
from observer_pipeline.declaration import declare
from observer_pipeline.vocabulary import Group

# The keys of a line, in their order (observer_core.journal.envelope); a test compares them with a real line.
JOURNAL_LINE = TableSchema(
    "journal",
    "One line of the journal.",
    (
        Column("v", ColumnType.INTEGER, "Format of the line.", required=True),
        Column("provider", ColumnType.TEXT, "Broker that sent the record.", required=True),
        Column("shard", ColumnType.TEXT, "Shard of the journal: one app key.", required=True),
        Column("epoch", ColumnType.INTEGER, "Broker connection; never reused.", required=True),
        Column("frame", ColumnType.INTEGER, "Message in the epoch.", required=True),
        Column("record", ColumnType.INTEGER, "Index of the record in its message.", required=True),
        Column("wall_ns", ColumnType.INTEGER, "Receive time, Unix epoch.", "ns", required=True),
        Column("mono_ns", ColumnType.INTEGER, "The machine's monotonic clock.", "ns", required=True),
        Column("channel", ColumnType.TEXT, "Channel of the broker, or `_control`.", required=True),
        Column("key", ColumnType.TEXT, "Symbol, or kind of a control record.", required=True),
        Column("payload", ColumnType.TEXT, "The record, verbatim.", required=True),
        Column("encoding", ColumnType.TEXT, "base64 where the payload is not text."),
        Column("crc", ColumnType.TEXT, "CRC32 of the line before it.", required=True),
    ),
    sort_key=("epoch", "frame", "record"),
    unique_key=("provider", "shard", "epoch", "frame", "record"),
)


def external_assets(days: dg.PartitionsDefinition[str]) -> list[dg.AssetSpec]:
    """Returns the declarations of everything that others provide."""
    return [*_broker(), *_feed(days)]


def _broker() -> list[dg.AssetSpec]:
    return [
        declare(
            keys.KIS_REST,
            Group.BROKER,
            "The REST interface of KIS Open API: tokens, and present prices of 30 symbols a request. Right "
            "when the app key is accepted; its failures are external and never violations of our own "
            "contracts.",
            kinds=("http", "json"),
        ),
        declare(
            keys.KIS_MASTER_SERVER,
            Group.BROKER,
            "The broker's download server of master files, one zip a market, packed anew each morning; it "
            "needs no key. Right when both files are of the trading day.",
            kinds=("http", "zip"),
        ),
        declare(
            keys.KIWOOM_REST,
            Group.BROKER,
            "The REST interface of a second broker, Kiwoom: its stock list stands in where the master files "
            "of KIS cannot be had. Right when the app key is accepted; without one it is not asked.",
            kinds=("http", "json"),
        ),
        declare(
            keys.KIS_WEBSOCKET,
            Group.BROKER,
            "The broker's real-time feed: trades and order books of at most 41 registrations for each app "
            "key, one session a key. Right while every registration is acknowledged and delivers.",
            kinds=("websocket",),
        ),
    ]


def _feed(days: dg.PartitionsDefinition[str]) -> list[dg.AssetSpec]:
    return [
        declare(
            keys.COLLECTOR,
            Group.FEED,
            "The collector: a service of its own that writes what the broker sends, and judges nothing. "
            "Right while it is ready; a lock on the data volume makes it the only writer of its app key.",
            kinds=("python",),
            deps=(
                keys.KIS_WEBSOCKET,
                keys.KIS_REST,
                keys.ACCESS_TOKEN,
                keys.APPROVAL_KEY,
                keys.UNIVERSE,
            ),
        ),
        declare(
            keys.SCALP_JOURNAL,
            Group.FEED,
            "A line is one record of the websocket feed, verbatim, in an envelope that names it for ever; "
            "control lines tell of connections, holes and gaps. Written by the collector in segments, "
            "sealed each hour. Right when every traded hour has sealed segments and each trade continues "
            "the cumulative volume.",
            kinds=("jsonl",),
            deps=(keys.COLLECTOR,),
            days=days,
            schema=JOURNAL_LINE,
        ),
        declare(
            keys.SWING_JOURNAL,
            Group.FEED,
            "A line is one symbol's row of a sweep over the universe, verbatim, in the same envelope. "
            "Written by the collector each sweep. Right when every traded hour has sealed segments.",
            kinds=("jsonl",),
            deps=(keys.COLLECTOR,),
            days=days,
            schema=JOURNAL_LINE,
        ),
    ]
