"""Each rule passes on what it promises, and fails on what breaks it, naming the offenders."""

from datetime import date, datetime, time, timedelta, timezone

import pytest

from observer_core.market.calendar import MarketCalendar, Phase
from observer_pipeline.checks.rules import conservation, reference, schema, sessions, tape
from observer_pipeline.checks.rules.conservation import HourCount
from observer_pipeline.checks.rules.sessions import ExpectedHour
from observer_pipeline.checks.rules.tape import Gap, Hole, PriceCount, PriceRange, StepBack
from observer_pipeline.checks.verdict import Severity

KST = timezone(timedelta(hours=9))
NOW = datetime(2026, 9, 15, 7, 30, tzinfo=KST)


class TestConservation:
    def test_lines_are_rows_or_quarantined(self):
        verdict = conservation.journal_conserved([HourCount(9, 100, 98, 2), HourCount(10, 0, 0, 0)])
        assert verdict.passed
        assert (verdict.bound, verdict.observed) == (100, 100)

    @pytest.mark.parametrize(("in_lake", "missing"), [(97, 1), (99, -1)])
    def test_a_line_lost_or_doubled_is_found_in_its_hour(self, in_lake, missing):
        verdict = conservation.journal_conserved([HourCount(9, 100, in_lake, 2), HourCount(10, 5, 5, 0)])
        assert not verdict.passed
        assert verdict.severity is Severity.ERROR
        assert [(row["hour"], row["missing"]) for row in verdict.offenders] == [(9, missing)]

    def test_errors_that_cancel_out_over_the_day_are_still_found(self):
        verdict = conservation.journal_conserved([HourCount(9, 10, 9, 0), HourCount(10, 10, 11, 0)])
        assert not verdict.passed
        assert verdict.bound == verdict.observed == 20

    def test_two_layers_are_compared_hour_by_hour(self):
        assert conservation.layers_equal({9: 5, 10: 1}, {9: 5, 10: 1}, names=("lake", "warehouse")).passed
        verdict = conservation.layers_equal({9: 5, 10: 1}, {9: 4, 11: 2}, names=("lake", "warehouse"))
        assert [row["hour"] for row in verdict.offenders] == [9, 10, 11]
        assert verdict.offenders[0] == {"hour": 9, "lake": 5, "warehouse": 4}

    def test_a_copy_with_another_number_of_rows_fails(self):
        assert conservation.tables_equal(3, 3, names=("universe", "warehouse")).passed
        assert not conservation.tables_equal(3, 0, names=("universe", "warehouse")).passed

    def test_a_day_adds_up_over_all_tables(self):
        assert conservation.day_conserved(10, {"scalp_trades": 7, "scalp_quotes": 2}, 1).passed
        verdict = conservation.day_conserved(10, {"scalp_trades": 7, "scalp_quotes": 2}, 0)
        assert (verdict.passed, verdict.bound, verdict.observed) == (False, 10, 9)

    def test_lines_set_aside_are_a_warning_and_lines_lost_from_quarantine_an_error(self):
        assert conservation.nothing_set_aside({}, {"0_09_000001.jsonl": (0, 0)}).passed
        aside = conservation.nothing_set_aside({"not_a_number": 2}, {"0_09_000001.jsonl": (2, 2)})
        assert (aside.passed, aside.severity, aside.observed) == (False, Severity.WARN, 2)
        lost = conservation.nothing_set_aside({"not_a_number": 2}, {"0_09_000001.jsonl": (2, 1)})
        assert lost.severity is Severity.ERROR
        assert lost.offenders[0] == {"segment": "0_09_000001.jsonl", "stated": 2, "kept": 1}

    def test_day_files_hold_what_the_hours_held_and_stand_alone(self):
        rows = {"scalp_trades": 5}
        assert conservation.day_files_complete(rows, rows, [], []).passed
        assert not conservation.day_files_complete(rows, {"scalp_trades": 4}, [], []).passed
        assert not conservation.day_files_complete(rows, {}, [], []).passed
        assert not conservation.day_files_complete(rows, rows, ["open/hour.parquet"], []).passed
        damaged = conservation.day_files_complete(rows, rows, [], ["lake/day.parquet"])
        assert (damaged.passed, damaged.offenders) == (False, [{"damaged": "lake/day.parquet"}])


DECLARED = {"symbol": "string", "price": "int64"}


class TestSchema:
    def test_declared_columns_pass_and_no_file_offends(self):
        assert schema.schema_as_declared(DECLARED, {"a": dict(DECLARED)}).passed
        assert schema.schema_as_declared(DECLARED, {}).passed

    @pytest.mark.parametrize(
        ("found", "column"),
        [
            ({"symbol": "string"}, "price"),
            ({"symbol": "string", "price": "double"}, "price"),
            ({"symbol": "string", "price": "int64", "more": "string"}, "more"),
            ({"price": "int64", "symbol": "string"}, "order"),
        ],
    )
    def test_a_column_missing_changed_added_or_moved_is_named(self, found, column):
        verdict = schema.schema_as_declared(DECLARED, {"good": dict(DECLARED), "bad": found})
        assert not verdict.passed
        assert {row["file"] for row in verdict.offenders} == {"bad"}
        assert column in {row["column"] for row in verdict.offenders}


class TestSessions:
    """Hours of the KRX: broker reference, section 8; after-market 16:00 to 20:00 since 2026-09-14."""

    @pytest.mark.parametrize(
        ("day", "now", "errors", "warnings"),
        [
            (date(2026, 9, 15), (8, 59), [], []),
            (date(2026, 9, 15), (11, 30), [9, 10], []),
            (date(2026, 9, 15), (20, 10), [9, 10, 11, 12, 13, 14, 15], [16, 17, 18, 19]),
            # The first session of the year opens at ten, before there was an after-market.
            (date(2026, 1, 2), (20, 10), [10, 11, 12, 13, 14, 15], []),
            # On the exam day it opens at ten and closes at half past four.
            (date(2026, 11, 19), (20, 10), [10, 11, 12, 13, 14, 15, 16], [17, 18, 19]),
        ],
    )
    def test_hours_are_expected_once_they_are_over(self, day, now, errors, warnings):
        moment = datetime(day.year, day.month, day.day, *now, tzinfo=KST)
        expected = sessions.expected_hours(MarketCalendar().session(day), moment)
        assert [one.hour for one in expected if one.severity is Severity.ERROR] == errors
        assert [one.hour for one in expected if one.severity is Severity.WARN] == warnings

    def test_a_silent_hour_of_continuous_trading_is_an_error(self):
        expected = [ExpectedHour(9, Severity.ERROR), ExpectedHour(16, Severity.WARN)]
        assert sessions.hours_complete(expected, {9: 10, 16: 1}).passed
        assert sessions.hours_complete(expected, {16: 1}).severity is Severity.ERROR
        verdict = sessions.hours_complete(expected, {9: 10, 16: 0})
        assert (verdict.passed, verdict.severity, verdict.observed) == (False, Severity.WARN, "1 hours")
        assert verdict.offenders[0]["hour"] == 16

    @pytest.mark.parametrize(
        ("first", "last", "silent"),
        [
            ((7, 30), (20, 0), []),
            ((9, 15), (19, 30), []),
            # A collector that was up from 09:50 only, one that ended at 19:05, and one at 14:10.
            ((9, 50), (20, 0), [("09:00 to 09:50 (50 minutes)", Severity.ERROR)]),
            ((7, 30), (19, 5), [("19:05 to 20:00 (55 minutes)", Severity.WARN)]),
            ((7, 30), (14, 10), [("14:10 to 20:00 (350 minutes)", Severity.ERROR)]),
        ],
    )
    def test_a_day_that_begins_late_or_ends_early_is_not_recorded(self, first, last, silent):
        """Each hour has records, and a hole is known by the trade after it: only the ends tell."""
        session = MarketCalendar().session(date(2026, 9, 15))
        recorded = tuple(session.at(time(*moment)) for moment in (first, last))
        ends = sessions.silent_ends(session, session.at(time(20, 10)), recorded)
        assert [(one.told, one.severity) for one in ends] == silent
        expected = sessions.expected_hours(session, session.at(time(20, 10)))
        verdict = sessions.hours_complete(expected, dict.fromkeys(range(9, 20), 1), ends)
        assert verdict.passed is not bool(silent)
        for (told, severity), offender in zip(silent, verdict.offenders, strict=True):
            assert told in verdict.reason
            assert told in verdict.observed
            assert (offender["silent"], verdict.severity) == (told, severity)

    def test_the_ends_of_a_day_are_judged_when_they_are_due(self):
        session = MarketCalendar().session(date(2026, 9, 15))
        noon = (session.at(time(9, 0)), session.at(time(11, 59)))
        assert sessions.silent_ends(session, session.at(time(12, 1)), noon) == []
        assert sessions.silent_ends(session, session.at(time(9, 55)), (session.at(time(9, 50)),) * 2) == []
        assert sessions.silent_ends(session, session.at(time(21)), None) == []

    def test_before_there_was_an_after_market_a_day_ends_with_the_close(self):
        session = MarketCalendar().session(date(2026, 1, 2))
        begun = session.at(time(10))
        assert sessions.silent_ends(session, session.at(time(20)), (begun, session.at(time(15, 30)))) == []
        (end,) = sessions.silent_ends(session, session.at(time(20)), (begun, session.at(time(15))))
        assert (end.told, end.severity) == ("15:00 to 15:30 (30 minutes)", Severity.ERROR)

    def test_before_the_session_nothing_is_missing(self):
        assert sessions.hours_complete([], {}).passed

    @pytest.mark.parametrize(("over", "severity"), [(False, Severity.WARN), (True, Severity.ERROR)])
    def test_open_and_waiting_segments_weigh_more_once_the_day_is_over(self, over, severity):
        unsealed = sessions.all_sealed(["0_09_000001"], still_written=0, day_is_over=over)
        waiting = sessions.nothing_waits(["0_09_000001.jsonl"], day_is_over=over)
        assert (unsealed.passed, unsealed.severity) == (waiting.passed, waiting.severity) == (False, severity)

    def test_the_segment_that_is_being_written_is_as_it_should_be(self):
        verdict = sessions.all_sealed([], still_written=2, day_is_over=False)
        assert verdict.passed
        assert "2 segments" in verdict.reason
        assert sessions.nothing_waits([], day_is_over=True).passed


class TestTape:
    def test_holes_in_continuous_trading_are_errors_the_largest_first(self):
        holes = [
            Hole("005930", "10:00:00", Phase.CONTINUOUS, 10),
            Hole("000660", "15:25:00", Phase.CLOSING_AUCTION, 99),
        ]
        verdict = tape.no_holes(holes)
        assert (verdict.passed, verdict.severity, verdict.observed) == (False, Severity.ERROR, 2)
        assert [row["symbol"] for row in verdict.offenders] == ["000660", "005930"]

    @pytest.mark.parametrize("phase", [Phase.OPENING_AUCTION, Phase.CLOSING_AUCTION, Phase.AFTER_MARKET])
    def test_holes_elsewhere_are_warnings(self, phase):
        verdict = tape.no_holes([Hole("005930", "18:00:00", phase, 10)])
        assert (verdict.passed, verdict.severity) == (False, Severity.WARN)

    def test_an_unbroken_tape_passes(self):
        assert tape.no_holes([]).passed
        assert tape.no_gaps([]).passed
        assert tape.cumulative_volume_grows([], trades=9).passed

    def test_a_gap_is_a_warning_that_tells_from_when_to_when(self):
        verdict = tape.no_gaps([Gap("", "H0STCNT0", "10:00:00", "10:02:00", "reconnect")])
        assert (verdict.passed, verdict.severity) == (False, Severity.WARN)
        assert verdict.offenders[0]["to"] == "10:02:00"

    @pytest.mark.parametrize(
        ("phase", "severity"),
        [(Phase.CONTINUOUS, Severity.ERROR), (Phase.AFTER_MARKET, Severity.WARN)],
    )
    def test_a_falling_cumulative_volume_is_judged_by_its_phase(self, phase, severity):
        verdict = tape.cumulative_volume_grows(
            [StepBack("005930", "KRX", "16:00:00.000", phase, 100, 10)], trades=9
        )
        assert (verdict.passed, verdict.severity) == (False, severity)

    @pytest.mark.parametrize(
        ("lowest", "highest", "passed"),
        [(70_000, 130_000, True), (69_900, 100_000, False), (100_000, 130_100, False)],
    )
    def test_trades_keep_the_limits_of_thirty_percent(self, lowest, highest, passed):
        verdict = tape.prices_within_limits([PriceRange("000001", lowest, highest)], {"000001": 100_000})
        assert verdict.passed is passed

    def test_a_symbol_without_a_base_price_is_counted_as_not_judged(self):
        ranges = [PriceRange("000001", 1, 10**9), PriceRange("000002", 100, 100)]
        verdict = tape.prices_within_limits(ranges, {"000002": 100})
        assert verdict.passed
        assert "1 of 2 symbols" in verdict.bound

    def test_bars_hold_the_volume_of_each_symbol(self):
        assert tape.bars_hold_trades({"005930": 10}, {"005930": 10}).passed
        verdict = tape.bars_hold_trades({"005930": 10, "000660": 5}, {"005930": 5, "000660": 10})
        assert not verdict.passed
        assert verdict.bound == verdict.observed
        assert [row["symbol"] for row in verdict.offenders] == ["000660", "005930"]


class TestReference:
    @pytest.mark.parametrize(
        ("ends", "passed", "severity"),
        [
            (NOW + timedelta(hours=24), True, Severity.WARN),
            (NOW + timedelta(minutes=9), False, Severity.WARN),
            (NOW - timedelta(seconds=1), False, Severity.ERROR),
            (None, False, Severity.ERROR),
        ],
    )
    def test_a_token_lasts_long_enough(self, ends, passed, severity):
        verdict = reference.token_valid(ends, NOW, needed_for=timedelta(minutes=10))
        assert verdict.passed is passed
        assert passed or verdict.severity is severity

    @pytest.mark.parametrize(
        ("count", "passed"), [(0, False), (30, False), (300, True), (3000, True), (3001, False)]
    )
    def test_a_universe_of_a_few_symbols_is_implausible(self, count, passed):
        """Incident I-09: days with 0 to 30 symbols."""
        assert reference.count_plausible(count, fewest=300, most=3000, what="symbols").passed is passed

    @pytest.mark.parametrize(
        ("count", "before", "passed"), [(120, 100, True), (121, 100, False), (5, None, True)]
    )
    def test_a_leap_against_the_day_before_is_a_warning(self, count, before, passed):
        verdict = reference.change_plausible(count, before, largest=0.2, what="symbols")
        assert (verdict.passed, verdict.severity) == (passed, Severity.WARN)

    def test_a_fallback_is_a_warning_with_the_reasons(self):
        day = date(2026, 9, 15)
        told = {"preferred": "kis-master", "day": day}
        assert reference.preferred_source("kis-master", day, failed_stages={}, **told).passed
        verdict = reference.preferred_source(
            "last-good", date(2026, 9, 14), failed_stages={"kis-master": "no answer"}, **told
        )
        assert (verdict.passed, verdict.severity) == (False, Severity.WARN)
        assert verdict.offenders == [{"stage": "kis-master", "reason": "no answer"}]

    def test_files_of_an_earlier_day_are_a_warning_with_both_dates(self):
        verdict = reference.preferred_source(
            "kis-master", date(2026, 9, 14), preferred="kis-master", day=date(2026, 9, 15), failed_stages={}
        )
        assert (verdict.passed, verdict.severity) == (False, Severity.WARN)
        assert (verdict.bound, verdict.observed) == ("kis-master of 2026-09-15", "kis-master of 2026-09-14")

    def test_a_file_of_another_day_is_noticed(self):
        day = date(2026, 9, 15)
        assert reference.dated_for(day, day, severity=Severity.WARN).passed
        assert not reference.dated_for(day, date(2026, 9, 14), severity=Severity.WARN).passed

    def test_a_file_that_is_missing_or_damaged_is_named(self):
        assert reference.files_kept({"a.zip": "", "b.zip": ""}).passed
        verdict = reference.files_kept({"a.zip": "", "b.zip": "missing or empty"})
        assert verdict.offenders == [{"file": "b.zip", "fault": "missing or empty"}]
        assert (verdict.passed, verdict.bound, verdict.observed) == (False, 2, 1)

    def test_parts_make_the_whole(self):
        assert reference.adds_up(10, {"universe": 6, "group": 4}).passed
        assert not reference.adds_up(10, {"universe": 6, "group": 3}).passed


class TestGrid:
    @pytest.mark.parametrize("price", [1_999, 2_005, 75_200, 75_250, 201_250, 500_500, 2_003, 2_002])
    def test_the_grid_and_its_midpoints_are_allowed(self, price):
        """75,250 and 201,250 are midpoints of 100 and 500; half of 5 is rounded up or cut."""
        assert tape.prices_on_grid([PriceCount("005930", price, 1)], {"005930"}).passed

    @pytest.mark.parametrize("price", [2_001, 75_210, 75_249, 201_200])
    def test_another_price_is_found_with_its_trades(self, price):
        verdict = tape.prices_on_grid([PriceCount("005930", price, 3)], {"005930"})
        assert (verdict.passed, verdict.severity, verdict.observed) == (False, Severity.WARN, 3)
        assert verdict.offenders[0]["price"] == price

    def test_a_fund_has_another_grid(self):
        assert tape.prices_on_grid([PriceCount("069500", 75_210, 3)], {"005930"}).passed
