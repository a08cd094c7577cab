"""Files have the columns that are declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from observer_pipeline.checks.verdict import Scalar, Severity, Verdict


def schema_as_declared(declared: Mapping[str, str], files: Mapping[str, Mapping[str, str]]) -> Verdict:
    """Judges that every file has exactly the declared columns, in order and type.

    Args:
        declared: Column -> type, in the declared order.
        files: File -> its columns and types, in its own order.
    """
    offenders = [
        offender for name, columns in files.items() for offender in _differences(name, declared, columns)
    ]
    return Verdict(
        passed=not offenders,
        severity=Severity.ERROR,
        bound=f"{len(declared)} declared columns",
        observed=f"{len(files)} files, {len({str(row['file']) for row in offenders})} of them differ",
        offenders=sorted(offenders, key=lambda row: (str(row["file"]), str(row["column"])))[:50],
        reason="A file differs from the declared schema." if offenders else "All files are as declared.",
    )


def _differences(
    file: str, declared: Mapping[str, str], columns: Mapping[str, str]
) -> Iterator[Mapping[str, Scalar]]:
    """Yields the columns of a file that are not as declared."""
    for column in declared.keys() | columns.keys():
        expected, found = declared.get(column, "absent"), columns.get(column, "absent")
        if expected != found:
            yield {"file": file, "column": column, "declared": expected, "found": found}
    if declared.keys() == columns.keys() and list(declared) != list(columns):
        yield {"file": file, "column": "order", "declared": "as listed", "found": "other"}
