"""What is promised of master files, symbols and universe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from observer_core.brokers.kis.master_layouts import KOSDAQ, KOSPI, MasterLayout
from observer_core.brokers.kis.masters import unzip_master
from observer_core.errors import MasterFileError
from observer_core.reference.symbols import Outcome
from observer_pipeline import keys
from observer_pipeline.checks.contract import Contract
from observer_pipeline.checks.rules import reference as rules
from observer_pipeline.checks.verdict import Severity, Verdict

if TYPE_CHECKING:
    from observer_pipeline.checks.evidence import DayEvidence

_PREFERRED_SOURCE = "kis-master"


def _master_files(evidence: DayEvidence) -> Verdict:
    folder = evidence.paths.master_files(evidence.day)
    return rules.files_kept({one.zip_name: _fault(folder / one.zip_name, one) for one in (KOSPI, KOSDAQ)})


def _fault(path: Path, layout: MasterLayout) -> str:
    """Returns what is wrong with a kept master file; empty where it can be read."""
    if not path.is_file() or not path.stat().st_size:
        return "missing or empty"
    try:
        unzip_master(path.read_bytes(), layout, source=path.name)
    except MasterFileError as error:
        return error.message
    return ""


def _symbols_count(evidence: DayEvidence) -> Verdict:
    count = len({one.code for one in evidence.symbols.instruments})
    return rules.count_plausible(
        count, fewest=rules.FEWEST_SYMBOLS, most=rules.MOST_SYMBOLS, what="different symbols"
    )


def _symbols_source(evidence: DayEvidence) -> Verdict:
    symbols = evidence.symbols
    stale = symbols.source if symbols.as_of != symbols.day else ""
    failed = {
        stage.name: stage.reason
        for stage in symbols.stages
        if stage.outcome in (Outcome.FAILED, Outcome.SKIPPED) or stage.name == stale
    }
    return rules.preferred_source(
        symbols.source, symbols.as_of, preferred=_PREFERRED_SOURCE, day=evidence.day, failed_stages=failed
    )


def _universe_count(evidence: DayEvidence) -> Verdict:
    return rules.count_plausible(
        len({one.code for one in evidence.universe.symbols}),
        fewest=rules.FEWEST_IN_UNIVERSE,
        most=rules.MOST_IN_UNIVERSE,
        what="instruments",
    )


def _universe_adds_up(evidence: DayEvidence) -> Verdict:
    universe = evidence.universe
    return rules.adds_up(universe.rows, {"universe": universe.size, **universe.excluded})


def _universe_change(evidence: DayEvidence) -> Verdict:
    earlier = evidence.earlier_universe
    return rules.change_plausible(
        evidence.universe.size,
        earlier.size if earlier else None,
        largest=rules.LARGEST_CHANGE,
        what="instruments",
    )


def _universe_date(evidence: DayEvidence) -> Verdict:
    return rules.dated_for(evidence.day, evidence.universe.symbols_date, severity=Severity.WARN)


MASTER_CONTRACTS = (
    Contract(
        "both_markets_kept",
        keys.INSTRUMENT_MASTER,
        "The raw master files of both markets are kept, none of them empty or damaged: the day can be made "
        "again from them.",
        _master_files,
    ),
)

SYMBOLS_CONTRACTS = (
    Contract(
        "count_plausible",
        keys.SYMBOLS,
        f"{rules.FEWEST_SYMBOLS:,} to {rules.MOST_SYMBOLS:,} different symbols: both markets list about "
        "2,700 shares. Blocks the universe: a day swept over a few symbols cannot be repaired (incident "
        "I-09).",
        _symbols_count,
        blocking=True,
    ),
    Contract(
        "from_master_files",
        keys.SYMBOLS,
        "The broker's master files have won, and they are the day's. Another source, or files that the "
        "broker packed for another session, are a degraded state, shown as a warning with both dates and the "
        "reason of each stage that failed.",
        _symbols_source,
    ),
)

UNIVERSE_CONTRACTS = (
    Contract(
        "size_plausible",
        keys.UNIVERSE,
        f"{rules.FEWEST_IN_UNIVERSE:,} to {rules.MOST_IN_UNIVERSE:,} different instruments: the default "
        "filters keep about 1,600 of both markets.",
        _universe_count,
    ),
    Contract(
        "exclusions_add_up",
        keys.UNIVERSE,
        "Every instrument is in the universe or counted under the one reason that excludes it.",
        _universe_adds_up,
    ),
    Contract(
        "change_plausible",
        keys.UNIVERSE,
        f"The size differs by at most {rules.LARGEST_CHANGE:.0%} from the last earlier day's.",
        _universe_change,
    ),
    Contract(
        "symbols_of_the_day",
        keys.UNIVERSE,
        "It was made from the symbols of the same day; older ones are a failover, shown as a warning.",
        _universe_date,
    ),
)
