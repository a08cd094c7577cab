"""Choosing the symbols of a day: an ordered list of sources, of which the first plausible one wins.

Invariant: a file of a date is written once. A source with too few symbols, or too different from the last
good file of this deployment, does not win. Only before the session, and only while no universe was made from
them, a better source's symbols take the place of a worse one's, and the file says so (decision 0037).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from pathlib import Path

from observer_core.clock import Clock
from observer_core.errors import InputError, ObserverError
from observer_core.files import create_atomically, write_atomically
from observer_core.logs import logger
from observer_core.market.calendar import MarketCalendar
from observer_core.reference.symbol_health import read_health, write_health
from observer_core.reference.symbols import (
    Loaded,
    Outcome,
    Stage,
    StageReport,
    Symbols,
    encode_symbols,
    last_good_symbols,
    read_symbols,
)
from observer_core.settings import Paths

MINIMUM_COUNT = 1000
MAXIMUM_CHANGE = 0.2

_log = logger(__name__)


def never(error: ObserverError) -> bool:
    """Returns that no failure is worth another attempt: the next source is asked at once."""
    del error
    return False


async def build_symbols(
    paths: Paths,
    day: date,
    stages: Sequence[Stage],
    clock: Clock,
    *,
    try_again: Callable[[ObserverError], bool] = never,
) -> Symbols:
    """Returns the symbols of a day, from its file or else from the first stage that is plausible.

    Args:
        paths: The layout: the file is `Paths.symbols(day)`.
        day: The day.
        stages: The sources in the order of preference.
        clock: Time of creation, and durations.
        try_again: Tells of a source's failure whether the caller would rather ask again later than have the
            symbols of the next source.

    Raises:
        InputError: Every stage failed, the day's file is damaged, or the day is still to come.
        ObserverError: A source failed, and `try_again` is true of its failure; nothing was written.
    """
    path = paths.symbols(day)
    known = read_symbols(path) if path.exists() else None
    better = stages if known is None else _better_stages(paths, known, stages, clock.now())
    if known is not None and not better:
        return known
    today = clock.now().date()
    if day > today:
        # Whatever were written now would stand on the day itself.
        raise InputError(
            f"The symbols of {day} cannot be known on {today}.",
            remedy="Refresh them on the day itself; the schedule does, before the session.",
        )
    symbols, reports = await _first_plausible(paths, day, better, clock, try_again)
    if symbols is None and known is not None:
        return known
    if symbols is None:
        told = "; ".join(f"{report.name}: {report.reason}" for report in reports)
        raise InputError(f"No source has symbols for {day}: {told}.", remedy="Mend one of the sources.")
    if known is not None:
        return _replace(path, known, symbols, stages[len(better) :])
    if not create_atomically(path, encode_symbols(symbols)):
        return read_symbols(path)
    return symbols


def _better_stages(paths: Paths, known: Symbols, stages: Sequence[Stage], now: datetime) -> Sequence[Stage]:
    """Returns the stages that may still take the place of a day's symbols: none once they are in use."""
    calendar = MarketCalendar()
    if paths.universe(known.day).exists() or not calendar.is_trading_day(known.day):
        return ()
    session = calendar.session(known.day)
    if now >= session.at(session.auction_from):
        return ()
    names = [stage.name for stage in stages]
    return stages[: names.index(known.source)] if known.source in names else ()


def _replace(path: Path, known: Symbols, symbols: Symbols, others: Sequence[Stage]) -> Symbols:
    reports = (*symbols.stages, *(StageReport(stage.name, Outcome.NOT_NEEDED) for stage in others))
    told = f"{known.source} of {known.created.isoformat()}"
    better = replace(symbols, stages=reports, replaces=told)
    _log.info("Better symbols take the place of others.", source=better.source, replaces=told)
    write_atomically(path, encode_symbols(better))
    return better


async def _first_plausible(
    paths: Paths,
    day: date,
    stages: Sequence[Stage],
    clock: Clock,
    try_again: Callable[[ObserverError], bool],
) -> tuple[Symbols | None, tuple[StageReport, ...]]:
    good = last_good_symbols(paths, day)
    expected = None if good is None else len(good.instruments)
    reports: list[StageReport] = []
    winner: tuple[Stage, Loaded] | None = None
    try:
        for stage in stages:
            if winner is not None:
                reports.append(StageReport(stage.name, Outcome.NOT_NEEDED))
                continue
            loaded, report, error = await _attempt(stage, day, expected, clock)
            reports.append(report)
            if report.outcome is Outcome.USED:
                winner = stage, loaded
                continue
            _log.warning("A source of symbols did not win.", stage=report.name, reason=report.reason)
            if error is not None and try_again(error):
                raise error
    finally:
        _tell_health(paths.symbol_health, reports, clock.now())
    if winner is None:
        return None, tuple(reports)
    stage, loaded = winner
    now = clock.now()
    symbols = Symbols(day, stage.name, now, tuple(reports), loaded.instruments, loaded.as_of or day)
    return symbols, symbols.stages


async def _attempt(
    stage: Stage, day: date, expected: int | None, clock: Clock
) -> tuple[Loaded, StageReport, ObserverError | None]:
    started_ns = clock.monotonic_ns()
    loaded, failure = Loaded(()), None
    try:
        loaded = await stage.load(day)
    except ObserverError as error:
        failure = error
        outcome, reason = Outcome.FAILED, str(error)
    else:
        outcome, reason = _judge(loaded, expected)
    seconds = round((clock.monotonic_ns() - started_ns) / 1e9, 3)
    return loaded, StageReport(stage.name, outcome, reason, seconds, len(loaded.instruments)), failure


def _tell_health(path: Path, reports: Sequence[StageReport], now: datetime) -> None:
    """Keeps the last outcome of each stage; one that was not needed keeps what it last did."""
    known = read_health(path)
    told = [one for one in reports if one.outcome is not Outcome.NOT_NEEDED or one.name not in known]
    write_health(path, {report.name: asdict(report) for report in told}, now)


def _judge(loaded: Loaded, expected: int | None) -> tuple[Outcome, str]:
    count = len(loaded.instruments)
    if count == 0:
        return Outcome.SKIPPED, loaded.remark
    if count < MINIMUM_COUNT:
        return Outcome.FAILED, f"implausible: {count} symbols, fewer than {MINIMUM_COUNT}"
    if expected is not None and abs(count - expected) > MAXIMUM_CHANGE * expected:
        return (
            Outcome.FAILED,
            f"implausible: {count} symbols after {expected} in the last good file, "
            f"more than {MAXIMUM_CHANGE:.0%} apart",
        )
    return Outcome.USED, loaded.remark
