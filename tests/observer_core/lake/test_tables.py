"""Recorded frames become typed rows."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from observer_core.lake.compaction import compact_hour
from observer_core.lake.readers import scan
from observer_core.lake.schemas import Table


@pytest.fixture
def rows(paths, journal):
    """Compacts lines of one hour and returns the rows of a table as dictionaries."""

    def compact(table, *lines, track="scalp"):
        journal.segment(list(lines), track=track, shard="0-swing" if track == "swing" else "0")
        compact_hour(paths, journal.day, 14)
        return scan(paths, table, journal.day).collect().rows(named=True)

    return compact


def test_a_trade_of_47_values_becomes_a_row_of_the_documented_columns(rows, journal):
    [row] = rows(
        Table.SCALP_TRADES, journal.trade(frame=7, epoch=3, wall_ns=journal.at(14, 6, 10, micros=123456))
    )
    assert row == {
        "trading_day": date(2026, 9, 22), "symbol": "005930", "venue": "KRX",
        "time": datetime(2026, 9, 22, 5, 6, 10, tzinfo=UTC), "price": 277750, "change_sign": "2",
        "change": 3750, "change_rate": 1.37, "weighted_average_price": 280395.69, "open_price": 283000,
        "high_price": 283500, "low_price": 276500, "ask_price_1": 278000, "bid_price_1": 277500, "volume": 5,
        "cumulative_volume": 11955000, "cumulative_value": 3352130122500, "cumulative_sell_count": 83251,
        "cumulative_buy_count": 86830, "cumulative_net_buy_count": 3579, "trade_strength": 120.39,
        "cumulative_sell_volume": 5217059, "cumulative_buy_volume": 6280658, "side": "5", "buy_ratio": 0.53,
        "volume_to_previous_day_rate": 53.7, "open_time": datetime(2026, 9, 22, 0, 0, 23, tzinfo=UTC),
        "change_from_open_sign": "5", "change_from_open": -5250,
        "high_time": datetime(2026, 9, 22, 0, 0, 48, tzinfo=UTC), "change_from_high_sign": "5",
        "change_from_high": -5750, "low_time": datetime(2026, 9, 22, 4, 58, 24, tzinfo=UTC),
        "change_from_low_sign": "2", "change_from_low": 1250, "business_date": date(2026, 9, 22),
        "operation_class": "20", "halted": False, "ask_quantity_1": 47588, "bid_quantity_1": 70626,
        "total_ask_quantity": 794823, "total_bid_quantity": 496479, "turnover_rate": 0.2,
        "previous_day_same_time_volume": 17123443, "previous_day_same_time_volume_rate": 69.82,
        "time_class": "0", "random_end_code": None, "vi_reference_price": 283000, "market_session": "2",
        "extra": None, "unparsed": None, "provider": "kis", "shard": "0", "epoch": 3, "frame": 7, "record": 0,
        "received_at": datetime(2026, 9, 22, 5, 6, 10, 123456, tzinfo=UTC), "segment": "0_14_000001.jsonl",
    }  # fmt: skip


def test_the_older_trade_of_46_values_has_no_market_session(rows, journal):
    records = [journal.changed(record, p33="20260922") for record in journal.trades_46]
    found = rows(Table.SCALP_TRADES, *(journal.trade(r, frame=1, record=i) for i, r in enumerate(records)))
    assert [(row["record"], row["volume"], row["cumulative_volume"]) for row in found] == [
        (0, 1, 8305216), (1, 2, 8305218), (2, 75, 8305293),
    ]  # fmt: skip
    assert {row["market_session"] for row in found} == {None}
    assert {row["vi_reference_price"] for row in found} == {71000}


def test_values_beyond_the_known_ones_are_kept_with_empty_ones_among_them(rows, journal):
    [row] = rows(Table.SCALP_TRADES, journal.trade(journal.trade_47 + "^7^^x"))
    assert row["extra"] == ["7", "", "x"]
    assert row["market_session"] == "2"


def test_an_optional_value_without_its_form_is_kept_as_it_was_sent(rows, journal):
    [row] = rows(
        Table.SCALP_TRADES, journal.trade(journal.changed(journal.trade_47, p18="n/a", p24="246000", p35="X"))
    )
    assert (row["trade_strength"], row["open_time"], row["halted"]) == (None, None, None)
    assert row["unparsed"] == ["trade_strength=n/a", "open_time=246000", "halted=X"]


@pytest.mark.parametrize("neighbour", [{}, {"p19": "not a number"}])
def test_a_value_is_read_the_same_beside_good_and_bad_ones(rows, journal, neighbour):
    odd = {"p2": " 277750", "p12": "+5", "p13": "00012", "p5": " 1.5", "p18": "", "p22": "1e-1"}
    found = rows(
        Table.SCALP_TRADES,
        journal.trade(journal.changed(journal.trade_47, **odd)),
        journal.trade(journal.changed(journal.trade_47, **neighbour)),
    )
    names = ("price", "volume", "cumulative_volume", "change_rate", "trade_strength", "buy_ratio", "unparsed")
    assert [found[0][name] for name in names] == [277750, 5, 12, 1.5, None, 0.1, None]
    assert found[1]["unparsed"] == (["cumulative_sell_volume=not a number"] if neighbour else None)


@pytest.mark.parametrize("neighbour", [{}, {"p19": "not a number", "p6": "neither"}])
@pytest.mark.parametrize("decimal", ["nan", "NaN", "inf", "-inf", "1e400", "1e-400", "-0.01E-400"])
def test_a_decimal_that_no_column_can_hold_is_kept_as_it_was_sent(rows, journal, decimal, neighbour):
    """It becomes no infinity and no zero that nobody sent, in whatever company it comes."""
    found = rows(
        Table.SCALP_TRADES,
        journal.trade(journal.changed(journal.trade_47, p6=decimal, p2="\t277750", p5="\t 1.5", p12="1")),
        journal.trade(journal.changed(journal.trade_47, **neighbour)),
    )
    names = ("price", "change_rate", "weighted_average_price", "unparsed")
    assert [found[0][name] for name in names] == [
        277750, 1.5, None, [f"weighted_average_price={decimal}"],
    ]  # fmt: skip
    assert found[1]["price"] == 277750


def test_zeros_and_exponents_are_decimals_like_others(rows, journal):
    """Also in the company of a code with an E, which makes the reader take decimals as text."""
    for more in ({}, {"p18": "1e2"}):
        trade = journal.changed(journal.trade_47, p5="0e5", p6="-0.00", **more)
        [row] = rows(Table.SCALP_TRADES, journal.trade(trade))
        assert (row["change_rate"], row["weighted_average_price"], row["unparsed"]) == (0.0, 0.0, None)


def test_a_decimal_with_more_digits_than_documented_is_not_rounded(rows, journal):
    [row] = rows(Table.SCALP_TRADES, journal.trade(journal.changed(journal.trade_47, p6="280395.6912")))
    assert row["weighted_average_price"] == 280395.6912


def test_venues_share_the_tables(rows, journal):
    channels = {"H0STCNT0": "KRX", "H0NXCNT0": "NXT", "H0UNCNT0": "UNIFIED"}
    found = rows(Table.SCALP_TRADES, *(journal.line(name, "005930", journal.trade_47) for name in channels))
    assert [row["venue"] for row in found] == list(channels.values())


@pytest.mark.parametrize(("width", "midpoint"), [(59, None), (62, 323750)])
def test_books_of_both_older_widths_are_read(rows, journal, width, midpoint):
    record = {59: journal.book_59, 62: journal.book_62}[width]
    [row] = rows(Table.SCALP_QUOTES, journal.line("H0STASP0", "005930", record))
    assert row["trading_day"] == date(2026, 9, 22)
    assert row["krx_midpoint_price"] == midpoint
    assert row["market_session"] is None
    if width == 59:
        assert (row["ask_price_1"], row["ask_price_10"], row["bid_price_1"], row["bid_price_10"]) == (
            77900, 78800, 77800, 76900,
        )  # fmt: skip
        assert (row["total_ask_quantity"], row["total_bid_quantity"]) == (1760795, 1855978)
        assert row["time"] == datetime(2026, 9, 22, 2, 30, 19, tzinfo=UTC)
        assert (row["expected_volume"], row["expected_change_rate"]) == (344212, -100.0)


def test_the_levels_of_a_book_add_up_to_its_totals(rows, journal):
    for record in (journal.book_59, journal.book_62):
        found = rows(Table.SCALP_QUOTES, journal.line("H0STASP0", "005930", record))[-1]
        for side in ("ask", "bid"):
            levels = [found[f"{side}_quantity_{level}"] for level in range(1, 11)]
            assert sum(levels) == found[f"total_{side}_quantity"]


def test_the_unified_book_has_both_midpoints(rows, journal):
    tail = "^323750^10^2^323500^20^0^1"
    record = "^".join(journal.book_62.split("^")[:59]) + tail
    [row] = rows(Table.SCALP_QUOTES, journal.line("H0UNASP0", "005930", record))
    assert (row["krx_midpoint_price"], row["krx_midpoint_quantity"], row["krx_midpoint_side"]) == (
        323750,
        10,
        "2",
    )
    assert (row["nxt_midpoint_price"], row["nxt_midpoint_quantity"], row["nxt_midpoint_side"]) == (
        323500,
        20,
        "0",
    )
    assert (row["expected_price_exchange"], row["market_session"]) == ("1", None)


def test_a_row_of_a_sweep_is_read_by_its_keys(rows, journal):
    found = rows(
        Table.SWING_SNAPSHOTS,
        journal.swing(),
        journal.swing(inter_shrn_iscd="000660", new_key="new", inter2_oprc=""),
        track="swing",
    )
    other, samsung = found
    assert (samsung["symbol"], samsung["name"], samsung["price"]) == ("005930", "삼성전자", 277750)
    assert (samsung["previous_close"], samsung["change_rate"], samsung["extra"]) == (274000, 1.37, None)
    assert (other["symbol"], other["open_price"], other["extra"]) == ("000660", None, ["new_key=new"])


def test_a_market_operation_is_read_with_the_code_first_and_no_reason_for_null_text(rows, journal):
    [row] = rows(Table.MARKET_EVENTS, journal.line("H0UNMKO0", "005930", journal.event_10))
    assert (row["symbol"], row["halted"], row["halt_reason"]) == ("005930", False, None)
    assert (row["operation_code"], row["status_code"], row["vi_active"]) == ("AB1", "55", False)
    assert (row["off_hours_vi_active"], row["exchange_code"]) == (None, None)


def test_a_channel_without_a_table_is_kept_as_it_is(rows, journal):
    found = rows(
        Table.RAW_RECORDS,
        journal.line("H0STPGM0", "005930", "005930^140610^1^2\n^3"),
        journal.line("H0NEW0", "", "anything | at all"),
        journal.bytes_line("H0NEW0", "x", b"\xff\xfe"),
    )
    assert [(row["channel"], row["symbol"], row["payload"], row["encoding"]) for row in found] == [
        ("H0NEW0", "", "anything | at all", None),
        ("H0STPGM0", "005930", "005930^140610^1^2\n^3", None),
        ("H0NEW0", "x", "//4=", "base64"),
    ]


def test_holes_and_gaps_become_rows_and_other_control_records_do_not(rows, journal):
    found = rows(
        Table.GAPS,
        journal.control("start", version="1"),
        journal.control("hole", channel="H0STCNT0", symbol="005930", business_date="20260922",
                        from_cumulative=100, to_cumulative=130, shares=30, value=90000, trades=2,
                        sell_trades=1, buy_trades=1, sell_volume=10, buy_volume=20,
                        last_good_ns=journal.at(14, 5),
                        first_seen_ns=journal.at(14, 6), phase="continuous"),
        journal.control("gap", channel="H0STASP0", symbol="000660", last_good_ns=journal.at(14),
                        first_seen_ns=journal.at(14, 1), cause="restart", phase="continuous", unknown=[1]),
    )  # fmt: skip
    gap, hole = found
    assert (hole["kind"], hole["symbol"], hole["missing_volume"], hole["missing_value"]) == (
        "hole",
        "005930",
        30,
        90000,
    )
    assert (hole["missing_trades"], hole["missing_sell_volume"], hole["missing_buy_volume"]) == (2, 10, 20)
    assert (hole["from_cumulative_volume"], hole["to_cumulative_volume"], hole["cause"]) == (100, 130, None)
    assert hole["started_at"] == datetime(2026, 9, 22, 5, 5, tzinfo=UTC)
    assert (gap["kind"], gap["cause"], gap["missing_volume"]) == ("gap", "restart", None)
    assert gap["ended_at"] == datetime(2026, 9, 22, 5, 1, tzinfo=UTC)
    assert '"unknown": [1]' in gap["details"]


def test_rows_are_in_the_order_of_symbol_and_receipt(paths, journal):
    other = journal.changed(journal.trade_47, p0="000660")
    journal.segment([journal.trade(frame=1, epoch=2), journal.trade(other, frame=2, epoch=2)], sequence=1)
    journal.segment(
        [
            journal.trade(frame=9, epoch=1),
            journal.trade(frame=1, epoch=3),
            journal.trade(other, frame=3, epoch=1),
        ],
        sequence=2,
    )
    compact_hour(paths, journal.day, 14)
    found = scan(paths, Table.SCALP_TRADES, journal.day).select("symbol", "epoch", "frame").collect().rows()
    assert found == [("000660", 1, 3), ("000660", 2, 2), ("005930", 1, 9), ("005930", 2, 1), ("005930", 3, 1)]


def test_a_table_without_rows_is_empty_and_has_its_columns(paths, journal):
    frame = scan(paths, Table.SCALP_QUOTES, journal.day).collect()
    assert frame.is_empty()
    assert frame.schema["ask_price_10"] == pl.Int64
