"""What is promised of the journal's segments, the lake's tables and the bars."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from observer_core.lake.schemas import JOURNAL_TABLES, Table
from observer_core.settings.paths import Track
from observer_pipeline import keys
from observer_pipeline.checks.calendar import CALENDAR_CONTRACTS
from observer_pipeline.checks.contract import Contract
from observer_pipeline.checks.rules import conservation, schema, sessions, tape
from observer_pipeline.checks.verdict import Verdict

if TYPE_CHECKING:
    from observer_pipeline.checks.evidence import DayEvidence

_Judge = Callable[["DayEvidence"], Verdict]


def _finished_hours_sealed(evidence: DayEvidence) -> Verdict:
    return sessions.all_sealed(
        evidence.unsealed(of_finished_hours=True),
        still_written=len(evidence.unsealed(of_finished_hours=False)),
        day_is_over=evidence.day_is_over,
    )


def _trading_hours_recorded(track: Track, evidence: DayEvidence) -> Verdict:
    expected = sessions.expected_hours(evidence.session, evidence.now)
    ends = sessions.silent_ends(evidence.session, evidence.now, evidence.recorded_span(track))
    return sessions.hours_complete(expected, evidence.records_by_hour(track), ends)


def _finished_hours_compacted(track: Track, evidence: DayEvidence) -> Verdict:
    waiting = [manifest.segment for manifest in evidence.waiting(track)]
    return sessions.nothing_waits(waiting, day_is_over=evidence.day_is_over)


def _nothing_quarantined(track: Track, evidence: DayEvidence) -> Verdict:
    return conservation.nothing_set_aside(
        evidence.quarantine_reasons(track), evidence.quarantine_files(track)
    )


def _journal_in_lake(table: Table, evidence: DayEvidence) -> Verdict:
    return conservation.journal_conserved(evidence.journal_and_lake(table))


def _schema_as_declared(table: Table, evidence: DayEvidence) -> Verdict:
    return schema.schema_as_declared(evidence.declared_columns(table), evidence.columns(table))


def _prices_within_limits(evidence: DayEvidence) -> Verdict:
    return tape.prices_within_limits(evidence.price_ranges(), evidence.base_prices)


def _prices_on_grid(evidence: DayEvidence) -> Verdict:
    return tape.prices_on_grid(evidence.price_counts(), evidence.shares)


def _cumulative_volume_grows(evidence: DayEvidence) -> Verdict:
    steps, trades = evidence.steps_back()
    return tape.cumulative_volume_grows(steps, trades=trades)


def _no_holes(evidence: DayEvidence) -> Verdict:
    return tape.no_holes(evidence.holes())


def _no_gaps(evidence: DayEvidence) -> Verdict:
    return tape.no_gaps(evidence.gaps())


def _bars_hold_trades(evidence: DayEvidence) -> Verdict:
    return tape.bars_hold_trades(evidence.bar_volumes(), evidence.distinct_trade_volumes())


def _of_track(track: Track, judge: Callable[[Track, DayEvidence], Verdict]) -> _Judge:
    return partial(judge, track)


def _of_table(table: Table, judge: Callable[[Table, DayEvidence], Verdict]) -> _Judge:
    return partial(judge, table)


_FEED = (
    Contract(
        "finished_hours_sealed",
        keys.COLLECTOR,
        "No segment of an hour that is over is still open: the collector seals on the hour. A warning "
        "during the day, an error once the last data was due.",
        _finished_hours_sealed,
    ),
    *(
        contract
        for track, journal in ((Track.SCALP, keys.SCALP_JOURNAL), (Track.SWING, keys.SWING_JOURNAL))
        for contract in (
            Contract(
                "trading_hours_recorded",
                journal,
                "Every hour of the session that is over has sealed records, by the exchange's calendar, the "
                "first within 15 minutes of the opening, the last not earlier than 15 minutes before the "
                "close and 30 before the evening's end: an error in continuous trading, a warning in the "
                "after-market, where a thin day can be silent.",
                _of_track(track, _trading_hours_recorded),
            ),
            Contract(
                "finished_hours_compacted",
                journal,
                "No sealed segment of an hour that is over waits for the lake.",
                _of_track(track, _finished_hours_compacted),
            ),
            Contract(
                "nothing_quarantined",
                journal,
                "Compaction understood every line; what it did not is kept whole in quarantine, and the "
                "files there hold as many lines as the lake's receipts say (incident I-03).",
                _of_track(track, _nothing_quarantined),
            ),
        )
    ),
)

_TABLES = tuple(
    contract
    for table in JOURNAL_TABLES
    for contract in (
        Contract(
            "journal_is_in_lake",
            keys.LAKE[table],
            "In each receive hour, lines of the journal = rows of the lake + quarantined lines, counted "
            "from manifests and files. Blocks bars and PostgreSQL: they would inherit the loss (incidents "
            "I-03, I-23).",
            _of_table(table, _journal_in_lake),
            blocking=True,
        ),
        Contract(
            "schema_as_declared",
            keys.LAKE[table],
            "Every file has exactly the declared columns, in order and type. Blocks bars and PostgreSQL.",
            _of_table(table, _schema_as_declared),
            blocking=True,
        ),
    )
)

_TAPE = (
    Contract(
        "prices_within_limits",
        keys.LAKE[Table.SCALP_TRADES],
        "Every trade lies within 30 % of the day's base price (KRX business regulation, article 20).",
        _prices_within_limits,
    ),
    Contract(
        "prices_on_grid",
        keys.LAKE[Table.SCALP_TRADES],
        "Every trade of a share lies on the KRX grid of prices or, as midpoint orders do, at half a tick. A "
        "warning: how midpoints are rounded is in no document.",
        _prices_on_grid,
    ),
    Contract(
        "cumulative_volume_grows",
        keys.LAKE[Table.SCALP_TRADES],
        "The cumulative volume of a symbol never falls from one trade to the next. Outside of continuous "
        "trading a fall is a warning: a restart between sessions is not documented.",
        _cumulative_volume_grows,
    ),
    Contract(
        "no_holes",
        keys.LAKE[Table.GAPS],
        "Each trade continues the cumulative volume of the one before. A hole is an error in continuous "
        "trading, a warning in auctions and the after-market until real tapes confirm the rule there.",
        _no_holes,
    ),
    Contract(
        "no_gaps",
        keys.LAKE[Table.GAPS],
        "No interval without data that should have had some: the connection held. A warning, for what was "
        "missed in it stands as holes.",
        _no_gaps,
    ),
)

# One step: they share the evidence, and a step costs the database more than a count.
LAKE_CONTRACTS = (*_FEED, *CALENDAR_CONTRACTS, *_TABLES, *_TAPE)

BARS_CONTRACTS = (
    Contract(
        "bars_hold_trades",
        keys.BARS,
        "For each symbol, the volume of the bars is the volume of its distinct trades in the lake. Blocks "
        "PostgreSQL: researchers would read wrong bars.",
        _bars_hold_trades,
        blocking=True,
    ),
    Contract(
        "schema_as_declared",
        keys.BARS,
        "Every file has exactly the declared columns, in order and type.",
        _of_table(Table.BARS_1M, _schema_as_declared),
        blocking=True,
    ),
)
