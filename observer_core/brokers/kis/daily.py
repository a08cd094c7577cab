"""A day's official figures of one symbol on one exchange (broker reference, 4.7).

Invariant: prices are not adjusted and everything is as the broker states it; a row that lacks a figure is
no row, so that nobody compares with a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from observer_core.brokers.kis.catalogue import Venue
from observer_core.errors import BrokerRetryableError

# FID_COND_MRKT_DIV_CODE of a venue (broker reference, section 4).
MARKET_CODES: Mapping[Venue, str] = {Venue.KRX: "J", Venue.NXT: "NX", Venue.UNIFIED: "UN"}


@dataclass(frozen=True, slots=True)
class DailyFigures:
    """What the broker states of a day.

    Attributes:
        open_price: KRW; 0 on a day without a trade.
        high_price: KRW.
        low_price: KRW.
        close_price: KRW.
        volume: Shares.
        value: KRW.
        ex_rights_code: `flng_cls_code`, 00 for none.
        carried_over: Whether the broker says that nothing was traded (`mod_yn`).
    """

    open_price: int
    high_price: int
    low_price: int
    close_price: int
    volume: int
    value: int
    ex_rights_code: str = "00"
    carried_over: bool = False


def figures_of(rows: Iterable[Mapping[str, str]], day: date) -> DailyFigures | None:
    """Returns the figures of a day; None where the broker has no row for it.

    Args:
        rows: `output2` as sent.
        day: The trading day.

    Raises:
        BrokerRetryableError: The day's row lacks a figure.
    """
    row = next((row for row in rows if row.get("stck_bsop_date") == f"{day:%Y%m%d}"), None)
    if row is None:
        return None
    try:
        return DailyFigures(
            open_price=int(row["stck_oprc"]),
            high_price=int(row["stck_hgpr"]),
            low_price=int(row["stck_lwpr"]),
            close_price=int(row["stck_clpr"]),
            volume=int(row["acml_vol"]),
            value=int(row["acml_tr_pbmn"]),
            ex_rights_code=str(row.get("flng_cls_code", "00")),
            carried_over=row.get("mod_yn") == "Y",
        )
    except (KeyError, ValueError, TypeError) as error:
        raise BrokerRetryableError(
            "no output",
            f"the daily row of {day} has no usable {error}",
            remedy="Ask for the day's official figures again; see the broker's notices.",
        ) from error
