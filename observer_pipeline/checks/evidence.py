"""What the contracts of a trading day look at, read once a step.

Invariant: evidence is counted from the files and tables themselves, not from what the step that made
them has reported; nothing here judges. The code location is loaded without this module: it needs polars
and SQLAlchemy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import cached_property

import polars as pl

from observer_core.accounting.compared import Reconciled
from observer_core.clock.base import kst_datetime
from observer_core.errors import InputError
from observer_core.journal.departed import manifests_of
from observer_core.journal.envelope import CONTROL_CHANNEL, ControlKind
from observer_core.journal.segment import Manifest
from observer_core.lake import readers, receipts
from observer_core.lake.parquet import row_count
from observer_core.lake.pending import unsealed_segments
from observer_core.lake.receipts import FileState, HourReceipt, SourceReceipt
from observer_core.lake.reconciling import reconcile_day
from observer_core.lake.schemas import JOURNAL_TABLES, SCHEMAS, Table, table_of
from observer_core.market.calendar import MarketCalendar, Session
from observer_core.reference.symbols import Symbols, read_symbols
from observer_core.reference.universe import Universe, earlier_universe, read_universe
from observer_core.retention.facts import journal_days
from observer_core.settings.paths import Paths, Track
from observer_pipeline.checks import figures, stored
from observer_pipeline.checks.rules.calendar import StrayDay
from observer_pipeline.checks.rules.conservation import HourCount
from observer_pipeline.checks.rules.tape import Gap, Hole, PriceCount, PriceRange, StepBack
from observer_pipeline.partitions import no_partition
from observer_pipeline.resources import Deployment

# Shares of Korean and foreign companies, and receipts (broker reference, 5.4).
_SHARES = frozenset({"ST", "FS", "DR"})
_GAP_KINDS = (ControlKind.HOLE, ControlKind.GAP)


class DayEvidence:
    """Everything about one trading day.

    Args:
        deployment: Paths, clock and settings.
        day: The trading day.
    """

    def __init__(self, deployment: Deployment, day: date) -> None:
        self.deployment = deployment
        self.day = day
        self.paths: Paths = deployment.paths

    @property
    def now(self) -> datetime:
        """The moment that is judged: the run's beginning."""
        return self.deployment.instant

    @cached_property
    def session(self) -> Session:
        """The hours of the exchange."""
        return MarketCalendar().session(self.day)

    @property
    def day_is_over(self) -> bool:
        """Whether the last data of the day was due already."""
        return self.now >= self.session.at(self.session.data_ends)

    @cached_property
    def symbols(self) -> Symbols:
        """The day's symbols."""
        return read_symbols(self.paths.symbols(self.day))

    @cached_property
    def universe(self) -> Universe:
        """The day's universe."""
        return read_universe(self.paths.universe(self.day))

    @cached_property
    def earlier_universe(self) -> Universe | None:
        """The last universe before the day; None in a deployment's first days."""
        try:
            return earlier_universe(self.paths, self.day)
        except InputError:
            return None

    @cached_property
    def base_prices(self) -> dict[str, int]:
        """Symbol -> base price of the day in KRW."""
        return {one.code: one.base_price for one in self.symbols.instruments}

    @cached_property
    def manifests(self) -> list[Manifest]:
        """The manifests of the day's sealed segments, of both tracks, of those that have left as well."""
        return [manifest for track in Track for manifest in manifests_of(self.paths, track, self.day)]

    @cached_property
    def receipts(self) -> Mapping[int, HourReceipt]:
        """Hour -> what the lake was made from."""
        return receipts.receipts(self.paths, self.day)

    @cached_property
    def compacted(self) -> frozenset[tuple[str, str]]:
        """Name and SHA-256 of the segments that the lake holds."""
        return frozenset(
            (source.segment, source.sha256) for hour in self.receipts.values() for source in hour.sources
        )

    @cached_property
    def warehouse(self) -> stored.StoredDay:
        """The day in PostgreSQL."""
        return stored.StoredDay(self.deployment.settings.database, self.day)

    def records_by_hour(self, track: Track) -> Mapping[int, int]:
        """Returns hour -> records of a track's sealed segments."""
        counts: Counter[int] = Counter()
        for manifest in self.manifests:
            if manifest.track == track.value:
                counts[manifest.hour] += manifest.records
        return counts

    def recorded_span(self, track: Track) -> tuple[datetime, datetime] | None:
        """Returns the receive times of the first and last line of a track's segments with records."""
        found = [one for one in self.manifests if one.track == track.value and one.records]
        if not found:
            return None
        first, last = min(one.first_wall_ns for one in found), max(one.last_wall_ns for one in found)
        return kst_datetime(first), kst_datetime(last)

    def waiting(self, track: Track) -> list[Manifest]:
        """Returns a track's segments whose hour is over and which the lake does not hold."""
        return [
            manifest
            for manifest in self.manifests
            if manifest.track == track.value
            and (manifest.segment, manifest.sha256) not in self.compacted
            and (self.day_is_over or self._is_over(manifest.hour))
        ]

    def unsealed(self, *, of_finished_hours: bool) -> list[str]:
        """Returns the segments that are still being written, or wait for recovery.

        Args:
            of_finished_hours: Those whose hour is over, or those whose hour is not.
        """
        names = unsealed_segments(self.paths, self.day)
        return [name.stem for name in names if self._is_over(name.hour) is of_finished_hours]

    def journal_and_lake(self, table: Table) -> list[HourCount]:
        """Returns a table's rows in both layers, for the segments that the lake claims to hold."""
        journaled: Counter[int] = Counter()
        for manifest in self.manifests:
            if (manifest.segment, manifest.sha256) in self.compacted:
                journaled[manifest.hour] += _lines_of(manifest, table)
        in_lake = self.rows_by_hour(table)
        counts = []
        for hour in sorted(journaled.keys() | in_lake.keys()):
            missing = journaled[hour] - in_lake.get(hour, 0)
            aside = self._quarantined(hour, table, missing)
            counts.append(HourCount(hour, journaled[hour], in_lake.get(hour, 0), aside))
        return counts

    def quarantine_files(self, track: Track) -> Mapping[str, tuple[int, int]]:
        """Returns segment -> lines set aside by its receipt, and lines of its quarantine file."""
        found = {}
        for source in self._sources(track):
            path = self.paths.quarantine_file(self.day, source.segment)
            held = path.read_bytes().count(b"\n") if path.exists() else 0
            stated = sum(sum(reasons.values()) for reasons in source.quarantined.values())
            found[source.segment] = (stated + source.control_quarantined, held)
        return found

    def quarantine_reasons(self, track: Track) -> Mapping[str, int]:
        """Returns reason -> records of a track that were set aside."""
        reasons: Counter[str] = Counter()
        for source in self._sources(track):
            for counts in source.quarantined.values():
                reasons.update(counts)
        return reasons

    def rows_by_hour(self, table: Table) -> Mapping[int, int]:
        """Returns receive hour -> rows of a table's files."""
        return figures.rows_by_hour(self.frame(table))

    def declared_columns(self, table: Table) -> Mapping[str, str]:
        """Returns the columns that a table's files must have."""
        return figures.type_names(SCHEMAS[table].arrow)

    def columns(self, table: Table) -> Mapping[str, Mapping[str, str]]:
        """Returns file -> its columns and their Parquet types."""
        return figures.columns_of(readers.table_files(self.paths, table, self.day))

    def price_ranges(self) -> list[PriceRange]:
        """Returns the extreme prices of each symbol's trades."""
        return figures.price_ranges(self.frame(Table.SCALP_TRADES))

    def price_counts(self) -> list[PriceCount]:
        """Returns each price of each symbol with its number of trades."""
        return figures.price_counts(self.frame(Table.SCALP_TRADES))

    @property
    def shares(self) -> frozenset[str]:
        """The symbols that trade on the grid of shares."""
        return frozenset(one.code for one in self.symbols.instruments if one.group in _SHARES)

    def steps_back(self) -> tuple[list[StepBack], int]:
        """Returns the trades at which a cumulative volume falls, and the number of all trades."""
        return figures.steps_back(self.frame(Table.SCALP_TRADES))

    def holes(self) -> list[Hole]:
        """Returns the breaks of continuity that the collector has measured."""
        return figures.holes(self.frame(Table.GAPS))

    def gaps(self) -> list[Gap]:
        """Returns the intervals without data that the collector has noticed."""
        return figures.gaps(self.frame(Table.GAPS))

    def reconciled(self) -> list[Reconciled]:
        """Returns the comparison of each symbol and venue with the broker's official figures."""
        return reconcile_day(self.paths, self.day)

    def bar_volumes(self) -> Mapping[str, int]:
        """Returns symbol -> shares in its bars."""
        return figures.volumes(self.frame(Table.BARS_1M))

    def distinct_trade_volumes(self) -> Mapping[str, int]:
        """Returns symbol -> shares in its trades, one that was sent again counted once."""
        return figures.distinct_volumes(self.frame(Table.SCALP_TRADES))

    @cached_property
    def listed_symbols(self) -> list[str]:
        """The symbols of the day's table of instruments, one that stands there twice as often as it does."""
        return self.frame(Table.INSTRUMENTS).select("symbol").collect()["symbol"].to_list()

    def actions(self, kind: str) -> Mapping[str, float]:
        """Returns symbol -> factor of the day's corporate actions of a kind; 0 where it has none."""
        found = self.frame(Table.CORPORATE_ACTIONS).filter(pl.col("kind") == kind)
        return dict(found.select("symbol", pl.col("factor").fill_null(0.0)).collect().rows())

    def stray_days(self) -> list[StrayDay]:
        """Returns the days of the journal that are no trading days and have records."""
        found = []
        for day in journal_days(self.paths):
            if why := no_partition(day):
                manifests = [one for track in Track for one in manifests_of(self.paths, track, day)]
                records = sum(manifest.records for manifest in manifests)
                found.append(StrayDay(day, why, len(manifests), records))
        # The collector notes its own starts and stops on days of rest, too.
        return [stray for stray in found if stray.records]

    def frame(self, table: Table) -> pl.LazyFrame:
        """Returns the day of a table, open or closed."""
        return readers.scan(self.paths, table, self.day)

    def records_journaled(self) -> int:
        """Returns the records of all sealed segments."""
        return sum(manifest.records for manifest in self.manifests)

    def records_in_lake(self) -> Mapping[str, int]:
        """Returns table -> rows that are records of the broker, by the footers of the files."""
        return {
            table.value: sum(map(row_count, readers.table_files(self.paths, table, self.day)))
            for table in JOURNAL_TABLES
            if table is not Table.GAPS
        }

    def records_quarantined(self) -> int:
        """Returns the records that lie in quarantine files; control records are not counted."""
        kept = sum(held for track in Track for _, held in self.quarantine_files(track).values())
        return kept - sum(source.control_quarantined for track in Track for source in self._sources(track))

    def rows_by_receipts(self) -> Mapping[str, int]:
        """Returns table -> rows, as the lake's receipts state them."""
        rows: Counter[str] = Counter()
        for receipt in self.receipts.values():
            rows.update(receipt.rows)
        return rows

    def day_files(self) -> Mapping[str, int]:
        """Returns table -> rows of its day file; tables without one are left out."""
        files = {table.value: self.paths.lake_day(table, self.day) for table in JOURNAL_TABLES}
        return {table: row_count(path) for table, path in files.items() if path.exists()}

    def damaged_day_files(self) -> list[str]:
        """Returns the day files whose bytes are not those that the receipt tells."""
        states = receipts.day_files(self.paths, self.day)
        return [str(path) for path, state in states.items() if state is FileState.DAMAGED]

    def open_files(self) -> list[str]:
        """Returns the files of open hours that are left of the day."""
        folders = (self.paths.lake_open_day(table, self.day) for table in JOURNAL_TABLES)
        return sorted(str(path) for folder in folders for path in folder.glob("**/*.parquet"))

    def loadable_by_hour(self, table: str) -> Mapping[int, int]:
        """Returns hour -> rows of a table of the lake, bars by their minute."""
        lake_table = Table(table)
        if lake_table is Table.BARS_1M:
            return figures.rows_by_hour(self.frame(lake_table), of="minute")
        return self.rows_by_hour(lake_table)

    def declared_warehouse_columns(self, table: str) -> Mapping[str, str]:
        """Returns the columns that a table in PostgreSQL must have."""
        return stored.declared_columns(table)

    def _sources(self, track: Track) -> list[SourceReceipt]:
        sources = (source for hour in self.receipts.values() for source in hour.sources)
        return [source for source in sources if source.track == track.value]

    def _quarantined(self, hour: int, table: Table, missing: int) -> int:
        receipt = self.receipts.get(hour)
        if receipt is None:
            return 0
        if table is not Table.GAPS:
            return receipt.quarantined.get(table, 0)
        # Unreadable control lines are counted together, and only some of them told of a hole or a gap.
        unreadable = sum(source.control_quarantined for source in receipt.sources)
        return max(0, min(missing, unreadable))

    def _is_over(self, hour: int) -> bool:
        return self.now >= self.session.at(time(hour)) + timedelta(hours=1)


def _lines_of(manifest: Manifest, table: Table) -> int:
    """Returns the lines of a segment that belong to a table, by its manifest."""
    if table is Table.GAPS:
        return sum(manifest.counts.get(CONTROL_CHANNEL, {}).get(kind, 0) for kind in _GAP_KINDS)
    return sum(
        sum(keys.values())
        for channel, keys in manifest.counts.items()
        if channel != CONTROL_CHANNEL and table_of(channel) is table
    )
