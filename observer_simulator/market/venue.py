"""The exchanges of the simulated market, and which shares both of them trade (reference, 4, 5 and 8.1).

Invariant: which shares NXT trades depends on the listing only, so it is the same on all days.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from observer_core.reference.instrument import ListedInstrument
from observer_core.reference.instrument import Market as Exchange
from observer_simulator.market.history import rests

# Rows of nxt_kospi_code.mst and nxt_kosdaq_code.mst (broker reference, section 5).
_ISSUES = {Exchange.KOSPI: 357, Exchange.KOSDAQ: 273}
_SHARES = "ST"


class Venue(StrEnum):
    """Whose market is asked for, by its FID_COND_MRKT_DIV_CODE (broker reference, section 4)."""

    KRX = "J"
    NXT = "NX"
    UNIFIED = "UN"


def venue_of(code: str | None) -> Venue | None:
    """Returns the venue of a market division code; None for a code that there is not."""
    try:
        return Venue(code or "")
    except ValueError:
        return None


def traded_on_nxt(instruments: Sequence[ListedInstrument]) -> frozenset[str]:
    """Returns the codes that NXT trades: of each market the shares with most value."""
    codes: set[str] = set()
    for exchange, issues in _ISSUES.items():
        listed = [
            one
            for one in instruments
            if one.market is exchange and one.group == _SHARES and not one.spac and not rests(one)
        ]
        listed.sort(key=lambda one: (-one.previous_volume * one.base_price, one.code))
        codes.update(one.code for one in listed[:issues])
    return frozenset(codes)
