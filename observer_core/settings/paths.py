"""Where everything lies on disk, derived from the path contract.

Invariant: the four mounts are never created by a program; `require_mounts` names the variable of a
missing one. Folders below a mount are created where they are first written. No other module joins
a path of the layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from observer_core.errors import MissingMountError
from observer_core.settings.process import PathSettings


class Track(StrEnum):
    """The two tracks of the journal: the websocket feed, and the sweeps over the universe."""

    SCALP = "scalp"
    SWING = "swing"


@dataclass(frozen=True, slots=True)
class Mount:
    """One of the four mounts."""

    variable: str
    path: Path
    writable: bool


@dataclass(frozen=True, slots=True)
class Paths:
    """The layout below the mounts of one deployment."""

    settings: PathSettings

    @classmethod
    def of_data(cls, folder: Path) -> Paths:
        """Returns the layout of a data folder, wherever it lies, for those who only read in it."""
        named = {"OBSERVER_DATA_DIR": str(folder), "OBSERVER_SNAPSHOT_DIR": str(folder)}
        return cls(PathSettings.load(named))

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """The four mounts with the variable that names each."""
        return (
            Mount("OBSERVER_DATA_DIR", self.settings.data_dir, writable=True),
            Mount("OBSERVER_LOG_DIR", self.settings.log_dir, writable=True),
            Mount("OBSERVER_CONFIG_DIR", self.settings.config_dir, writable=False),
            Mount("OBSERVER_SNAPSHOT_DIR", self.settings.snapshot_dir, writable=True),
        )

    def require_mounts(self) -> None:
        """Checks that every mount is there.

        Raises:
            MissingMountError: One is not; the message names its variable.
        """
        for mount in self.mounts:
            if not mount.path.is_dir():
                raise MissingMountError(
                    f"{mount.variable} names {mount.path}, which is not a directory.",
                    remedy=f"Mount a volume there, or set {mount.variable} to the mounted path.",
                )

    @property
    def data(self) -> Path:
        return self.settings.data_dir

    @property
    def lake(self) -> Path:
        return self.settings.lake_dir or self.data / "lake"

    @property
    def quarantine(self) -> Path:
        return self.data / "quarantine"

    @property
    def reference(self) -> Path:
        return self.data / "reference"

    @property
    def token_cache(self) -> Path:
        return self.settings.token_cache_dir / "token_cache.json"

    @property
    def collector_changes(self) -> Path:
        """The settings of the collector that may change while it runs."""
        return self.settings.config_dir / "collector.json"

    def connect_budget(self, fingerprint: str) -> Path:
        """Returns the file that remembers an app key's attempts to connect."""
        return self.settings.token_cache_dir / f"connects-{fingerprint}.json"

    @property
    def symbol_health(self) -> Path:
        return self.data / "symbol_health.json"

    @property
    def contract_report(self) -> Path:
        """The last report about the execution contracts."""
        return self.settings.maintenance_log_dir / "contracts.html"

    def alerts(self, shard: str) -> Path:
        """Returns the file of what a shard's collector has reported and not taken back."""
        return self.settings.system_log_dir / f"alerts-{shard}.json"

    @property
    def locks(self) -> Path:
        return self.data / "locks"

    @property
    def backup(self) -> Path:
        """What is known of the backup target: which one it is, and what has left for it."""
        return self.data / "backup"

    @property
    def backup_lock(self) -> Path:
        """The file whose lock keeps two processes from shipping, dumping or restoring at once."""
        return self.locks / "backup.lock"

    def journal(self, track: Track, day: date | None = None) -> Path:
        """Returns the folder of a track's segments, or that of one receive day in Korean time."""
        folder = self.data / "assets" / track.value
        return folder if day is None else folder / f"{day:%Y%m%d}"

    def departed_manifests(self, track: Track, day: date) -> Path:
        """Returns the file of the manifests of a day whose segments have left the node."""
        return self.journal(track) / f"manifests_{day:%Y%m%d}.jsonl.gz"

    def epochs(self, track: Track, shard: str) -> Path:
        """Returns the file that counts a shard's broker connections."""
        return self.journal(track) / f"epochs-{shard}.json"

    def collector_lock(self, fingerprint: str) -> Path:
        """Returns the file whose lock makes its holder the writer of an app key."""
        return self.locks / f"collector-{fingerprint}.lock"

    def shard_lock(self, shard: str) -> Path:
        """Returns the file whose lock makes its holder the writer of a shard's files."""
        return self.locks / f"shard-{shard}.lock"

    def master_files(self, day: date) -> Path:
        """Returns the folder of the raw master files of a day."""
        return self.reference / "kis-master" / f"{day:%Y%m%d}"

    def symbols(self, day: date) -> Path:
        """Returns the file of the symbols of a day."""
        return self.data / "symbols" / f"symbols_{day:%Y%m%d}.json"

    def universe(self, day: date) -> Path:
        """Returns the file of the universe of a trading day."""
        return self.settings.snapshot_dir / f"{day:%Y%m%d}_kr_stocks.json"

    def lake_table(self, table: str) -> Path:
        """Returns the folder of a table's closed days."""
        return self.lake / table

    def lake_day(self, table: str, day: date) -> Path:
        """Returns the file of a closed day."""
        return self.lake / table / f"date={day:%Y-%m-%d}" / "day.parquet"

    def lake_open_table(self, table: str) -> Path:
        """Returns the folder of a table's open days."""
        return self.lake / "open" / table

    def lake_open_day(self, table: str, day: date) -> Path:
        """Returns the folder of an open day's hours."""
        return self.lake_open_table(table) / f"date={day:%Y-%m-%d}"

    def lake_hour(self, table: str, day: date, hour: int) -> Path:
        """Returns the file of one receive hour (0 to 23, Korean time) of an open day."""
        return self.lake_open_day(table, day) / f"hour={hour:02d}" / "hour.parquet"

    def lake_so_far(self, table: str, day: date) -> Path:
        """Returns the file of a derived table of an open day, made from all hours so far."""
        return self.lake_open_day(table, day) / "so_far.parquet"

    def lake_hour_receipt(self, day: date, hour: int) -> Path:
        """Returns the file that tells what an hour of an open day was made from."""
        return self.lake_open_day("receipts", day) / f"hour={hour:02d}.json"

    def lake_day_receipt(self, day: date) -> Path:
        """Returns the file that tells what a closed day was made from; with it, the day is closed."""
        return self.lake / "receipts" / f"date={day:%Y-%m-%d}.json"

    def lake_work(self, day: date) -> Path:
        """Returns the folder of a day's unfinished files, on the lake's volume."""
        return self.lake / ".work" / f"{day:%Y-%m-%d}"

    def lake_lock(self, day: date) -> Path:
        """Returns the file whose lock keeps two processes from changing a day of the lake at once."""
        return self.locks / f"lake-{day:%Y%m%d}.lock"

    def quarantine_folder(self, day: date) -> Path:
        """Returns the folder of what compaction set aside of a receive day."""
        return self.quarantine / f"{day:%Y%m%d}"

    def quarantine_file(self, day: date, segment: str) -> Path:
        """Returns the file of the lines of a segment that compaction set aside."""
        return self.quarantine_folder(day) / f"{segment.removesuffix('.jsonl')}.jsonl"
