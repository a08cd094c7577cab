"""Rows of ka10099 as instruments (Kiwoom reference, 6.1)."""

import pytest

from observer_core.brokers.kiwoom.stocks import MarketCode, convert
from observer_core.errors import InputError
from observer_core.reference.instrument import Market
from observer_core.reference.listing import read_listing


def row(code, name="이름", product="0", **changes):
    """A row in the documented forms: all texts, share counts of 16 digits, prices of 8."""
    return {
        "code": code, "name": name, "listCount": "0000000005919637", "auditInfo": "정상",
        "regDay": "19750611", "lastPrice": "00075200", "state": "증거금20%|신용가능",
        "marketCode": product, "marketName": "거래소", "upName": "전기전자", "upSizeName": "대형주",
        "companyClassName": "", "orderWarning": "0", "nxtEnable": "Y", **changes,
    }  # fmt: skip


def one(asked=MarketCode.KOSPI, known=(), **fields):
    return convert({asked: [row(**fields)]}, {i.code: i for i in known}).instruments[0]


def test_a_share_carries_what_the_row_says():
    share = one(code="005930", name="삼성전자")
    assert (share.code, share.name, share.market, share.group) == ("005930", "삼성전자", Market.KOSPI, "ST")
    assert (share.base_price, share.listed_shares) == (75_200, 5_919_637)
    assert (share.preferred_class, share.spac, share.suspended, share.liquidation) == (
        "0",
        False,
        False,
        False,
    )


def test_what_the_row_does_not_carry_comes_from_an_earlier_day_or_stays_empty(instrument):
    earlier = instrument("005930", isin="KR7005930003", previous_volume=77, base_price=1)
    known, unknown = one(code="005930", known=[earlier]), one(code="005930")
    assert (known.isin, known.previous_volume, known.base_price) == ("KR7005930003", 77, 75_200)
    assert (unknown.isin, unknown.previous_volume) == ("", 0)


def test_the_market_is_that_of_the_request_and_notes_get_their_q():
    fund = one(code="0000D0", product="8")
    note = one(code="500061", product="60")
    kosdaq = one(asked=MarketCode.KOSDAQ, code="035720", product="10")
    assert (fund.group, fund.market) == ("EF", Market.KOSPI)
    assert (note.code, note.group) == ("Q500061", "EN")
    assert (kosdaq.group, kosdaq.market) == ("ST", Market.KOSDAQ)


def test_halts_and_liquidation_are_read_from_the_states():
    assert one(code="005930", state="증거금100%|거래정지").suspended
    assert one(code="005930", orderWarning="2").liquidation
    assert not one(code="005930", orderWarning="4").liquidation


def test_a_product_class_without_a_rule_is_left_out_and_counted():
    converted = convert({MarketCode.KOSPI: [row("005930"), row("J0036221", product="7")]}, {})
    assert [found.code for found in converted.instruments] == ["005930"]
    assert converted.unmapped == {"7": 1}


def test_a_code_in_both_lists_counts_once():
    rows = {MarketCode.KOSPI: [row("005930")], MarketCode.KOSDAQ: [row("005930", product="10")]}
    assert [found.market for found in convert(rows, {}).instruments] == [Market.KOSPI]


def test_the_rules_agree_with_every_share_of_the_packaged_listing():
    """Group, SPAC, and whether a share is a common one: what the filters of the universe ask for."""
    shares = [known for known in read_listing() if known.group in {"ST", "FS", "DR"}]
    assert len(shares) == 2744
    codes = {Market.KOSPI: "0", Market.KOSDAQ: "10"}
    wrong = []
    for known in shares:
        asked = MarketCode(codes[known.market])
        made = one(asked=asked, code=known.code, name=known.name, product=asked.value)
        same = (made.group, made.spac, made.preferred_class == "0")
        if same != (known.group, known.spac, known.preferred_class == "0"):
            wrong.append((known, made))
    assert wrong == []


@pytest.mark.parametrize(
    "changes", [{"lastPrice": ""}, {"lastPrice": "-75200"}, {"listCount": "1,000"}, {"state": None}]
)
def test_a_row_that_breaks_its_form_names_field_and_code(changes):
    field = next(iter(changes))
    with pytest.raises(InputError, match=rf"{field}.*005930"):
        one(code="005930", **changes)
