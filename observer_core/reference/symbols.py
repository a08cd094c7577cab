"""The symbols of a day: an ordered list of sources, of which the first plausible one wins.

Invariant: a file of a date is written once and never again; it names the source that won and what
every other one said. A source with too few symbols, or too different from the last good file of this
deployment, does not win.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from observer_core.clock import Clock
from observer_core.errors import InputError, ObserverError
from observer_core.files import create_atomically, write_atomically
from observer_core.json_text import parse_json
from observer_core.logs import logger
from observer_core.reference.instrument import ListedInstrument, Market
from observer_core.settings import Paths

FORMAT = 1
LAST_GOOD = "last-good"
PACKAGED_LISTING = "packaged-listing"

MINIMUM_COUNT = 1000
MAXIMUM_CHANGE = 0.2

_FALLBACKS = frozenset({LAST_GOOD, PACKAGED_LISTING})
_LOOK_BACK_DAYS = 400

_log = logger(__name__)


class Outcome(StrEnum):
    """What became of a stage."""

    USED = "used"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_NEEDED = "not_needed"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a stage found.

    Attributes:
        instruments: The symbols; empty where the stage does not apply.
        remark: What is worth knowing about them, or why there are none.
        as_of: The day that they speak of; None where it is the day that was asked for.
    """

    instruments: tuple[ListedInstrument, ...]
    remark: str = ""
    as_of: date | None = None


class Stage(Protocol):
    """One source of symbols."""

    @property
    def name(self) -> str:
        """Name in the file's `source` and in the health file."""

    async def load(self, day: date) -> Loaded:
        """Returns the symbols of a day; empty where the stage does not apply.

        Raises:
            ObserverError: The source failed.
        """


@dataclass(frozen=True, slots=True)
class StageReport:
    """The outcome of one stage.

    Attributes:
        name: The stage.
        outcome: What became of it.
        reason: Why, or what is worth knowing.
        seconds: How long it took, in real time.
        count: Symbols it found.
    """

    name: str
    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Symbols:
    """The symbols of a day.

    Attributes:
        day: The day they were made for.
        source: The stage that won.
        created: When.
        stages: The outcome of each stage, in order.
        instruments: The symbols.
        as_of: The day that they speak of: an earlier one where the last good file or the listing won.
    """

    day: date
    source: str
    created: datetime
    stages: tuple[StageReport, ...]
    instruments: tuple[ListedInstrument, ...]
    as_of: date

    @property
    def is_live(self) -> bool:
        """Whether they came from a broker: only such a file counts as a good one later."""
        return self.source not in _FALLBACKS


async def build_symbols(paths: Paths, day: date, stages: Sequence[Stage], clock: Clock) -> Symbols:
    """Returns the symbols of a day, from its file or else from the first stage that is plausible.

    Args:
        paths: The layout: the file is `Paths.symbols(day)`.
        day: The day.
        stages: The sources in the order of preference.
        clock: Time of creation, and durations.

    Raises:
        InputError: Every stage failed, the day's file is damaged, or the day is still to come.
    """
    path = paths.symbols(day)
    if path.exists():
        return read_symbols(path)
    today = clock.now().date()
    if day > today:
        # Whatever were written now would stand on the day itself.
        raise InputError(
            f"The symbols of {day} cannot be known on {today}.",
            remedy="Refresh them on the day itself; the schedule does, before the session.",
        )
    symbols, reports = await _first_plausible(paths, day, stages, clock)
    _write_health(paths.symbol_health, reports, clock.now())
    if symbols is None:
        told = "; ".join(f"{report.name}: {report.reason}" for report in reports)
        raise InputError(f"No source has symbols for {day}: {told}.", remedy="Mend one of the sources.")
    content = json.dumps(_as_json(symbols), ensure_ascii=False, separators=(",", ":"))
    if not create_atomically(path, content.encode()):
        return read_symbols(path)
    return symbols


def read_symbols(path: Path) -> Symbols:
    """Returns the content of a symbols file.

    Raises:
        InputError: It is missing or damaged.
    """
    try:
        content = parse_json(path.read_bytes())
        if content["format"] != FORMAT:
            raise InputError(f"{path} has format {content['format']!r} instead of {FORMAT}.")
        return Symbols(
            day=date.fromisoformat(content["date"]),
            source=content["source"],
            created=datetime.fromisoformat(content["created"]),
            stages=tuple(StageReport(**{**s, "outcome": Outcome(s["outcome"])}) for s in content["stages"]),
            instruments=tuple(
                ListedInstrument(**{**symbol, "market": Market(symbol["market"])})
                for symbol in content["symbols"]
            ),
            # Files written before 2026-12 do not tell.
            as_of=date.fromisoformat(content.get("as_of", content["date"])),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The symbols file {path} cannot be read: {type(error).__name__} {error}.",
            remedy="Move the file away; the next refresh writes it anew.",
        ) from error


def last_good_symbols(paths: Paths, before: date) -> Symbols | None:
    """Returns the newest symbols of an earlier day that came from a broker; None where there are none."""
    for days in range(1, _LOOK_BACK_DAYS + 1):
        path = paths.symbols(before - timedelta(days=days))
        if not path.exists():
            continue
        try:
            symbols = read_symbols(path)
        except InputError as error:
            _log.warning("A damaged symbols file is passed over.", error=str(error))
            continue
        if symbols.is_live:
            return symbols
    return None


async def _first_plausible(
    paths: Paths, day: date, stages: Sequence[Stage], clock: Clock
) -> tuple[Symbols | None, tuple[StageReport, ...]]:
    good = last_good_symbols(paths, day)
    expected = None if good is None else len(good.instruments)
    reports: list[StageReport] = []
    winner: tuple[Stage, Loaded] | None = None
    for stage in stages:
        if winner is not None:
            reports.append(StageReport(stage.name, Outcome.NOT_NEEDED))
            continue
        loaded, report = await _attempt(stage, day, expected, clock)
        reports.append(report)
        if report.outcome is Outcome.USED:
            winner = stage, loaded
        else:
            _log.warning("A source of symbols did not win.", stage=report.name, reason=report.reason)
    if winner is None:
        return None, tuple(reports)
    stage, loaded = winner
    now = clock.now()
    symbols = Symbols(day, stage.name, now, tuple(reports), loaded.instruments, loaded.as_of or day)
    return symbols, symbols.stages


async def _attempt(stage: Stage, day: date, expected: int | None, clock: Clock) -> tuple[Loaded, StageReport]:
    started_ns = clock.monotonic_ns()
    loaded = Loaded(())
    try:
        loaded = await stage.load(day)
    except ObserverError as error:
        outcome, reason = Outcome.FAILED, str(error)
    else:
        outcome, reason = _judge(loaded, expected)
    seconds = round((clock.monotonic_ns() - started_ns) / 1e9, 3)
    return loaded, StageReport(stage.name, outcome, reason, seconds, len(loaded.instruments))


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


def _as_json(symbols: Symbols) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "date": symbols.day.isoformat(),
        "as_of": symbols.as_of.isoformat(),
        "source": symbols.source,
        "created": symbols.created.isoformat(),
        "stages": [asdict(report) for report in symbols.stages],
        # A master file's instrument knows more than the symbols file keeps.
        "symbols": [
            {name: getattr(instrument, name) for name in _COLUMNS} for instrument in symbols.instruments
        ],
    }


_COLUMNS = tuple(ListedInstrument.__dataclass_fields__)


def _write_health(path: Path, reports: Sequence[StageReport], now: datetime) -> None:
    """Keeps the last outcome of each stage; one that was not needed keeps what it last did."""
    known = _read_health(path)
    for report in reports:
        if report.outcome is not Outcome.NOT_NEEDED or report.name not in known:
            known[report.name] = {**asdict(report), "at": now.isoformat()}
    content = json.dumps({"format": FORMAT, "stages": known}, ensure_ascii=False, indent=1)
    write_atomically(path, content.encode())


def _read_health(path: Path) -> dict[str, Any]:
    try:
        stages = parse_json(path.read_bytes())["stages"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("The symbol health file is unreadable; it is begun anew.", error=str(error))
        return {}
    return stages if isinstance(stages, dict) else {}
