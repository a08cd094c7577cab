"""Choosing the symbols of a day: an ordered list of sources, of which the first plausible one of it wins.

Invariant: a file of a date is written once. A source with too few or too many symbols, with a code twice, or
too different from the last good file of this deployment, does not win. Where no source is of the day itself,
the freshest wins, and the file says of which day it is (decision 0039). Only before the session, and only
while no universe was made from them, better symbols take the place of worse ones, and the file says so
(decision 0037).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path

from observer_core.clock import Clock
from observer_core.errors import InputError, ObserverError, StaleListError
from observer_core.files import create_atomically, write_atomically
from observer_core.logs import logger
from observer_core.market.calendar import MarketCalendar
from observer_core.reference.instrument import ListedInstrument
from observer_core.reference.symbol_health import read_health, write_health
from observer_core.reference.symbols import (
    FALLBACKS,
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

# Both markets list about 4,300 instruments, 2,700 of them shares.
MINIMUM_COUNT = 1000
MAXIMUM_COUNT = 6000
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
    """Returns the symbols of a day, from its file or else from the best stage.

    That is the first plausible one of the day itself, or else the freshest of all.

    Args:
        paths: The layout: the file is `Paths.symbols(day)`.
        day: The day.
        stages: The sources in the order of preference.
        clock: Time of creation, and durations.
        try_again: Tells of a source's failure, and of a list that is not of the day, whether the caller would
            rather ask again later than have the symbols of the next source.

    Raises:
        InputError: Every stage failed, the day's file is damaged, or the day is still to come.
        ObserverError: A source failed or is stale, and `try_again` is true of it; nothing was written.
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
    symbols, reports = await _best(paths, day, better, clock, try_again)
    if known is not None:
        names = [stage.name for stage in stages]
        if symbols is None or _rank(symbols, names) >= _rank(known, names):
            return known
        return _replace(path, known, symbols, names)
    if symbols is None:
        told = "; ".join(f"{report.name}: {report.reason}" for report in reports)
        raise InputError(f"No source has symbols for {day}: {told}.", remedy="Mend one of the sources.")
    if not create_atomically(path, encode_symbols(symbols)):
        return read_symbols(path)
    return symbols


def _better_stages(paths: Paths, known: Symbols, stages: Sequence[Stage], now: datetime) -> Sequence[Stage]:
    """Returns the stages that may still take the place of a day's symbols: none once they are in use.

    Above symbols that are not of the day stands each broker, the one that they came from too: by now it may
    list the day.
    """
    calendar = MarketCalendar()
    if paths.universe(known.day).exists() or not calendar.is_trading_day(known.day):
        return ()
    session = calendar.session(known.day)
    if now >= session.at(session.auction_from):
        return ()
    names = [stage.name for stage in stages]
    if known.source not in names:
        return ()
    above = names[: names.index(known.source)]
    brokers = [] if known.as_of == known.day else [name for name in names if name not in FALLBACKS]
    return [stage for stage in stages if stage.name in {*above, *brokers}]


def _rank(symbols: Symbols, names: Sequence[str]) -> tuple[tuple[bool, int], int]:
    return _age(symbols.as_of, symbols.day), names.index(symbols.source)


def _age(as_of: date, day: date) -> tuple[bool, int]:
    """Returns how far a list is from a day; one of a later day is the worst, for it tells what came later."""
    return as_of > day, abs((day - as_of).days)


def _replace(path: Path, known: Symbols, symbols: Symbols, names: Sequence[str]) -> Symbols:
    asked = {report.name: report for report in symbols.stages}
    reports = tuple(asked.get(name) or StageReport(name, Outcome.NOT_NEEDED) for name in names)
    told = f"{known.source} of {known.created.isoformat()}"
    better = replace(symbols, stages=reports, replaces=told)
    _log.info("Better symbols take the place of others.", source=better.source, replaces=told)
    write_atomically(path, encode_symbols(better))
    return better


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What asking one stage gave.

    Attributes:
        report: Its outcome as long as no other one is known.
        loaded: Its symbols; None where they are not plausible.
        as_of: The day that they speak of.
        error: Why another attempt might be worth while.
    """

    report: StageReport
    loaded: Loaded | None
    as_of: date
    error: ObserverError | None


async def _best(
    paths: Paths,
    day: date,
    stages: Sequence[Stage],
    clock: Clock,
    try_again: Callable[[ObserverError], bool],
) -> tuple[Symbols | None, tuple[StageReport, ...]]:
    good = last_good_symbols(paths, day)
    expected = None if good is None else len({one.code for one in good.instruments})
    attempts: list[_Attempt] = []
    for stage in stages:
        if any(one.loaded is not None and one.as_of == day for one in attempts):
            attempts.append(_Attempt(StageReport(stage.name, Outcome.NOT_NEEDED), None, day, None))
            continue
        one = await _attempt(stage, day, expected, clock)
        attempts.append(one)
        if one.report.outcome is not Outcome.USED:
            _log.warning("A source gave no symbols of the day.", stage=stage.name, reason=one.report.reason)
        if one.error is not None and try_again(one.error):
            _tell_health(paths.symbol_health, [one.report for one in attempts], clock.now())
            raise one.error
    plausible = [one for one in attempts if one.loaded is not None]
    winner = min(plausible, key=lambda one: _age(one.as_of, day), default=None)
    reports = tuple(_settled(one, winner) for one in attempts)
    now = clock.now()
    _tell_health(paths.symbol_health, reports, now)
    if winner is None or winner.loaded is None:
        return None, reports
    name = winner.report.name
    return Symbols(day, name, now, reports, winner.loaded.instruments, winner.as_of), reports


def _settled(attempt: _Attempt, winner: _Attempt | None) -> StageReport:
    """Returns a stage's outcome now that the winner is known."""
    report = attempt.report
    if attempt is winner:
        return replace(report, outcome=Outcome.USED)
    if report.outcome is Outcome.USED and winner is not None:
        reason = f"{report.reason}; no fresher than {winner.report.name}"
        return replace(report, outcome=Outcome.NOT_NEEDED, reason=reason)
    return report


async def _attempt(stage: Stage, day: date, expected: int | None, clock: Clock) -> _Attempt:
    started_ns = clock.monotonic_ns()
    loaded, error = Loaded(()), None
    try:
        loaded = await stage.load(day)
    except ObserverError as failure:
        error = failure
        outcome, reason = Outcome.FAILED, str(failure)
    else:
        outcome, reason = _judge(loaded, expected)
    as_of = loaded.as_of or day
    plausible = outcome is Outcome.USED
    if plausible and as_of != day and stage.name not in FALLBACKS:
        # A copy is of another day by its nature; a broker has not made its list yet.
        reason = f"stale: of {as_of} and not of {day}; {reason}"
        outcome, error = Outcome.FAILED, _stale(stage.name, reason)
    seconds = round((clock.monotonic_ns() - started_ns) / 1e9, 3)
    report = StageReport(stage.name, outcome, reason, seconds, len(loaded.instruments))
    return _Attempt(report, loaded if plausible else None, as_of, error)


def _stale(name: str, reason: str) -> StaleListError:
    return StaleListError(
        f"{name} is {reason}.",
        remedy="Wait: the broker lists each trading day anew in its morning. If it stays so, ask the broker.",
    )


def _tell_health(path: Path, reports: Sequence[StageReport], now: datetime) -> None:
    """Keeps the last outcome of each stage; one that was not needed keeps what it last did."""
    known = read_health(path)
    told = [one for one in reports if one.outcome is not Outcome.NOT_NEEDED or one.name not in known]
    write_health(path, {report.name: asdict(report) for report in told}, now)


def _judge(loaded: Loaded, expected: int | None) -> tuple[Outcome, str]:
    rows = len(loaded.instruments)
    if rows == 0:
        return Outcome.SKIPPED, loaded.remark
    fault = _implausible(loaded.instruments, expected)
    return (Outcome.FAILED, f"implausible: {fault}") if fault else (Outcome.USED, loaded.remark)


def _implausible(instruments: Sequence[ListedInstrument], expected: int | None) -> str:
    """Returns why these are not the symbols of a real market; empty where they may be."""
    codes = Counter(one.code for one in instruments)
    repeated = sorted(code for code, rows in codes.items() if rows > 1)
    count = len(codes)
    if repeated:
        return (
            f"{len(repeated)} of {count} codes stand more than once, {repeated[0]} for one; "
            f"{len(instruments)} rows"
        )
    if count < MINIMUM_COUNT:
        return f"{count} symbols, fewer than {MINIMUM_COUNT}"
    if count > MAXIMUM_COUNT:
        return f"{count} symbols, more than {MAXIMUM_COUNT}"
    if expected is not None and abs(count - expected) > MAXIMUM_CHANGE * expected:
        return f"{count} symbols after {expected} in the last good file, more than {MAXIMUM_CHANGE:.0%} apart"
    return ""
