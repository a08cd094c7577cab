"""What is promised of the trading calendar, which decides what runs at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from observer_core.market.calendar import KNOWN_THROUGH
from observer_pipeline import keys
from observer_pipeline.checks.contract import Contract
from observer_pipeline.checks.rules import calendar as rules
from observer_pipeline.checks.verdict import Verdict

if TYPE_CHECKING:
    from observer_pipeline.checks.evidence import DayEvidence


def _no_stray_days(evidence: DayEvidence) -> Verdict:
    return rules.no_stray_days(evidence.stray_days())


def _reaches_ahead(evidence: DayEvidence) -> Verdict:
    return rules.calendar_reaches_ahead(evidence.now.date(), KNOWN_THROUGH)


CALENDAR_CONTRACTS = (
    Contract(
        "received_on_trading_days",
        keys.COLLECTOR,
        "Records came on trading days only: what comes on another day is kept in the journal, but no day of "
        "the lake is made of it. A warning that names the days and their counts.",
        _no_stray_days,
        of_the_day=False,
    ),
    Contract(
        "calendar_reaches_ahead",
        keys.COLLECTOR,
        f"The exchange's closures are known for more than {rules.EARLY_WARNING.days} days: on a day beyond "
        f"the calendar nothing runs. An error in its last {rules.LAST_WARNING.days} days.",
        _reaches_ahead,
        of_the_day=False,
    ),
)
