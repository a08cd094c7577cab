"""What happened to instruments between two trading days: flags of the broker, and what comparing tells.

Invariant: a flag is reported as long as the broker sets it, a code without a documented meaning as it came; a
comparison is made with the trading day just before and with no other, for over a longer time a price moves by
trading alone. A base price that is not the previous close was set by the exchange: rights were cut off, or
the face value changed (broker reference, 5.1 and 5.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

# KRX business regulation, article 20: a close lies within 30 % of the day's base price. One percent more
# leaves room for the rounding to ticks of low prices.
_LARGEST_MOVE = 0.31

NONE = "00"
MEANINGS: Mapping[str, Mapping[str, str]] = {
    "ex_rights": {
        "01": "rights",
        "02": "dividend",
        "03": "distribution",
        "04": "rights and dividend",
        "05": "interim dividend",
        "06": "rights and interim dividend",
        "99": "other",
    },
    "face_value_change": {"01": "split", "02": "merge", "99": "other"},
    "capital_increase": {"01": "paid", "02": "free", "03": "paid and free", "99": "other"},
}
_UNKNOWN = "code without a documented meaning"


class ActionKind(StrEnum):
    """What happened."""

    EX_RIGHTS = "ex_rights"
    FACE_VALUE_CHANGE = "face_value_change"
    CAPITAL_INCREASE = "capital_increase"
    BASE_PRICE = "base_price"
    FACE_VALUE = "face_value"
    LISTED_SHARES = "listed_shares"
    LISTING = "listing"
    DELISTING = "delisting"


class Evidence(StrEnum):
    """How it is known."""

    FLAG = "flag of the master file"
    PREVIOUS_CLOSE = "base price is not the previous close"
    BEYOND_LIMIT = "base price moved further than a day's limit allows"
    COMPARED = "two days compared"


FLAGS = (ActionKind.EX_RIGHTS, ActionKind.FACE_VALUE_CHANGE, ActionKind.CAPITAL_INCREASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentState:
    """What of an instrument a corporate action changes.

    Attributes:
        symbol: Short code.
        name: Korean name.
        base_price: Reference price of the day in KRW; 0 where the source has none.
        listed_shares: Listed shares, exact to a thousand.
        face_value: Face value in KRW; None where no master file tells.
        listed_date: Day of listing; None where no master file tells.
        ex_rights: Code of the day; None where no master file tells.
        face_value_change: As `ex_rights`.
        capital_increase: As `ex_rights`.
    """

    symbol: str
    name: str
    base_price: int
    listed_shares: int
    face_value: int | None = None
    listed_date: date | None = None
    ex_rights: str | None = None
    face_value_change: str | None = None
    capital_increase: str | None = None


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """One thing that happened to an instrument.

    Attributes:
        symbol: Short code.
        name: Korean name.
        kind: What happened.
        evidence: How it is known.
        meaning: In words.
        code: The broker's code of a flag.
        before: Figure before, in KRW or shares; None of a flag.
        after: Figure of the day.
        previous_day: Day it was compared with; None of a flag.
    """

    symbol: str
    name: str
    kind: ActionKind
    evidence: Evidence
    meaning: str
    code: str = ""
    before: int | None = None
    after: int | None = None
    previous_day: date | None = None

    @property
    def factor(self) -> float | None:
        """What earlier prices are multiplied by, of a changed base price; the ratio of any other figures."""
        return self.after / self.before if self.before and self.after is not None else None


@dataclass(frozen=True, slots=True)
class Earlier:
    """The instruments of the trading day just before.

    Attributes:
        day: That day.
        instruments: Symbol -> its state.
    """

    day: date
    instruments: Mapping[str, InstrumentState]


def corporate_actions(
    today: Mapping[str, InstrumentState], earlier: Earlier | None, previous_closes: Mapping[str, int]
) -> list[CorporateAction]:
    """Returns what happened, by symbol and kind.

    Args:
        today: Symbol -> its state on the day.
        earlier: The trading day just before; None where it is not known: then only flags and closes tell.
        previous_closes: Symbol -> previous close in KRW as the broker states it on the day, of the symbols
        swept.
    """
    found = [action for state in today.values() for action in _of_symbol(state, earlier, previous_closes)]
    if earlier is not None:
        found += [
            CorporateAction(
                state.symbol, state.name, ActionKind.DELISTING, Evidence.COMPARED, "no longer listed",
                previous_day=earlier.day,
            )
            for state in earlier.instruments.values()
            if state.symbol not in today
        ]  # fmt: skip
    return sorted(found, key=lambda action: (action.symbol, action.kind))


def _of_symbol(
    state: InstrumentState, earlier: Earlier | None, previous_closes: Mapping[str, int]
) -> Iterator[CorporateAction]:
    yield from _flags(state)
    before = earlier.instruments.get(state.symbol) if earlier else None
    base = _base_price(state, before, earlier, previous_closes.get(state.symbol))
    if base is not None:
        yield base
    if earlier is None:
        return
    if before is None:
        yield _compared(state, ActionKind.LISTING, "newly listed", earlier.day)
        return
    for kind, old, new in (
        (ActionKind.FACE_VALUE, before.face_value, state.face_value),
        (ActionKind.LISTED_SHARES, before.listed_shares, state.listed_shares),
    ):
        if old is not None and new is not None and old != new:
            yield _compared(
                state, kind, f"{kind.replace('_', ' ')} changed", earlier.day, before=old, after=new
            )


def _flags(state: InstrumentState) -> Iterator[CorporateAction]:
    for kind in FLAGS:
        code: str | None = getattr(state, kind)
        if code and code != NONE:
            meaning = MEANINGS[kind].get(code, _UNKNOWN)
            yield CorporateAction(state.symbol, state.name, kind, Evidence.FLAG, meaning, code)


def _base_price(
    state: InstrumentState, before: InstrumentState | None, earlier: Earlier | None, close: int | None
) -> CorporateAction | None:
    """Returns the change of a base price by the exchange; None where trading explains it."""
    if not state.base_price:
        return None
    if close:
        if close == state.base_price:
            return None
        evidence, old, day = Evidence.PREVIOUS_CLOSE, close, earlier.day if earlier else None
    else:
        # A first day may move by 300 %; the day after it shows that.
        if before is None or earlier is None or not before.base_price or state.listed_date == earlier.day:
            return None
        if abs(state.base_price / before.base_price - 1) <= _LARGEST_MOVE:
            return None
        evidence, old, day = Evidence.BEYOND_LIMIT, before.base_price, earlier.day
    return CorporateAction(
        state.symbol, state.name, ActionKind.BASE_PRICE, evidence, "base price set by the exchange",
        before=old, after=state.base_price, previous_day=day,
    )  # fmt: skip


def _compared(
    state: InstrumentState,
    kind: ActionKind,
    meaning: str,
    day: date,
    *,
    before: int | None = None,
    after: int | None = None,
) -> CorporateAction:
    return CorporateAction(
        state.symbol, state.name, kind, Evidence.COMPARED, meaning, before=before, after=after,
        previous_day=day,
    )  # fmt: skip
