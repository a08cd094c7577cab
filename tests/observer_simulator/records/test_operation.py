"""H0STMKO0 records: ten values, the code first (broker reference, 7.1 and 7.2)."""

from __future__ import annotations

from datetime import date, time

from observer_core.market.calendar import MarketCalendar
from observer_simulator.records.operation import operation_events, operation_record


def test_a_record_has_ten_values_and_no_exchange_code() -> None:
    record = operation_record("005930", "112", "112", halted=False)
    assert record.split("^") == ["005930", "N", "(null)", "112", "112", "", "", "55", "N", "N"]


def test_a_halted_symbol_says_so() -> None:
    values = operation_record("005930", "112", "112", halted=True).split("^")
    assert (values[1], values[7]) == ("Y", "58")


def test_phase_changes_of_the_exam_day_are_an_hour_later() -> None:
    events = operation_events(MarketCalendar().session(date(2026, 11, 19)))
    assert [(when, code) for when, code, _ in events] == [
        (time(9, 30), "110"),
        (time(10), "112"),
        (time(16, 20), "121"),
        (time(16, 30), "129"),
        (time(16, 40), "140"),
        (time(17), "149"),
    ]
