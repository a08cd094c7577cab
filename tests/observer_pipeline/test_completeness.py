"""A day's account of shares: captured, missed, filled, missing, and why (a person reads it at a glance)."""

import base64
import io

import dagster as dg
import pytest
from PIL import Image

from observer_core.lake.readers import scan
from observer_core.lake.schemas import Table
from observer_core.settings.paths import Track
from observer_pipeline.charts import LARGEST_BYTES, completeness_picture
from observer_pipeline.checks.rules.completeness import nothing_missing
from observer_pipeline.checks.verdict import Severity
from observer_pipeline.completeness import SymbolCompleteness


def test_the_verdict_names_the_worst_first():
    verdict = nothing_missing(
        {"000660": 5, "005930": 7}, traded=100, silent_hours=(), reasons={"outage": 10, "unexplained": 2}
    )
    assert (verdict.passed, verdict.observed) == (False, "12 shares missing (12.0000 %), 0 hours silent")
    assert [one["symbol"] for one in verdict.offenders] == ["005930", "000660"]
    assert verdict.reason == "12 of 100 shares of 2 symbols are missing (outage 10, unexplained 2)."
    assert nothing_missing({}, traded=100, silent_hours=(), reasons={}).passed


@pytest.mark.parametrize(("missing", "severity"), [(10, Severity.WARN), (11, Severity.ERROR)])
def test_a_hundredth_of_the_shares_is_an_error_however_well_explained(missing, severity):
    verdict = nothing_missing({"005930": missing}, traded=1_000, silent_hours=(), reasons={"outage": missing})
    assert (verdict.passed, verdict.severity) == (False, severity)


def test_before_the_first_trade_nothing_is_said_to_be_there():
    verdict = nothing_missing({}, traded=0, silent_hours=(), reasons={})
    assert (verdict.passed, verdict.reason) == (True, "Nothing was traded yet, as far as records tell.")


def test_a_hole_is_red_in_the_picture_and_a_whole_day_is_not():
    """Forty symbols over a whole day stay below the limit."""
    whole = [SymbolCompleteness(f"{n:06d}", captured=100) for n in range(40)]
    traded = {one.symbol: range(9 * 60, 20 * 60) for one in whole}
    broken = [SymbolCompleteness("000000", 100, 50, 10, 40, tuple(range(600, 631)))]
    counts = []
    for found in (whole, [*broken, *whole[1:]]):
        markdown = completeness_picture(found, traded)
        assert len(markdown) <= LARGEST_BYTES + 200
        encoded = markdown[markdown.index("base64,") + 7 : -1]
        pixels = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB").get_flattened_data()
        counts.append(sum(red > 180 and green < 90 for red, green, _ in pixels))
    # The legend has a red square in both.
    assert counts[1] > counts[0] + 200


def test_without_trades_there_is_no_picture():
    assert completeness_picture([SymbolCompleteness("005930", captured=0)], {}) == ""


def test_holes_of_a_day_are_accounted_for_by_symbol(refreshed):
    """The journal told of two holes of 20 shares each; nothing was asked for later."""
    journalist = refreshed.journalist()
    journalist.write(9, 10, holes=2)
    refreshed.set_clock(refreshed.at(11, 1))
    run = refreshed.run("compact_hours")
    assert run.success, run.failures
    shown = run.metadata["completeness"]
    worst = shown["symbols"].records[0].data
    symbol, _ = journalist.first_symbol
    # Three trades an hour of ten shares each, for two hours.
    assert worst == {
        "symbol": symbol, "venue": "KRX", "session": "regular", "captured": 60, "holes": 2, "missed": 40,
        "filled": 0, "missing": 40, "explained": 0, "complete": 60.0, "since": "10:04:59",
        "until": "10:05:01", "reasons": "unexplained 2",
    }  # fmt: skip
    assert (shown["captured_shares"].value, shown["missing_shares"].value) == (180, 40)
    assert round(shown["complete_percent"].value, 2) == round(100 * 180 / 220, 2)
    check = run.checks["completeness:nothing_missing"]
    assert not check.passed
    assert check.metadata["bound"].value == "0 shares missing, 0 hours silent; an error above 1 % missing"
    assert check.metadata["observed"].value == "40 shares missing (18.1818 %), 0 hours silent"
    assert shown["missing_by_reason"].value == {"unexplained": 40}
    assert (shown["shares_to_record"].value, shown["not_ours_to_record"].value) == (220, {})
    assert (shown["explained_percent"].value, round(shown["unexplained_percent"].value, 2)) == (0, 18.18)
    assert "data:image/png" in shown["picture"].value
    stored = scan(refreshed.paths, Table.COMPLETENESS, refreshed.day).collect()
    assert stored["missing_volume"].sum() == 40
    assert stored.height == len(journalist.symbols)
    # Once the day is closed, its account stands where its other files stand.
    refreshed.set_clock(refreshed.at(20, 10))
    assert refreshed.run("close_day").success
    assert scan(refreshed.paths, Table.COMPLETENESS, refreshed.day).collect().equals(stored)
    assert refreshed.paths.lake_day("completeness", refreshed.day).exists()
    assert not list((refreshed.paths.lake / "open").rglob("*.parquet"))


def test_an_hour_without_any_record_leaves_no_day_complete(refreshed):
    """A hole is known by the trade after it; of an hour in which nothing came no account knows the shares."""
    refreshed.journalist().write(9, 11)
    refreshed.set_clock(refreshed.at(12, 1))
    run = refreshed.run("compact_hours")
    check = run.checks["completeness:nothing_missing"]
    assert not check.passed
    assert "Nothing was recorded in 10:00" in check.description
    assert check.metadata["observed"].value == "0 shares missing (0.0000 %), 1 hours silent"
    shown = run.metadata["completeness"]
    assert shown["hours_without_records"].value == "10:00"
    assert "complete_percent" not in shown


def test_a_day_without_any_record_fails_its_check_and_not_the_run(refreshed):
    """Nothing to account for is an answer as well."""
    refreshed.set_clock(refreshed.at(12, 1))
    run = refreshed.run("compact_hours")
    assert run.success
    assert not run.checks["completeness:nothing_missing"].passed
    assert run.metadata["completeness"]["symbols"].value == "nothing recorded"


def test_a_day_of_which_the_begin_is_not_there_is_red(refreshed):
    """Nothing of the first hour is there; the first trades of the second tell how much was traded in it."""
    journalist = refreshed.journalist()
    journalist.write(9)
    for file in refreshed.paths.journal(Track.SCALP, refreshed.day).iterdir():
        file.unlink()
    journalist.write(10)
    refreshed.set_clock(refreshed.at(11, 1))
    run = refreshed.run("compact_hours")
    assert run.success, run.failures
    missing = run.checks["completeness:nothing_missing"]
    assert (missing.passed, missing.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "90 of 180 shares of 3 symbols are missing (unexplained 90)" in missing.description
    hours = run.checks["scalp_journal:trading_hours_recorded"]
    assert (hours.passed, hours.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "Nothing was recorded from 09:00 to 10:00 (60 minutes)" in hours.description
    shown = run.metadata["completeness"]
    assert (shown["missing_shares"].value, shown["shares_to_record"].value) == (90, 180)
    assert [row.data["since"] for row in shown["symbols"].records] == ["09:00:00"] * 3
