"""Rows are neither lost nor doubled between two layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from observer_pipeline.checks.verdict import Offender, Severity, Verdict

_SHOWN = 24
# In a sentence.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class HourCount:
    """Rows of one table in one receive hour, counted in two layers.

    Attributes:
        hour: The receive hour, Korean time.
        journaled: Lines of the sealed segments that belong to the table, by their manifests.
        in_lake: Rows of the Parquet files.
        quarantined: Lines set aside with a reason.
    """

    hour: int
    journaled: int
    in_lake: int
    quarantined: int


def journal_conserved(counts: Sequence[HourCount]) -> Verdict:
    """Judges that every journaled line is a row of the lake or is quarantined, hour by hour."""
    wrong = [count for count in counts if count.journaled != count.in_lake + count.quarantined]
    lost = sum(count.journaled - count.in_lake - count.quarantined for count in wrong)
    return Verdict(
        passed=not wrong,
        severity=Severity.ERROR,
        bound=sum(count.journaled for count in counts),
        observed=sum(count.in_lake + count.quarantined for count in counts),
        offenders=[
            {
                "hour": count.hour,
                "journaled": count.journaled,
                "in_lake": count.in_lake,
                "quarantined": count.quarantined,
                "missing": count.journaled - count.in_lake - count.quarantined,
            }
            for count in wrong[:_SHOWN]
        ],
        reason=f"{lost:+,} lines in {len(wrong)} hours are neither in the lake nor in quarantine."
        if wrong
        else "Every journaled line is a row of the lake or is quarantined.",
    )


def layers_equal(upper: Mapping[int, int], lower: Mapping[int, int], *, names: tuple[str, str]) -> Verdict:
    """Judges that two layers hold the same number of rows in each receive hour.

    Args:
        upper: Hour -> rows of the layer that is copied.
        lower: Hour -> rows of the copy.
        names: What the two layers are called.
    """
    hours = sorted(upper.keys() | lower.keys())
    wrong = [hour for hour in hours if upper.get(hour, 0) != lower.get(hour, 0)]
    return Verdict(
        passed=not wrong,
        severity=Severity.ERROR,
        bound=sum(upper.values()),
        observed=sum(lower.values()),
        offenders=[
            {"hour": hour, names[0]: upper.get(hour, 0), names[1]: lower.get(hour, 0)}
            for hour in wrong[:_SHOWN]
        ],
        reason=f"{names[0]} and {names[1]} differ in {len(wrong)} hours."
        if wrong
        else f"{names[1]} holds every row of {names[0]} once.",
    )


def tables_equal(upper: int, lower: int, *, names: tuple[str, str]) -> Verdict:
    """Judges that a copy has as many rows as what it was copied from."""
    return Verdict(
        passed=upper == lower,
        severity=Severity.ERROR,
        bound=upper,
        observed=lower,
        reason=f"{names[1]} has {lower:,} rows, {names[0]} has {upper:,}.",
    )


def nothing_set_aside(reasons: Mapping[str, int], files: Mapping[str, tuple[int, int]]) -> Verdict:
    """Judges that compaction understood every line, and that what it did not is kept.

    Args:
        reasons: Reason -> records that were set aside.
        files: Segment -> lines set aside by its receipt, and lines of its quarantine file.
    """
    lost = {segment: counts for segment, counts in files.items() if counts[0] != counts[1]}
    offenders: list[Offender] = [
        {"segment": name, "stated": stated, "kept": kept} for name, (stated, kept) in lost.items()
    ]
    offenders += [{"reason": reason, "records": count} for reason, count in sorted(reasons.items())]
    aside = sum(reasons.values())
    return Verdict(
        passed=not lost and not aside,
        severity=Severity.ERROR if lost else Severity.WARN,
        bound=0,
        observed=aside,
        offenders=offenders[:_SHOWN],
        reason=f"{len(lost)} quarantine files have not the lines that their receipts state."
        if lost
        else f"{aside:,} records were not understood and are kept in quarantine."
        if aside
        else "Every line was understood.",
    )


def day_conserved(journaled: int, in_lake: Mapping[str, int], quarantined: int) -> Verdict:
    """Judges that a day's records are all in the lake or in quarantine.

    Args:
        journaled: Records of all sealed segments.
        in_lake: Table -> rows that are records.
        quarantined: Records set aside.
    """
    found = sum(in_lake.values()) + quarantined
    parts = {**in_lake, "quarantine": quarantined}
    return Verdict(
        passed=found == journaled,
        severity=Severity.ERROR,
        bound=journaled,
        observed=found,
        offenders=[{"part": name, "records": count} for name, count in parts.items()]
        if found != journaled
        else (),
        reason=f"{journaled:,} journaled = "
        + " + ".join(f"{count:,} {name}" for name, count in parts.items() if count)
        if found == journaled
        else f"{journaled - found:+,} records are neither in the lake nor in quarantine.",
    )


def day_files_complete(
    expected: Mapping[str, int], files: Mapping[str, int], left_open: Sequence[str], changed: Sequence[str]
) -> Verdict:
    """Judges that the day's files hold what the hours held, byte for byte, and have taken over.

    Args:
        expected: Table -> rows by the lake's receipts.
        files: Table -> rows of its day file.
        left_open: Files of open hours that are still there.
        changed: Day files whose bytes are not those that were published.
    """
    wrong = [
        name for name in sorted(expected.keys() | files.keys()) if expected.get(name, 0) != files.get(name, 0)
    ]
    offenders: list[Offender] = [
        {"table": name, "expected": expected.get(name, 0), "found": files.get(name, 0)} for name in wrong
    ]
    offenders += [{"left_open": name} for name in left_open]
    offenders += [{"damaged": name} for name in changed]
    failed = wrong or left_open or changed
    return Verdict(
        passed=not failed,
        severity=Severity.ERROR,
        bound=sum(expected.values()),
        observed=sum(files.values()),
        offenders=offenders[:_SHOWN],
        reason=f"{len(wrong)} tables differ, {len(left_open)} files of open hours are left, "
        f"{len(changed)} day files are damaged{''.join(f', {name}' for name in changed[:_NAMED])}."
        if failed
        else f"{len(files)} day files hold all rows.",
    )
