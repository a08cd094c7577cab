"""Journal to Parquet: ours against polars and DuckDB reading decoded JSON, in the same run.

The same table out of each: lines of JSON are read from disk, and what comes out is the trades of the hour in
Parquet with zstd, level 1: 46 values of the broker and what names the line, typed alike (times and receive
times are instants of UTC, the halt is a flag, an empty value is null), in the table's order. Before any
figure is told, the three files are compared, every column of every row. The peers read what an intake that
decodes would have written, one JSON object a trade with the line's identity and 46 named values; ours cuts
the broker's text. What ours does besides, and the peers do not: SHA-256 of each segment, and each line's
CRC where it does not fit; lines, records and channels counted against the manifests; whatever is not in its
form to quarantine or `unparsed`; three columns more (`segment`, `extra`, `unparsed`); no line twice; order
checked; files and folders synced. In exchange the peers parse nearly three times as many bytes, and write
statistics of every column: ours are of those by which readers prune. Each measurement is a process of its
own, so that its peak memory is its own; rounds alternate.

    python bench/compaction.py [--rows 1000000] [--rounds 5] [--large]

`--large` compacts twenty times the rows, too, in the same hour and with peak memory (7 GB of disk per
20 M rows, and as much for the lines on their way); without it the cost's growth is measured from a
twentieth of the rows to all of them.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from zlib import crc32

import duckdb
import polars as pl
import zstandard

from observer_core.brokers.kis.catalogue import CHANNELS, FieldType
from observer_core.journal import LineBuilder, Manifest, Received, SealReason
from observer_core.journal.segment import encode_manifest
from observer_core.lake.compaction import compact_hour
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.settings import Paths, PathSettings
from observer_core.settings.paths import Track

DAY, HOUR = date(2026, 9, 15), 9
NINE_NS = 1_789_430_400 * 10**9
SEGMENT_BYTES = 64 * 1024 * 1024
FIELDS = CHANNELS["H0STCNT0"].fields


class Symbol:
    """A symbol whose cumulative figures add up."""

    def __init__(self, code, rng):
        self.code, self.rng = code, rng
        self.price = self.open = self.high = self.low = rng.randrange(500, 3000) * 100
        self.high_time = self.low_time = "090000"
        self.volume = self.value = 0
        self.counts, self.volumes = {"1": 0, "5": 0}, {"1": 0, "5": 0}
        self.resting = [50_000, 40_000, 900_000, 800_000]
        self.previous = rng.randrange(10**5, 10**7)

    def trade(self, clock):
        rng = self.rng
        self.price = max(1000, self.price + rng.choice((-100, 0, 0, 0, 0, 100)))
        if self.price > self.high:
            self.high, self.high_time = self.price, clock
        if self.price < self.low:
            self.low, self.low_time = self.price, clock
        volume, side = min(int(rng.paretovariate(1.1)), 50_000), rng.choice("15")
        self.volume += volume
        self.value += volume * self.price
        self.counts[side] += 1
        self.volumes[side] += volume
        self.resting = [max(1, figure + rng.randrange(-300, 301)) for figure in self.resting]
        return self._values(clock, volume, side)

    def _values(self, clock, volume, side):
        price, buy, sell = self.price, self.volumes["1"], self.volumes["5"]
        change = price - self.open
        return [
            self.code, clock, price, _sign(change), change, f"{change / self.open * 100:.2f}",
            f"{self.value / self.volume:.2f}", self.open, self.high, self.low, price + 100, price, volume,
            self.volume, self.value, self.counts["5"], self.counts["1"], self.counts["1"] - self.counts["5"],
            f"{buy / max(1, sell) * 100:.2f}", sell, buy, side, f"{buy / self.volume:.2f}",
            f"{self.volume / self.previous * 100:.2f}", "090000", _sign(change), change, self.high_time,
            _sign(price - self.high), price - self.high, self.low_time, _sign(price - self.low),
            price - self.low, f"{DAY:%Y%m%d}", "20", "N", *self.resting, f"{self.volume / 1e8 * 100:.2f}",
            self.previous // 2, f"{self.volume / self.previous * 200:.2f}", "0", "", self.open, "2",
        ]  # fmt: skip


def _sign(change):
    return "2" if change > 0 else "5" if change < 0 else "3"


def write_inputs(paths, decoded, rows):
    """Writes the same trades as sealed segments and as decoded JSON."""
    rng = random.Random(7)
    symbols = [Symbol(f"{660 + 1370 * number:06d}", rng) for number in range(41)]
    numeric = [field.type in (FieldType.INTEGER, FieldType.DECIMAL) for field in FIELDS]
    names = [field.name for field in FIELDS]
    builder, lines, size, sequence, wall = LineBuilder("kis", "0"), [], 0, 1, NINE_NS
    with decoded.open("w") as file:
        for number in range(rows):
            second = 9 * 3600 + 3599 * number // rows
            clock = f"{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"
            symbol = symbols[min(int(rng.expovariate(0.12)), 40)]
            values = symbol.trade(clock)
            wall += rng.randrange(1, 2 * 3600 * 10**9 // rows)
            record = "^".join(map(str, values))
            line = builder.plain(Received(1, number, wall, wall), 0, "H0STCNT0", symbol.code, record)
            lines.append((line, symbol.code))
            size += len(line)
            envelope = {"provider": "kis", "shard": "0", "epoch": 1, "frame": number, "record": 0,
                        "wall_ns": wall, "channel": "H0STCNT0"}  # fmt: skip
            named = {n: float(v) if is_number and isinstance(v, str) else v
                     for n, v, is_number in zip(names, values, numeric, strict=True)}  # fmt: skip
            file.write(json.dumps(envelope | named) + "\n")
            if size >= SEGMENT_BYTES:
                _seal(paths, sequence, lines)
                lines, size, sequence = [], 0, sequence + 1
    _seal(paths, sequence, lines)


def _seal(paths, sequence, lines):
    folder = paths.journal(Track.SCALP, DAY)
    folder.mkdir(parents=True, exist_ok=True)
    content = b"".join(line for line, _ in lines)
    stem = f"0_{HOUR:02d}_{sequence:06d}"
    (folder / f"{stem}.jsonl").write_bytes(content)
    manifest = Manifest(
        segment=f"{stem}.jsonl", provider="kis", shard="0", track="scalp", day=DAY, hour=HOUR,
        sequence=sequence, lines=len(lines), records=len(lines), bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(), first_wall_ns=NINE_NS, last_wall_ns=NINE_NS,
        first_epoch=1, last_epoch=1, counts={"H0STCNT0": dict(Counter(code for _, code in lines))},
        sealed_by=SealReason.HOUR, continuity={},
    )  # fmt: skip
    (folder / f"{stem}.manifest.json").write_bytes(encode_manifest(manifest))


def multiply(paths, times):
    """Makes the hour so many times larger: the same trades in further epochs."""
    folder = paths.journal(Track.SCALP, DAY)
    segments = sorted(folder.glob("*.jsonl"))
    for epoch in range(2, times + 1):
        for segment in segments:
            lines = []
            for line in segment.read_bytes().splitlines():
                body = line[: -len(',"crc":"00000000"}')].replace(b'"epoch":1,', b'"epoch":%d,' % epoch)
                code = line[line.index(b'"key":"') + 7 :][:6].decode()
                lines.append((body + b',"crc":"%08x"}\n' % crc32(body), code))
            _seal(paths, (epoch - 1) * len(segments) + int(segment.stem[-6:]), lines)


SCHEMA = SCHEMAS[Table.SCALP_TRADES]
TIMES = ("time", "open_time", "high_time", "low_time")
# What a decoding intake has not: which segment a line is of, and values beyond the known ones.
OURS_ALONE = ("segment", "extra", "unparsed")
COLUMNS = [name for name in SCHEMA.polars if name not in OURS_ALONE]


def ours(root):
    compact_hour(layout(root), DAY, HOUR)


def polars_peer(root):
    instants = [
        (pl.lit(DAY).dt.combine(pl.col(name).str.to_time("%H%M%S", strict=False), "us") - timedelta(hours=9))
        .dt.replace_time_zone("UTC")
        .alias(name)
        for name in TIMES
    ]
    frame = pl.scan_ndjson(root / "decoded.jsonl").with_columns(
        *instants,
        pl.col("business_date").str.to_date("%Y%m%d"),
        (pl.col("halted") == "Y").alias("halted"),
        pl.col("random_end_code").replace("", None),
        (pl.col("wall_ns") // 1000).cast(pl.Datetime("us", "UTC")).alias("received_at"),
        pl.lit(DAY).alias("trading_day"),
        pl.lit("KRX").alias("venue"),
    )
    frame.select(COLUMNS).sort(SCHEMA.sort_key).sink_parquet(
        root / "polars.parquet", compression="zstd", compression_level=1
    )


def duckdb_peer(root):
    # By way of numbers: parsing a time zone takes DuckDB twice as long as all the rest.
    instant = "make_timestamptz(epoch_us(strptime('{day}' || {name}, '%Y%m%d%H%M%S')) - 32400000000)"
    made = {
        **{name: instant.format(day=f"{DAY:%Y%m%d}", name=name) for name in TIMES},
        "business_date": "strptime(business_date, '%Y%m%d')::DATE",
        "halted": "halted = 'Y'",
        "random_end_code": "nullif(random_end_code, '')",
        "received_at": "make_timestamptz(wall_ns // 1000)",
        "trading_day": f"DATE '{DAY}'",
        "venue": "'KRX'",
    }
    columns = ", ".join(f"{made[name]} AS {name}" if name in made else name for name in COLUMNS)
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"SET temp_directory = '{root}'")
        connection.execute(
            f"""COPY (
                SELECT {columns} FROM read_json('{root}/decoded.jsonl', format = 'newline_delimited')
                ORDER BY {", ".join(SCHEMA.sort_key)}
            ) TO '{root}/duckdb.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"""
        )


def require_same_tables(root):
    """Ends the run where a peer's table is not ours, value by value."""
    mine = pl.scan_parquet(hour_file(root)).select(COLUMNS)
    for peer in ("polars", "duckdb"):
        theirs = pl.scan_parquet(root / f"{peer}.parquet")
        for name in COLUMNS:
            one, other = (frame.select(name).collect().to_series() for frame in (mine, theirs))
            if not one.equals(other.cast(one.dtype), null_equal=True):
                raise SystemExit(f"Column {name} of {peer} is not ours: {other.dtype}, ours {one.dtype}.")


def layout(root):
    return Paths(PathSettings.load({"OBSERVER_DATA_DIR": str(root), "OBSERVER_SNAPSHOT_DIR": str(root)}))


def hour_file(root):
    return layout(root).lake_hour(SCHEMA.name, DAY, HOUR)


def measured(action, root):
    """Returns wall seconds, processor seconds and peak memory of an action in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (action, root))


def _measure(action, root):
    # Modules are loaded and memory is taken by a first pass, which is not counted.
    for _ in range(2):
        start = time.perf_counter(), time.process_time()
        action(root)
        wall, used = time.perf_counter() - start[0], time.process_time() - start[1]
    # Not ru_maxrss: it is inherited from the process that made this one.
    peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    return wall, used, int(peak) / 1024


def compare(root, rows, rounds):
    """Returns the best of some rounds, which alternate."""
    runs = {action: [] for action in (ours, polars_peer, duckdb_peer)}
    for _ in range(rounds):
        for action, found in runs.items():
            found.append(measured(action, root))
    seconds = {action: min(wall for wall, _, _ in found) for action, found in runs.items()}
    cpu = {action: min(used for _, used, _ in found) for action, found in runs.items()}
    peers = (polars_peer, duckdb_peer)
    return cpu[ours], {
        "rows": rows,
        "ours_rows_per_second": round(rows / seconds[ours]),
        "polars_rows_per_second": round(rows / seconds[polars_peer]),
        "duckdb_rows_per_second": round(rows / seconds[duckdb_peer]),
        "compaction.ratio_fastest_peer": round(min(seconds[peer] for peer in peers) / seconds[ours], 3),
        "compaction.ratio_fastest_peer_processor_time": round(
            min(cpu[peer] for peer in peers) / cpu[ours], 3
        ),
        "compaction.rss_mb": round(max(peak for _, _, peak in runs[ours])),
        "polars_rss_mb": round(max(peak for _, _, peak in runs[polars_peer])),
        "duckdb_rss_mb": round(max(peak for _, _, peak in runs[duckdb_peer])),
    }


def storage(root, rows):
    paths = layout(root)
    plain = sorted(paths.journal(Track.SCALP, DAY).glob("*.jsonl"))
    held = pl.scan_parquet(hour_file(root)).select(pl.len()).collect().item()
    if held != rows:
        raise SystemExit(f"{rows} trades were journaled, the lake holds {held}.")
    packed = sum(len(zstandard.compress(path.read_bytes(), 3)) for path in plain)
    return {
        "storage.bytes_per_trade_journal": round(sum(path.stat().st_size for path in plain) / rows, 1),
        "storage.bytes_per_trade_sealed": round(packed / rows, 1),
        "storage.bytes_per_trade_lake": round(hour_file(root).stat().st_size / rows, 1),
        "storage.bytes_per_trade_decoded_parquet": round((root / "polars.parquet").stat().st_size / rows, 1),
    }


def growth(root, cost, options):
    """Returns how cost and memory grow over twenty times the rows."""
    if options.large:
        multiply(layout(root), 20)
        _, large_cost, peak = measured(ours, root)
        return {
            "compaction.cost_growth_20x": round(large_cost / cost, 1),
            "compaction.rss_mb": round(peak),
            "compaction.growth_to_rows": options.rows * 20,
        }
    small = root / "small"
    small.mkdir()
    write_inputs(layout(small), small / "decoded.jsonl", options.rows // 20)
    small_cost = min(measured(ours, small)[1] for _ in range(options.rounds))
    return {
        "compaction.cost_growth_20x": round(cost / small_cost, 1),
        "compaction.growth_to_rows": options.rows,
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=int(os.environ.get("BENCH_ROWS", "1000000")))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="grow to twenty times the rows")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-compaction-") as folder:
        root = Path(folder)
        write_inputs(layout(root), root / "decoded.jsonl", options.rows)
        cost, figures = compare(root, options.rows, options.rounds)
        require_same_tables(root)
        figures |= storage(root, options.rows)
        figures |= growth(root, cost, options)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:46} {figure:>12,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
