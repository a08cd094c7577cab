"""What is promised of a closed day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from observer_pipeline import keys
from observer_pipeline.checks.contract import Contract
from observer_pipeline.checks.rules import conservation
from observer_pipeline.checks.verdict import Verdict

if TYPE_CHECKING:
    from observer_pipeline.checks.evidence import DayEvidence


def _day_adds_up(evidence: DayEvidence) -> Verdict:
    return conservation.day_conserved(
        evidence.records_journaled(), evidence.records_in_lake(), evidence.records_quarantined()
    )


def _files_took_over(evidence: DayEvidence) -> Verdict:
    return conservation.day_files_complete(
        evidence.rows_by_receipts(),
        evidence.day_files(),
        evidence.open_files(),
        evidence.damaged_day_files(),
    )


DAY_CONTRACTS = (
    Contract(
        "day_adds_up",
        keys.DAY_CLOSE,
        "Records of all sealed segments of the day = rows of the day's files + quarantined records, "
        "counted from manifests, Parquet footers and quarantine files.",
        _day_adds_up,
    ),
    Contract(
        "day_files_took_over",
        keys.DAY_CLOSE,
        "Every table with rows has its day's file, each with the SHA-256 that the receipt tells, and no file "
        "of an open hour is left: a reader sees each row once.",
        _files_took_over,
    ),
)
