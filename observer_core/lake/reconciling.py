"""The comparison of a day with the broker's figures: what is there, and what was recorded about the rest.

Invariant: it reads the lake, quarantine and the journal's control records, and changes nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time

import polars as pl

from observer_core.accounting.compared import CapturedDay, Evidence, Reconciled, Span
from observer_core.accounting.reconciliation import reconcile, reconcile_silent
from observer_core.brokers.kis.catalogue import CHANNELS, Kind, Venue
from observer_core.journal.departed import manifests_of
from observer_core.journal.reader import sealed_segments
from observer_core.journal.watches import DayWatches, watches_of
from observer_core.lake.captured import captured_days
from observer_core.lake.official import read_official, recorded_pairs
from observer_core.lake.pending import unsealed_segments
from observer_core.lake.readers import scan
from observer_core.lake.schemas import Table
from observer_core.market.calendar import MarketCalendar, Session
from observer_core.settings.paths import Paths, Track

_TRADES = {channel.venue: name for name, channel in CHANNELS.items() if channel.kind is Kind.TRADE}
_VENUES = {name: venue for venue, name in _TRADES.items()}

Pair = tuple[str, Venue]

_NANOSECONDS = 1_000_000_000
# A universe that is there when the opening auction begins is in force minutes later.
_SELECTION_GRACE_NS = 15 * 60 * _NANOSECONDS


@dataclass(frozen=True, slots=True)
class RecordedDay:
    """What is there of a day, and what was recorded about it.

    Attributes:
        captured: Of each symbol and venue with a trade.
        silent: Of each one that was in the selection and has none.
    """

    captured: Sequence[tuple[CapturedDay, Evidence]]
    silent: Sequence[tuple[str, Venue, Evidence]]


def reconcile_day(paths: Paths, day: date, *, calendar: MarketCalendar | None = None) -> list[Reconciled]:
    """Compares a day with the broker's figures.

    Args:
        paths: The layout.
        day: The trading day, compacted.
        calendar: The exchanges' hours.

    Returns:
        One comparison for each symbol and venue that has a trade or was in the selection, in order.

    Raises:
        StorageError: A segment of the journal is damaged.
    """
    session = (calendar or MarketCalendar()).session(day)
    recorded = recorded_day(paths, day, session)
    answers = read_official(paths, day)
    figures = {(row.symbol, row.venue.value): row.figures for row in answers}
    traded = {(row.symbol, row.venue): row.traded for row in answers}
    found = [
        reconcile(ours, figures.get((ours.symbol, ours.venue)), evidence)
        for ours, evidence in recorded.captured
    ]
    found += [
        reconcile_silent(symbol, venue.value, traded.get((symbol, venue)), evidence)
        for symbol, venue, evidence in recorded.silent
    ]
    return sorted(found, key=lambda one: (one.symbol, one.venue))


def pairs_to_compare(paths: Paths, day: date, *, calendar: MarketCalendar | None = None) -> list[Pair]:
    """Returns the symbols and venues of which the lake has a trade of a day, or that were in its selection.

    Args:
        paths: The layout.
        day: The trading day, as far as it is compacted.
        calendar: The exchanges' hours.

    Raises:
        StorageError: A segment of the journal is damaged.
    """
    session = (calendar or MarketCalendar()).session(day)
    watches = watches_of(sealed_segments(paths.journal(Track.SCALP, day)))
    return sorted({*recorded_pairs(paths, day), *_selected(watches, session)})


def recorded_day(paths: Paths, day: date, session: Session) -> RecordedDay:
    """Returns what is there of each symbol and venue, and what was recorded about it.

    Args:
        paths: The layout.
        day: The trading day, as far as it is compacted.
        session: The exchanges' hours.

    Raises:
        StorageError: A segment of the journal is damaged.
    """
    here = sealed_segments(paths.journal(Track.SCALP, day))
    watches, departed = watches_of(here), len(here) < len(manifests_of(paths, Track.SCALP, day))
    evidence_of = _evidence_of(paths, day, session, watches, departed=departed)
    captured = captured_days(paths, day)
    expected = _selected(watches, session)
    if departed:
        # Who was selected may stand in what has left; who was asked for then was.
        expected |= {(row.symbol, row.venue) for row in read_official(paths, day)}
    silent = expected - {(ours.symbol, Venue(ours.venue)) for ours in captured}
    return RecordedDay(
        [(ours, evidence_of(ours.symbol, Venue(ours.venue))) for ours in captured],
        [(symbol, venue, evidence_of(symbol, venue)) for symbol, venue in sorted(silent)],
    )


def _evidence_of(
    paths: Paths, day: date, session: Session, watches: DayWatches, *, departed: bool
) -> Callable[[str, Venue], Evidence]:
    unsealed = bool(unsealed_segments(paths, day))
    holes, unwatched = _holes(paths, day), _unwatched(watches)
    aside = _quarantined(paths, day)
    due_ns = _at_ns(session, session.auction_from) + _SELECTION_GRACE_NS

    def evidence_of(symbol: str, venue: Venue) -> Evidence:
        pair = (symbol, venue.value)
        opens_ns, ends_ns = _span(session, venue)
        return Evidence(
            opens_ns=opens_ns,
            ends_ns=ends_ns,
            watches=watches.of(_TRADES[venue], symbol),
            undertaken_ns=watches.undertaken_ns(symbol, opens_ns=opens_ns, due_ns=due_ns),
            holes=holes.get(pair, ()),
            unwatched=unwatched.get(pair, ()),
            quarantined=aside[pair],
            unsealed=unsealed,
            departed=departed,
        )

    return evidence_of


def _selected(watches: DayWatches, session: Session) -> set[Pair]:
    """Returns the symbols that were in the selection while their venue was open."""
    return {
        (symbol, venue)
        for venue, channel in _TRADES.items()
        for opens_ns, ends_ns in [_span(session, venue)]
        for symbol in watches.selected(channel, opens_ns=opens_ns, ends_ns=ends_ns)
    }


def _span(session: Session, venue: Venue) -> tuple[int, int]:
    """Returns when a venue's first session begins and its last one ends."""
    begins, ends = session.opens, session.after_market_to or session.off_hours_to
    if venue is not Venue.KRX and session.nxt is not None:
        begins = session.nxt.pre_from or session.nxt.main_from
        ends = session.nxt.after_to if venue is Venue.NXT else max(ends, session.nxt.after_to)
        if venue is Venue.UNIFIED:
            begins = min(begins, session.opens)
    return _at_ns(session, begins), _at_ns(session, ends)


def _at_ns(session: Session, moment: time) -> int:
    return int(session.at(moment).timestamp()) * _NANOSECONDS


def _holes(paths: Paths, day: date) -> Mapping[tuple[str, str], Sequence[Span]]:
    rows = scan(paths, Table.GAPS, day).filter(pl.col("kind") == "hole").collect()
    columns = ("symbol", "channel", "from_cumulative_volume", "to_cumulative_volume")
    return _spans(rows.select(columns).rows())


def _unwatched(watches: DayWatches) -> Mapping[tuple[str, str], Sequence[Span]]:
    names = ("symbol", "channel", "from_cumulative", "to_cumulative")
    return _spans(tuple(told[name] for name in names) for told in watches.unwatched)


def _spans(rows: Iterable[tuple[object, ...]]) -> Mapping[tuple[str, str], Sequence[Span]]:
    found: dict[tuple[str, str], list[Span]] = {}
    for symbol, channel, low, high in rows:
        venue = _VENUES.get(str(channel))
        if venue is not None and isinstance(low, int) and isinstance(high, int):
            found.setdefault((str(symbol), venue.value), []).append(Span(low, high))
    return found


def _quarantined(paths: Paths, day: date) -> Counter[tuple[str, str]]:
    """Returns symbol and venue -> trades that compaction has set aside."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted(paths.quarantine_folder(day).glob("*.jsonl")):
        for entry in path.read_bytes().splitlines():
            identity = json.loads(entry)["identity"]
            venue = _VENUES.get(identity.get("channel", ""))
            if venue is not None:
                found[str(identity["key"]), venue.value] += 1
    return found
