"""What the writer says about its work.

Invariant: everything here is read from the parts that do the work, at the moment of the question;
nothing is counted twice, and nothing is secret.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from observer_collector.moments import Moment
from observer_collector.recording.hole_ledger import LedgerEntry
from observer_collector.recording.intake import Intake
from observer_collector.recording.journals import TrackJournal
from observer_collector.session.connection import ConnectionState
from observer_collector.session.session import Session
from observer_collector.session.slot import Slot, SlotState
from observer_core.brokers.kis.catalogue import CHANNELS
from observer_core.clock import Clock, kst_datetime
from observer_core.clock.base import NANOSECONDS
from observer_core.journal.latency import BOUNDS, LatencyHistogram

# The indices that are registered by default (broker reference, 7.1).
_INDEX_NAMES = {"0001": "KOSPI", "1001": "KOSDAQ", "2001": "KOSPI 200"}


def states(session: Session) -> Counter[SlotState]:
    """Returns how many registrations are in each state."""
    return Counter(slot.state for slot in session.slots.values())


def of_intake(intake: Intake, clock: Clock) -> dict[str, Any]:
    """Returns the writer's part of the status, as plain values."""
    connection, sweeper, planner = intake.connection, intake.sweeper, intake.planner
    universe = planner.universe
    session = connection.session
    names, now = _names(intake), Moment.now(clock)
    return {
        "session": _of_session(intake),
        "rates": {
            "now": 0.0 if session is None else round(sum(one.per_second for one in intake.recorder.flows), 2),
            "samples": [
                [ended_ns // NANOSECONDS, round(rate, 2)]
                for ended_ns, rate in intake.rates.per_second(clock.now_ns())
            ],
        },
        "watching": slots_in_force(intake),
        "settings": {"problem": intake.reloading.problem, "reloads": intake.reloading.reloads},
        "unknown": {
            "channels": dict(intake.recorder.unknown.channels),
            "widths": {f"{c} {width}": n for (c, width), n in intake.recorder.unknown.widths.items()},
            "codes": dict(intake.recorder.unknown.codes),
            "rows": {f"{what} {field}": n for (what, field), n in intake.recorder.unknown.rows.items()},
        },
        "slots": []
        if session is None
        else [_of_slot(intake, session, slot, names, now) for slot in session.slots.values()],
        "holes": [
            _of_hole(entry, names, filled=intake.fills_holes) for entry in intake.backfiller.ledger.latest()
        ],
        "journal": {track.value: _of_journal(journal) for track, journal in intake.journals.tracks.items()},
        "latency": {
            track.value: _of_latency(journal.writer.durability)
            for track, journal in intake.journals.tracks.items()
        },
        "universe": {
            "day": None if universe is None else universe.day.isoformat(),
            "symbols": 0 if universe is None else universe.size,
            "fallback": planner.fallback,
            "waiting_for": None if planner.waiting_for is None else planner.waiting_for.isoformat(),
        },
        "sweeps": {
            "rows": sweeper.rows,
            "failed_requests": sweeper.failed_requests,
            "skipped": sweeper.skipped,
            "problem": sweeper.problem,
            "last": None if sweeper.last is None else sweeper.last.payload(),
            **{outcome.value: number for outcome, number in sweeper.sweeps.items()},
        },
        "counters": counters(intake),
    }


def slots_in_force(intake: Intake) -> dict[str, Any]:
    """Returns who is watched and why, and which signals found no place."""
    slots = intake.slots
    return {
        "symbols": {
            symbol: {"cause": hold.cause.value, "since": kst_datetime(hold.since_ns).isoformat()}
            for symbol, hold in slots.planner.holds.items()
        },
        "overflow": [
            {"symbol": one.symbol, "cause": one.cause.value, "strength": round(one.strength, 2)}
            for one in slots.overflow
        ],
        "signals": slots.signals,
        "changes": slots.changes,
        "outside_universe": slots.outside,
        "asked": {look.look.name: {"answered": look.look.asked, "failed": look.look.failed,
                                   "odd_rows": look.look.odd}
                  for look in intake.signals},
    }  # fmt: skip


def counters(intake: Intake) -> dict[str, int]:
    """Returns what this process has counted since its start."""
    recorder = intake.recorder
    accounts = [account for _, _, account in intake.journals.continuity.accounts()]
    return {
        "records_journaled": intake.records,
        "scalp_records": recorder.records,
        "swing_rows": intake.sweeper.rows,
        "messages": recorder.messages,
        "unsplit_frames": recorder.whole_frames,
        "holes": recorder.holes,
        "hole_shares": recorder.hole_shares,
        "hole_alarms": recorder.hole_alarms,
        "holes_healed": intake.backfiller.outcomes["healed"],
        "holes_waiting": intake.backfiller.waiting,
        "volume_resets": recorder.resets,
        "unreadable_trades": intake.journals.continuity.unreadable,
        "duplicate_trades": sum(account.duplicates for account in accounts),
        "contradicting_trades": sum(account.contradictions for account in accounts),
    }


def _of_session(intake: Intake) -> dict[str, Any]:
    connection, session = intake.connection, intake.connection.session
    opened = connection.opened_at
    return {
        "state": connection.state.value,
        "key": connection.keys.current.name,
        "reserve_key": connection.keys.reserve is not None,
        "epoch": intake.recorder.epoch,
        "connections": connection.opened,
        "reconnects": max(0, connection.opened - 1),
        "since": None if session is None or opened is None else kst_datetime(opened.clock_ns).isoformat(),
        "problem": connection.problem,
        "refused": connection.refused,
        "waiting_for_disk": connection.waiting_for_disk,
        "registrations": {} if session is None else {s.value: n for s, n in states(session).items()},
        "capacity": None if session is None else session.capacity,
        "connects_in_the_hour": connection.budget.used,
        "connects_allowed": connection.budget.per_hour,
    }


def _names(intake: Intake) -> dict[str, str]:
    """Returns the names of what is registered, as far as they are known."""
    universe, session = intake.planner.universe, intake.connection.session
    if universe is None or session is None:
        return {}
    wanted = {pair.symbol for pair in session.slots}
    wanted |= {entry.hole.symbol for entry in intake.backfiller.ledger.latest()}
    return _INDEX_NAMES | {one.code: one.name for one in universe.symbols if one.code in wanted}


def _of_journal(journal: TrackJournal) -> dict[str, Any]:
    writer, segment = journal.writer, journal.writer.open_segment
    return {
        "state": writer.state.value,
        "open_segment": None if segment is None else segment.stem,
        "open_lines": 0 if segment is None else segment.tally.lines,
        "lines": writer.lines,
        "bytes": writer.bytes,
        "segments_sealed": writer.sealed,
        "backlog_bytes": writer.backlog_bytes,
        "unsynced_seconds": round(writer.unsynced_seconds(), 3),
        "longest_unsynced_seconds": round(writer.durability.longest_seconds, 3),
    }


def _of_latency(found: LatencyHistogram) -> dict[str, Any]:
    counts = found.counts
    groups = sum(counts)
    return {
        "bounds_seconds": list(BOUNDS),
        "counts": counts,
        "groups": groups,
        "mean_seconds": round(found.total_seconds / groups, 4) if groups else 0.0,
        "longest_seconds": round(found.longest_seconds, 3),
    }


def _of_hole(entry: LedgerEntry, names: dict[str, str], *, filled: bool) -> dict[str, Any]:
    hole = entry.hole
    return {
        "symbol": hole.symbol,
        "name": names.get(hole.symbol, ""),
        "channel": hole.channel,
        "severity": hole.severity.value,
        "phase": hole.phase,
        "from": kst_datetime(hole.last_good_ns).isoformat(),
        "to": kst_datetime(hole.first_seen_ns).isoformat(),
        "shares": hole.shares,
        "trades": hole.trades,
        "outcome": entry.outcome or ("waiting" if filled else "not_filled"),
        "missing_shares": entry.missing_shares,
    }


def _of_slot(
    intake: Intake, session: Session, slot: Slot, names: dict[str, str], now: Moment
) -> dict[str, Any]:
    flow = intake.recorder.flows.of(slot.pair)
    account = intake.journals.continuity.account(slot.pair.channel, slot.pair.symbol)
    known = CHANNELS.get(slot.pair.channel)
    return {
        "channel": slot.pair.channel,
        "symbol": slot.pair.symbol,
        "name": names.get(slot.pair.symbol, ""),
        "kind": None if known is None else known.kind.value,
        "venue": None if known is None else known.venue.value,
        "state": slot.state.value,
        "since": kst_datetime(slot.since.clock_ns).isoformat(),
        "delivering": session.delivers(slot.pair, now),
        "reason": slot.reason,
        "records": 0 if flow is None else flow.records,
        "per_second": 0.0 if flow is None else round(flow.per_second, 2),
        "last_data": None if flow is None else kst_datetime(flow.last_ns).isoformat(),
        "continuity": None if account is None else asdict(account),
    }


def connection_open(intake: Intake) -> bool:
    """Returns whether there is a connection to the broker."""
    return intake.connection.state is ConnectionState.OPEN
