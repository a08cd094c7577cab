"""What is promised of a closed day by the broker's own figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from observer_pipeline import keys
from observer_pipeline.checks.contract import Contract
from observer_pipeline.checks.rules import official
from observer_pipeline.checks.verdict import Verdict

if TYPE_CHECKING:
    from observer_pipeline.checks.evidence import DayEvidence


def _official_figures_agree(evidence: DayEvidence) -> Verdict:
    return official.official_figures_agree(evidence.reconciled())


OFFICIAL_CONTRACTS = (
    Contract(
        "official_figures_agree",
        keys.DAY_CLOSE,
        "For each symbol and venue, captured and filled-in volume, value, open, high, low and close are the "
        "broker's official ones, or each difference has its reason out of a closed list, with evidence "
        "in the journal. An error where one has none. Shares of an outage at the begin or the end of the day "
        "have a reason, and are ours: a warning, and an error above 1 % of the official shares. A warning, "
        "and no fault of ours, where the broker stated no figures.",
        _official_figures_agree,
        after=(keys.DAILY_OFFICIAL,),
    ),
)
