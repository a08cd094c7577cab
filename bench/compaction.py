"""Journal to Parquet: ours against polars reading decoded JSON, in the same run.

Ours reads sealed segments (raw envelopes), verifies every CRC, cuts, types, sorts, counts and publishes.
The peer reads what an intake that decodes would have written: one JSON object a trade with 47 named
values, and writes it to Parquet, once as it comes and once sorted by symbol. It verifies nothing.

    python bench/compaction.py [--rows 300000] [--rounds 3]
"""

import argparse
import hashlib
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path

import polars as pl

from observer_core.brokers.kis.catalogue import CHANNELS, FieldType
from observer_core.journal import LineBuilder, Manifest, Received, SealReason
from observer_core.journal.segment import encode_manifest
from observer_core.lake.compaction import compact_hour
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
            named = {n: float(v) if is_number and isinstance(v, str) else v
                     for n, v, is_number in zip(names, values, numeric, strict=True)}  # fmt: skip
            file.write(json.dumps({"epoch": 1, "frame": number, "wall_ns": wall, **named}) + "\n")
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


def best(rows, rounds, action):
    """Returns the best of some rounds in rows a second."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return rows / min(seconds)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-compaction-") as folder:
        root = Path(folder)
        paths = Paths(PathSettings.load({"OBSERVER_DATA_DIR": str(root), "OBSERVER_SNAPSHOT_DIR": str(root)}))
        decoded, peer_file = root / "decoded.jsonl", root / "peer.parquet"
        write_inputs(paths, decoded, options.rows)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ours = best(options.rows, options.rounds, lambda: compact_hour(paths, DAY, HOUR))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        [hour_file] = paths.lake_open_day("scalp_trades", DAY).glob("hour=*/hour.parquet")
        held = pl.scan_parquet(hour_file).select(pl.len()).collect().item()
        peer = pl.scan_ndjson(decoded)
        plain = best(options.rows, options.rounds, lambda: peer.sink_parquet(peer_file, compression="zstd"))
        in_order = peer.sort("symbol", "epoch", "frame")
        ordered = best(
            options.rows, options.rounds, lambda: in_order.sink_parquet(peer_file, compression="zstd")
        )
        figures = {
            "rows": options.rows,
            "ours_rows_per_second": round(ours),
            "polars_decoded_rows_per_second": round(plain),
            "polars_decoded_sorted_rows_per_second": round(ordered),
            "compaction.ratio_fastest_peer": round(ours / max(plain, ordered), 3),
            "compaction.ratio_sorted_peer": round(ours / ordered, 3),
            "compaction.rss_mb": round(peak / 1024),
            "rss_mb_before": round(before / 1024),
            "storage.bytes_per_trade_lake": round(hour_file.stat().st_size / held, 1),
            "storage.bytes_per_trade_decoded_parquet": round(peer_file.stat().st_size / held, 1),
        }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:42} {figure:>12,}")
    return 0 if held == options.rows else 1


if __name__ == "__main__":
    sys.exit(main())
