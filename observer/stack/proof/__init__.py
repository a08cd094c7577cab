"""Proves that a recorded day is whole, by counting the real files and tables.

Invariant: nothing here trusts a count of the collector, of a manifest or of the pipeline; the
simulated broker's account is the measure, and every layer is read again.
"""

from observer.stack.proof.evidence import Evidence, collect_evidence
from observer.stack.proof.verdict import Equation, judge

__all__ = ["Equation", "Evidence", "collect_evidence", "judge"]
