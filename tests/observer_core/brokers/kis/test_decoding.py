"""Decoding, on real recordings and on records made from the broker's tables."""

from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer_core.brokers.kis.catalogue import CHANNELS
from observer_core.brokers.kis.decoding import decode_frame, decode_record
from observer_core.brokers.kis.frames import DataFrame, parse_message
from observer_core.errors import FrameError

from . import recordings


def payload(message: str) -> str:
    return message.split("|")[3]


def changed(record: str, **by_position: str) -> str:
    values = record.split("^")
    for position, value in by_position.items():
        values[int(position.removeprefix("v"))] = value
    return "^".join(values)


TRADE = payload(recordings.TRADE_47)

INDEX = (
    "0001^100512^2650.31^2^12.05^215331^3120045^105^2210^0.46^2640.10^2655.00^2638.77^10.21^2^-4.69^5^11.54^2^0.07"
    "^0.64^0.02^1^512^88^310^0^0^2^2"
)

NOTICE = (
    "user01^1234567801^0000012345^^02^0^00^0^005930^0000000010^000071900^093501^0^2^2^00950^000000010^홍길동"
    "^0^1^Y^^00^^삼성전자^71900"
)


def test_the_recorded_midpoint_trade_is_decoded_field_by_field():
    record = decode_record("H0STCNT0", TRADE)
    assert (record.kind, record.symbol, record.extra) == ("trade", "005930", ())
    assert record.values == {
        "symbol": "005930",
        "time": time(14, 6, 10),
        "price": 277750,
        "change_sign": "2",
        "change": 3750,
        "change_rate": Decimal("1.37"),
        "weighted_average_price": Decimal("280395.69"),
        "open_price": 283000,
        "high_price": 283500,
        "low_price": 276500,
        "ask_price_1": 278000,
        "bid_price_1": 277500,
        "volume": 5,
        "cumulative_volume": 11955000,
        "cumulative_value": 3352130122500,
        "cumulative_sell_count": 83251,
        "cumulative_buy_count": 86830,
        "cumulative_net_buy_count": 3579,
        "trade_strength": Decimal("120.39"),
        "cumulative_sell_volume": 5217059,
        "cumulative_buy_volume": 6280658,
        "side": "5",
        "buy_ratio": Decimal("0.53"),
        "volume_to_previous_day_rate": Decimal("53.70"),
        "open_time": time(9, 0, 23),
        "change_from_open_sign": "5",
        "change_from_open": -5250,
        "high_time": time(9, 0, 48),
        "change_from_high_sign": "5",
        "change_from_high": -5750,
        "low_time": time(13, 58, 24),
        "change_from_low_sign": "2",
        "change_from_low": 1250,
        "business_date": date(2026, 9, 22),
        "operation_class": "20",
        "halted": False,
        "ask_quantity_1": 47588,
        "bid_quantity_1": 70626,
        "total_ask_quantity": 794823,
        "total_bid_quantity": 496479,
        "turnover_rate": Decimal("0.20"),
        "previous_day_same_time_volume": 17123443,
        "previous_day_same_time_volume_rate": Decimal("69.82"),
        "time_class": "0",
        "random_end_code": None,
        "vi_reference_price": 283000,
        "market_session": "2",
    }


def test_an_older_trade_lacks_what_was_appended_later():
    record = decode_record("H0STCNT0", payload(recordings.TRADE_46))
    assert record.values["vi_reference_price"] == 72100
    assert "market_session" not in record.values
    assert record.values["change"] == -100


def test_a_wider_record_keeps_what_is_not_known_yet():
    record = decode_record("H0STCNT0", TRADE + "^7^")
    assert record.values["market_session"] == "2"
    assert record.extra == ("7", "")


def test_the_recorded_trades_of_one_frame_add_up():
    """Broker reference, 7.1: each step of the cumulative volume is the volume of its trade."""
    decoded = decode_frame(parse_message(recordings.TRADES_3_TIMES_46))
    assert not decoded.faults
    totals = [record.values["cumulative_volume"] for record in decoded.records]
    assert totals == [8305216, 8305218, 8305293]
    assert [record.values["volume"] for record in decoded.records] == [1, 2, 75]
    assert [record.values["side"] for record in decoded.records] == ["5", "5", "1"]


@pytest.mark.parametrize(("message", "midpoint"), [(recordings.BOOK_59, None), (recordings.BOOK_62, 323750)])
def test_recorded_books_of_both_widths_are_decoded(message, midpoint):
    record = decode_record("H0STASP0", payload(message))
    values = record.values
    asks = [values[f"ask_price_{level}"] for level in range(1, 11)]
    bids = [values[f"bid_price_{level}"] for level in range(1, 11)]
    assert asks == sorted(asks)
    assert bids == sorted(bids, reverse=True)
    assert bids[0] < asks[0]
    assert sum(values[f"ask_quantity_{level}"] for level in range(1, 11)) == values["total_ask_quantity"]
    assert values.get("krx_midpoint_price") == midpoint
    assert values["expected_change_rate"] == Decimal("-100.00")


def test_a_book_of_the_unified_feed_ends_with_both_midpoints():
    common = payload(recordings.BOOK_59)
    record = decode_record("H0UNASP0", f"{common}^77850^120^0^77860^30^2^1")
    tail = list(record.values.items())[59:]
    assert tail == [
        ("krx_midpoint_price", 77850),
        ("krx_midpoint_quantity", 120),
        ("krx_midpoint_side", "0"),
        ("nxt_midpoint_price", 77860),
        ("nxt_midpoint_quantity", 30),
        ("nxt_midpoint_side", "2"),
        ("expected_price_exchange", "1"),
    ]


@pytest.mark.parametrize("channel", ["H0STMKO0", "H0NXMKO0", "H0UNMKO0"])
def test_market_operation_of_ten_values_begins_with_the_code(channel):
    record = decode_record(channel, "005930^N^(null)^AB1^112^^^55^N^")
    assert record.symbol == "005930"
    assert record.values == {
        "symbol": "005930",
        "halted": False,
        "halt_reason": None,
        "operation_code": "AB1",
        "expected_operation_code": "112",
        "random_end_code": None,
        "allocation_code": None,
        "status_code": "55",
        "vi_active": False,
        "off_hours_vi_active": None,
    }


def test_market_operation_of_eleven_values_has_the_exchange():
    record = decode_record("H0STMKO0", "005930^Y^관리종목^174^^^^58^Y^N^1")
    assert record.values["halt_reason"] == "관리종목"
    assert record.values["vi_active"] is True
    assert record.values["exchange_code"] == "1"


def test_market_operation_without_the_code_is_refused_instead_of_shifted():
    with pytest.raises(FrameError) as caught:
        decode_record("H0UNMKO0", "N^(null)^AB1^112^^^55^N^^1")
    assert (caught.value.reason, caught.value.field) == ("symbol_not_valid", "mksc_shrn_iscd")


def test_an_index_has_a_key_of_four_characters_and_decimals():
    record = decode_record("H0UPCNT0", INDEX)
    assert (record.kind, record.symbol) == ("index", "0001")
    assert record.values["index_value"] == Decimal("2650.31")
    assert record.values["change_from_high"] == Decimal("-4.69")
    assert record.values["rising_issues"] == 512


def test_program_trading_is_decoded_with_its_signs():
    record = decode_record("H0STPGM0", "005930^100101^150^10785000^90^6471000^-60^-4314000^1000^2000^1000")
    assert record.values["program_net_buy_volume"] == -60
    assert record.values["program_net_buy_value"] == -4314000


@pytest.mark.parametrize("width", [23, 26])
def test_an_execution_notice_of_both_widths_has_its_code_in_the_ninth_value(width):
    record = decode_record("H0STCNI0", "^".join(NOTICE.split("^")[:width]))
    assert (record.kind, record.symbol) == ("execution_notice", "005930")
    assert (record.values["volume"], record.values["price"]) == (10, 71900)
    assert len(record.values) == width


@pytest.mark.parametrize("code", ["005930", "00781K", "0001A0", "Q500001"])
def test_codes_may_have_letters_and_a_leading_q(code):
    assert decode_record("H0STCNT0", changed(TRADE, v0=code)).symbol == code


@pytest.mark.parametrize(
    ("position", "value", "reason", "field"),
    [
        (0, "", "symbol_not_valid", "mksc_shrn_iscd"),
        (0, "5930", "symbol_not_valid", "mksc_shrn_iscd"),
        (0, "A0059301", "symbol_not_valid", "mksc_shrn_iscd"),
        (0, "005930\n", "symbol_not_valid", "mksc_shrn_iscd"),
        (1, "", "value_missing", "stck_cntg_hour"),
        (1, "9335", "time_not_valid", "stck_cntg_hour"),
        (1, "246060", "time_not_valid", "stck_cntg_hour"),
        (1, "09335x", "time_not_valid", "stck_cntg_hour"),
        (2, "", "value_missing", "stck_prpr"),
        (2, "71,900", "integer_not_valid", "stck_prpr"),
        (2, "71900.5", "integer_not_valid", "stck_prpr"),
        (2, "٣", "integer_not_valid", "stck_prpr"),
        (2, "1_000", "integer_not_valid", "stck_prpr"),
        (5, "1.3.7", "decimal_not_valid", "prdy_ctrt"),
        (5, "NaN", "decimal_not_valid", "prdy_ctrt"),
        (5, "1e5", "decimal_not_valid", "prdy_ctrt"),
        (12, "", "value_missing", "cntg_vol"),
        (13, "", "value_missing", "acml_vol"),
        (33, "20260931", "date_not_valid", "bsop_date"),
        (35, "55", "flag_not_valid", "trht_yn"),
    ],
)
def test_a_value_without_its_documented_form_names_reason_and_field(position, value, reason, field):
    with pytest.raises(FrameError) as caught:
        decode_record("H0STCNT0", changed(TRADE, **{f"v{position}": value}))
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_a_value_that_is_not_required_may_be_empty():
    record = decode_record("H0STCNT0", changed(TRADE, v5="", v24="", v33="", v45=""))
    for name in ("change_rate", "open_time", "business_date", "vi_reference_price"):
        assert record.values[name] is None


@pytest.mark.parametrize(
    ("channel", "width", "reason"),
    [
        ("H0STCNT0", 45, "width_too_small"),
        ("H0STASP0", 58, "width_too_small"),
        ("H0UPCNT0", 29, "width_too_small"),
        ("H0STMKO0", 9, "width_too_small"),
        ("H0STCNT0", 94, "width_too_large"),
        ("H0STMKO0", 20, "width_too_large"),
    ],
)
def test_a_width_that_no_record_ever_had_is_refused_once_for_the_frame(channel, width, reason):
    frame = DataFrame(channel, False, 1, "^".join(["005930"] * width))
    with pytest.raises(FrameError) as caught:
        decode_frame(frame)
    assert caught.value.reason == reason


def test_two_records_announced_as_one_are_not_read_as_one():
    frame = DataFrame("H0STCNT0", False, 1, f"{TRADE}^{TRADE}")
    with pytest.raises(FrameError, match="width_too_large: H0STCNT0 has 94 values; known are 46, 47"):
        decode_frame(frame)


def test_one_bad_record_does_not_hide_the_others_of_its_frame():
    first, second, third = recordings.THREE_TRADES
    frame = DataFrame("H0STCNT0", False, 3, "^".join((first, changed(second, v2="x"), third)))
    decoded = decode_frame(frame)
    assert [record.values["cumulative_volume"] for record in decoded.records] == [8305216, 8305293]
    assert {index: fault.reason for index, fault in decoded.faults.items()} == {1: "integer_not_valid"}


def test_time_that_goes_back_inside_a_frame_is_a_fault():
    """Broker reference, 6.5: value 1 is a time that does not decrease inside the frame."""
    first, second, _ = recordings.THREE_TRADES
    decoded = decode_frame(DataFrame("H0STCNT0", False, 2, f"{first}^{changed(second, v1='094750')}"))
    assert decoded.faults[1].reason == "time_decreases"
    assert len(decoded.records) == 1


def test_two_symbols_in_a_frame_have_times_of_their_own():
    first, second, _ = recordings.THREE_TRADES
    other = changed(second, v0="000660", v1="094750")
    assert not decode_frame(DataFrame("H0STCNT0", False, 2, f"{first}^{other}")).faults


@pytest.mark.parametrize(
    ("channel", "text", "kind", "symbol"),
    [
        ("H0STNAV0", "069500^35012.11^2^10^0.1^35000^35100^34900", "etf_net_asset_value", "069500"),
        ("H0UPPGM0", "0001" + "^0" * 87, "index_program", "0001"),
        ("H0XXNEW0", "005930^1^^2", "unknown", "005930"),
        ("H0XXNEW0", "something^1^^2", "unknown", None),
    ],
)
def test_a_channel_without_a_known_layout_keeps_all_its_values(channel, text, kind, symbol):
    record = decode_record(channel, text)
    assert (record.kind, record.symbol, record.values) == (kind, symbol, {})
    assert record.extra == tuple(text.split("^"))


@given(st.sampled_from(sorted(CHANNELS)), st.lists(st.text(max_size=8), min_size=1, max_size=100))
def test_any_record_is_decoded_or_a_frame_error(channel, values):
    try:
        record = decode_record(channel, "^".join(values))
    except FrameError:
        return
    assert len(record.values) + len(record.extra) == "^".join(values).count("^") + 1
