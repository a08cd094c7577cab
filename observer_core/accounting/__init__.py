"""Accounting: does what was received add up to what was traded?

Invariant: every trade of the broker states its own volume and the day's cumulative volume, value,
and counts and volumes per side; so what is missing between two received trades is known exactly,
without sequence numbers (broker reference, 7.1).
"""

from observer_core.accounting.account import Account, Finding, Hole, Reset, Severity, hole_of
from observer_core.accounting.continuity import VolumeContinuity
from observer_core.accounting.ledger import SPLITS, Ledger
from observer_core.accounting.policy import SESSIONS, ContinuityPolicy

__all__ = [
    "SESSIONS",
    "SPLITS",
    "Account",
    "ContinuityPolicy",
    "Finding",
    "Hole",
    "Ledger",
    "Reset",
    "Severity",
    "VolumeContinuity",
    "hole_of",
]
