"""What a contract's evaluation says.

Invariant: a verdict explains itself: what was promised, what was seen, and who offends. Rules return
verdicts and know nothing of Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

Scalar = str | int | float | bool
Offender = Mapping[str, Scalar]


class Severity(StrEnum):
    """What a broken promise means for the reader."""

    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one evaluation of one contract.

    Attributes:
        passed: Whether the promise holds.
        severity: How bad it is where it does not.
        bound: What was promised, in words or as a number.
        observed: What was seen, in the same unit.
        offenders: The rows that break the promise, the worst first; a few of them.
        reason: One sentence for the operator.
        external: Whether something outside of Observer has kept the promise from being kept or judged.
    """

    passed: bool
    severity: Severity
    bound: Scalar
    observed: Scalar
    offenders: Sequence[Offender] = ()
    reason: str = ""
    external: bool = False
