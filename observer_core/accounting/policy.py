"""What the accounting takes for a fault, and what for normal.

Invariant: the policy changes how a finding is called, never whether it is found: every missing share is
in a hole, whatever its severity.

Real tapes have confirmed continuity for continuous trading only (broker reference, 7.1); how auctions,
the after-market and the unified feed behave is open (8.1 and 11). So these are settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from observer_core.accounting.account import Severity

# MARKET_CLS_CODE, the last value of a trade since 2026-09-14 (broker reference, 7.2).
SESSIONS: Mapping[str, str] = MappingProxyType(
    {"1": "pre_market", "2": "regular", "3": "after_market", "5": "closing_price"}
)


@dataclass(frozen=True, slots=True)
class ContinuityPolicy:
    """The policy of one intake.

    Attributes:
        alarms: Channel and phase of the market in which a hole is a fault; elsewhere it is told.
        restarts: Sessions at whose begin the cumulative figures may begin anew.
    """

    alarms: frozenset[tuple[str, str]] = frozenset()
    restarts: frozenset[str] = frozenset({"after_market"})

    def severity(self, channel: str, phase: str) -> Severity:
        """Returns what a hole on a channel means in a phase."""
        return Severity.ALARM if (channel, phase) in self.alarms else Severity.REPORT
