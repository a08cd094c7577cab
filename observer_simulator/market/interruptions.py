"""Volatility interruptions of single symbols (broker reference, 8.3).

Invariant: they are said to happen, on the admin page, and do not halt the simulated trading.
"""

from __future__ import annotations

from dataclasses import dataclass

from observer_core.clock.base import NANOSECONDS

# "2 minutes plus a short random end".
_SECONDS = 132.0


@dataclass(frozen=True, slots=True)
class Interruption:
    """One interruption.

    Attributes:
        symbol: The symbol.
        from_ns: When it begins.
        to_ns: When it ends.
    """

    symbol: str
    from_ns: int
    to_ns: int

    @classmethod
    def begin(cls, symbol: str, now_ns: int, *, seconds: float = _SECONDS) -> Interruption:
        """Returns an interruption that begins now."""
        return cls(symbol, now_ns, now_ns + int(seconds * NANOSECONDS))
