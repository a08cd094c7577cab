"""The symbols of a day, and the file that holds them.

Invariant: a file names the source that its symbols came from, the day that they speak of, and what every
other source said.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from observer_core.errors import InputError
from observer_core.json_text import parse_json
from observer_core.logs import logger
from observer_core.reference.instrument import ListedInstrument, Market
from observer_core.settings import Paths

FORMAT = 1
LAST_GOOD = "last-good"
PACKAGED_LISTING = "packaged-listing"

FALLBACKS = frozenset({LAST_GOOD, PACKAGED_LISTING})
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
        as_of: The day that they speak of: an earlier one where the last good file or the listing won, or
            where the broker served old master files and nothing was fresher.
        replaces: Source and time of the file whose place they took; empty where there was none.
    """

    day: date
    source: str
    created: datetime
    stages: tuple[StageReport, ...]
    instruments: tuple[ListedInstrument, ...]
    as_of: date
    replaces: str = ""

    @property
    def is_live(self) -> bool:
        """Whether they came from a broker: only such a file counts as a good one later."""
        return self.source not in FALLBACKS


def read_symbols(path: Path) -> Symbols:
    """Returns the content of a symbols file.

    Raises:
        InputError: It is missing or damaged.
    """
    try:
        content = parse_json(path.read_bytes())
        if content["format"] != FORMAT:
            raise InputError(
                f"{path} has format {content['format']!r} instead of {FORMAT}.",
                remedy="Deploy the release that wrote it, or a later one.",
            )
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
            replaces=content.get("replaces", ""),
        )
    except FileNotFoundError as error:
        raise InputError(
            f"There is no symbols file {path}.",
            remedy="Run refresh_reference for the day: it writes the file.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The symbols file {path} cannot be read: {type(error).__name__} {error}.",
            remedy="Move the file away, then run refresh_reference for the day: it writes the file anew.",
        ) from error


@dataclass(frozen=True, slots=True)
class LastGood:
    """What this deployment has of earlier days.

    Attributes:
        symbols: The newest ones that came from a broker; None where there are none.
        damaged: What is wrong with newer files, which were passed over.
    """

    symbols: Symbols | None
    damaged: tuple[InputError, ...]


def last_good_symbols(paths: Paths, before: date) -> Symbols | None:
    """Returns the newest symbols of an earlier day that came from a broker; None where there are none."""
    return last_good(paths, before).symbols


def last_good(paths: Paths, before: date) -> LastGood:
    """Returns the newest symbols of an earlier day that came from a broker, and which files are damaged."""
    damaged: list[InputError] = []
    for days in range(1, _LOOK_BACK_DAYS + 1):
        path = paths.symbols(before - timedelta(days=days))
        if not path.exists():
            continue
        try:
            symbols = read_symbols(path)
        except InputError as error:
            _log.warning("A damaged symbols file is passed over.", error=str(error))
            damaged.append(error)
            continue
        if symbols.is_live:
            return LastGood(symbols, tuple(damaged))
    return LastGood(None, tuple(damaged))


def encode_symbols(symbols: Symbols) -> bytes:
    """Returns the content of a symbols file."""
    return json.dumps(_as_json(symbols), ensure_ascii=False, separators=(",", ":")).encode()


def _as_json(symbols: Symbols) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "date": symbols.day.isoformat(),
        "as_of": symbols.as_of.isoformat(),
        "source": symbols.source,
        "created": symbols.created.isoformat(),
        **({"replaces": symbols.replaces} if symbols.replaces else {}),
        "stages": [asdict(report) for report in symbols.stages],
        # A master file's instrument knows more than the symbols file keeps.
        "symbols": [
            {name: getattr(instrument, name) for name in _COLUMNS} for instrument in symbols.instruments
        ],
    }


_COLUMNS = tuple(ListedInstrument.__dataclass_fields__)
