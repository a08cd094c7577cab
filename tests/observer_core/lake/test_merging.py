"""Merging files of a table; polars' own sort of all their rows at once is the oracle."""

import random
from datetime import UTC, date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from observer_core.errors import ConservationError
from observer_core.lake.merging import Part, merge
from observer_core.lake.parquet import TableWriter
from observer_core.lake.schemas import SCHEMAS, Table

SCHEMA = SCHEMAS[Table.RAW_RECORDS]


def written(folder, name, identities, segment):
    """Writes a file of rows with these symbols, shards and frames; returns its path and the rows."""
    rows = pl.DataFrame(
        [
            {
                "trading_day": date(2026, 9, 15), "symbol": symbol, "channel": "H0UPANC0",
                "payload": f"{frame}",
                "provider": "kis", "shard": shard, "epoch": 1, "frame": frame, "record": 0,
                "received_at": datetime(2026, 9, 15, tzinfo=UTC), "segment": segment,
            }
            for symbol, shard, frame in identities
        ]
    ).match_to_schema(SCHEMA.polars, missing_columns="insert").sort(SCHEMA.sort_key)  # fmt: skip
    path = folder / name
    with TableWriter(path, SCHEMA) as writer:
        writer.write(rows)
    return path, rows


@pytest.mark.parametrize("chunk_rows", [1, 7, 60, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_rows_come_in_order_in_chunks_however_large_a_symbol_is(tmp_path, seed, chunk_rows):
    rng = random.Random(seed)
    identities = [
        (symbol, shard, frame)
        for symbol, frames in (("000020", 3), ("005930", 200), ("035720", 40), ("068270", 90))
        for shard in "01"
        for frame in range(frames)
    ]
    parts, kept = [], []
    for number in range(3):
        chosen = [one for one in identities if hash((seed, one)) % 3 == number]
        without = frozenset({"left-out"}) if number else frozenset()
        old = {one for one in chosen if number and rng.random() < 0.3}
        path, rows = written(tmp_path, f"{number}.parquet", chosen, "held")
        rows = rows.with_columns(
            segment=pl.Series(
                [
                    "left-out" if one in old else "held"
                    for one in rows.select("symbol", "shard", "frame").rows()
                ]
            )
        )
        with TableWriter(path, SCHEMA) as writer:
            writer.write(rows)
        parts.append(Part(path, without))
        kept.append(rows.filter(~pl.col("segment").is_in(without)))
    chunks = list(merge(parts, SCHEMA, chunk_rows=chunk_rows))
    assert_frame_equal(pl.concat(chunks), pl.concat(kept).sort(SCHEMA.sort_key))
    assert max(chunk.height for chunk in chunks) <= chunk_rows


def test_the_same_line_in_two_files_is_refused_where_a_symbol_is_cut(tmp_path):
    frames = [("005930", "0", frame) for frame in range(10)]
    first, _ = written(tmp_path, "a.parquet", frames, "a")
    second, _ = written(tmp_path, "b.parquet", frames[4:5], "b")
    for chunk_rows in range(1, 12):
        with pytest.raises(ConservationError, match="frame 4"):
            list(merge([Part(first), Part(second)], SCHEMA, chunk_rows=chunk_rows))
