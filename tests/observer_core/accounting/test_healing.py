"""Filling holes from a list of executions, against a list that is simulated here."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.accounting import Hole
from observer_core.accounting.healing import Execution, Healing, HealingOutcome, second_before
from observer_core.errors import InputError

PAGE = 30


def tape(trades):
    """Makes rows as the broker writes them (reference 4.4) from second, price and volume."""
    rows, total = [], 0
    for second, price, volume in trades:
        total += volume
        time = f"09{second // 60:02d}{second % 60:02d}"
        rows.append({"stck_cntg_hour": time, "stck_prpr": str(price), "prdy_vrss": "0",
                     "prdy_vrss_sign": "3", "prdy_ctrt": "0.00", "askp": "1", "bidp": "1",
                     "tday_rltv": "100.00", "acml_vol": str(total), "cnqn": str(volume)})  # fmt: skip
    return rows


def page(rows, until):
    """The broker's page: the newest thirty up to a second, newest first."""
    return [row for row in rows if row["stck_cntg_hour"] <= until][-PAGE:][::-1]


def hole_between(rows, first, last):
    """The hole that a listener sees who got the rows up to `first` and from `last` on, and none between."""
    lost = rows[first + 1 : last]
    before, after = rows[first], rows[last]
    return Hole(
        channel="H0STCNT0", symbol="005930", business_date="20260915",
        from_cumulative=int(before["acml_vol"]), to_cumulative=int(after["acml_vol"]) - int(after["cnqn"]),
        shares=sum(int(row["cnqn"]) for row in lost),
        value=sum(int(row["cnqn"]) * int(row["stck_prpr"]) for row in lost), trades=len(lost), sell_trades=0,
        buy_trades=len(lost), sell_volume=0, buy_volume=0, last_good_ns=1, first_seen_ns=2,
        phase="continuous", from_time=before["stck_cntg_hour"], to_time=after["stck_cntg_hour"],
    )  # fmt: skip


def heal(hole, rows):
    healing, asked = Healing(hole), []
    while healing.until is not None:
        asked.append(healing.until)
        healing.take(page(rows, healing.until))
    return healing, asked


def test_a_hole_over_several_pages_is_healed():
    """Page by page backwards from the trade that revealed it, until the last trade before it."""
    rows = tape([(number // 4, 100 + number % 3, 1 + number % 7) for number in range(300)])
    hole = hole_between(rows, 40, 250)
    healing, asked = heal(hole, rows)
    assert healing.outcome() is HealingOutcome.HEALED
    assert len(healing.executions) == 209
    assert (healing.shares, healing.value) == (hole.shares, hole.value)
    assert asked[0] == "090102"
    assert asked == sorted(asked, reverse=True)
    told = healing.to_json()
    assert (told["outcome"], told["missing_shares"], told["first_seen_ns"]) == ("healed", 0, 2)


def test_a_second_with_more_executions_than_a_page_is_named():
    """Its newest thirty are kept, the rest is missing, and the seconds before it are filled all the same."""
    trades = [(5, 100, 1)] * 3 + [(6, 100, 1)] * 45 + [(7, 100, 1)] * 3
    rows = tape(trades)
    healing, asked = heal(hole_between(rows, 0, 50), rows)
    assert asked == ["090007", "090006", "090005"]
    assert healing.busy_seconds == ["090006"]
    assert healing.outcome() is HealingOutcome.BUSY
    assert healing.to_json()["missing_shares"] == 15


def test_a_list_that_does_not_reach_back_is_partial():
    rows = tape([(number, 100, 5) for number in range(200)])
    healing, _ = heal(hole_between(rows, 10, 150), rows[100:])
    assert healing.outcome() is HealingOutcome.PARTIAL
    assert healing.to_json()["missing_shares"] == 5 * 89


def test_an_empty_list_serves_nothing():
    rows = tape([(number, 100, 5) for number in range(20)])
    healing, asked = heal(hole_between(rows, 1, 10), [])
    assert (healing.outcome(), len(asked)) == (HealingOutcome.UNSERVED, 1)


@pytest.mark.parametrize("change", [{"stck_prpr": "101"}, {"cnqn": "7"}])
def test_figures_that_do_not_reconcile_do_not_close_a_hole(change):
    """Another price, or shares that overlap: the hole is told as differing."""
    rows = tape([(number, 100, 5) for number in range(20)])
    hole = hole_between(rows, 1, 10)
    rows[5] |= change
    healing, _ = heal(hole, rows)
    assert healing.outcome() is HealingOutcome.DIFFERS


def test_rows_that_are_no_executions_are_passed_over():
    assert Execution.parse({"stck_cntg_hour": "9:00", "stck_prpr": "1", "cnqn": "1", "acml_vol": "1"}) is None
    assert Execution.parse({}) is None
    row = {"stck_cntg_hour": "090000", "stck_prpr": "1500.5", "cnqn": "2", "acml_vol": "9"}
    assert Execution.parse(row) == Execution("090000", Decimal("1500.5"), 2, 9)


@pytest.mark.parametrize("field", ["stck_prpr", "cnqn", "acml_vol"])
@pytest.mark.parametrize(
    "text", ["NaN", "sNaN", "Infinity", "1e999999", "1E5", "-5", "", "9" * 19, "５", None, {}, float("nan")]
)
def test_a_figure_that_is_none_is_refused_by_name(field, text):
    """Nothing is taken of its page: the same page may be asked for again."""
    rows = tape([(number, 100, 5) for number in range(20)])
    healing = Healing(hole_between(rows, 1, 10))
    with pytest.raises(InputError, match=field):
        healing.take([*rows[:10], {**rows[5], field: text}])
    assert (healing.until, healing.pages, healing.executions) == ("090010", 0, [])


@pytest.mark.parametrize("odd", ["0930", "093000x", "999999", "09:30:00", "", "\udcff"])
def test_a_trade_without_a_time_of_day_asks_for_nothing_and_bounds_nothing(odd):
    rows = tape([(number, 100, 5) for number in range(20)])
    hole = hole_between(rows, 1, 10)
    healing, asked = heal(replace(hole, to_time=odd), rows)
    assert (healing.outcome(), asked) == (HealingOutcome.UNSERVED, [])
    healing, _ = heal(replace(hole, from_time=odd), rows)
    assert healing.outcome() is HealingOutcome.HEALED


def test_the_second_before_crosses_minutes_and_hours():
    assert [second_before(time) for time in ("090001", "090000", "100000", "000000")] == [
        "090000", "085959", "095959", "000000",
    ]  # fmt: skip


trades = st.lists(
    st.tuples(st.integers(0, 40), st.integers(90, 110), st.integers(1, 500)), min_size=3, max_size=400
)


@given(trades, st.data())
@settings(max_examples=150, deadline=None)
def test_what_can_be_read_is_found_and_the_rest_is_named(listed, data):
    """Healed exactly when no second holds more executions than a page; otherwise what is missing is known."""
    rows = tape(sorted(listed, key=lambda trade: trade[0]))
    first = data.draw(st.integers(0, len(rows) - 3))
    last = data.draw(st.integers(first + 2, len(rows) - 1))
    hole = hole_between(rows, first, last)
    healing, asked = heal(hole, rows)
    lost = {int(row["acml_vol"]) for row in rows[first + 1 : last]}
    found = {execution.cumulative for execution in healing.executions}
    assert found <= lost
    assert len(asked) <= 2 * 41 + len(rows)
    if found == lost:
        assert healing.outcome() is HealingOutcome.HEALED
    else:
        assert healing.busy_seconds
        assert healing.outcome() is HealingOutcome.BUSY
        assert healing.to_json()["missing_shares"] == hole.shares - healing.shares > 0
