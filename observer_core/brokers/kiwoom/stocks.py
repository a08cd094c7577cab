"""Rows of Kiwoom's stock list as instruments (Kiwoom reference, section 6.1).

Invariant: what a row carries is taken from it; what it does not carry follows a rule written here, is taken
from instruments known before, or is left empty, and `Converted` counts how often. A product class without a
rule gives no instrument. The rules for shares agree with every one of the 2,744 shares of the packaged
listing; a test repeats that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from observer_core.errors import InputError
from observer_core.reference.instrument import COMMON_SHARE, ListedInstrument, Market


class MarketCode(StrEnum):
    """Markets whose lists are asked for (`mrkt_tp`); a row's market is that of the request."""

    KOSPI = "0"
    KOSDAQ = "10"


_MARKETS = {MarketCode.KOSPI: Market.KOSPI, MarketCode.KOSDAQ: Market.KOSDAQ}
_SHARES = frozenset(MarketCode)
# Product class (`marketCode`) -> group of the KIS master files. Other classes have no group that is sure.
_GROUPS = {"8": "EF", "60": "EN", "70": "EN", "90": "EN", "6": "RT", "2": "IF", "4": "MF"}
_NOTES = "EN"
# The exchange gives codes from 900000 on to foreign companies, from 950000 on to depositary receipts.
_FOREIGN, _RECEIPTS = "90", "95"
_SPAC = "스팩"
_LIQUIDATION = "2"
# Not in Kiwoom's documents; seen nowhere else than where trading is halted.
_HALTED = "거래정지"
_OLD_PREFERRED, _NEW_PREFERRED, _OTHER_PREFERRED = "1", "2", "9"
_CLASSES = {"0": COMMON_SHARE, "5": _OLD_PREFERRED, "7": _NEW_PREFERRED}


@dataclass(frozen=True, slots=True)
class Converted:
    """The instruments of a stock list, and what is not Kiwoom's word about them.

    Attributes:
        instruments: In the order of the list.
        known: How many took ISIN and previous volume from instruments known before.
        unmapped: Product class -> rows that are left out.
    """

    instruments: tuple[ListedInstrument, ...]
    known: int
    unmapped: Mapping[str, int]


def convert(
    rows: Mapping[MarketCode, Iterable[Mapping[str, object]]], known: Mapping[str, ListedInstrument]
) -> Converted:
    """Returns the instruments of the lists of both markets.

    A code that stands in both lists counts once, under the first.

    Args:
        rows: Market asked for -> rows as sent.
        known: Code -> instrument of an earlier day.

    Raises:
        InputError: A row lacks a field, or a number in it is none.
    """
    found: dict[str, ListedInstrument] = {}
    unmapped: Counter[str] = Counter()
    for asked, listed in rows.items():
        for row in listed:
            group = _group(row)
            if group is None:
                unmapped[_text(row, "marketCode")] += 1
                continue
            one = _instrument(row, _MARKETS[asked], group, known)
            found.setdefault(one.code, one)
    return Converted(tuple(found.values()), len(found.keys() & known.keys()), dict(unmapped))


def _instrument(
    row: Mapping[str, object], market: Market, group: str, known: Mapping[str, ListedInstrument]
) -> ListedInstrument:
    # KIS writes the codes of notes with a leading Q, Kiwoom without.
    code = f"Q{_text(row, 'code')}" if group == _NOTES else _text(row, "code")
    name, earlier = _text(row, "name"), known.get(code)
    return ListedInstrument(
        code=code,
        isin=earlier.isin if earlier else "",
        name=name,
        market=market,
        group=group,
        preferred_class=_preferred_class(code) if _text(row, "marketCode") in _SHARES else COMMON_SHARE,
        spac=_SPAC in name and group == "ST",
        suspended=_HALTED in _text(row, "state") or _HALTED in _text(row, "auditInfo"),
        liquidation=_text(row, "orderWarning") == _LIQUIDATION,
        base_price=_number(row, "lastPrice"),
        previous_volume=earlier.previous_volume if earlier else 0,
        listed_shares=_number(row, "listCount"),
    )


def _group(row: Mapping[str, object]) -> str | None:
    product = _text(row, "marketCode")
    if product not in _SHARES:
        return _GROUPS.get(product)
    code = _text(row, "code")
    if code.startswith(_RECEIPTS):
        return "DR"
    return "FS" if code.startswith(_FOREIGN) else "ST"


def _preferred_class(code: str) -> str:
    """Returns the class that the last character of a share's code tells; 0 stands for common shares."""
    return _CLASSES.get(code[-1], _OTHER_PREFERRED)


def _text(row: Mapping[str, object], field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str):
        raise InputError(
            f"A row of Kiwoom's stock list has {field} {value!r} (code {row.get('code')!r}).",
            remedy="Compare with the documents of ka10099; the next source of symbols is used meanwhile.",
        )
    return value.strip()


def _number(row: Mapping[str, object], field: str) -> int:
    text = _text(row, field)
    if not (text.isascii() and text.isdigit()):
        raise InputError(
            f"A row of Kiwoom's stock list has {field} {text!r}, no number (code {row.get('code')!r}).",
            remedy="Compare with the documents of ka10099; the next source of symbols is used meanwhile.",
        )
    return int(text)
