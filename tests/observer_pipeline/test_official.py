"""The broker's official figures of a day: asked for, stored, compared; and a broker that does not answer."""

import polars as pl
import pytest

from observer_core.lake.readers import scan
from observer_core.lake.schemas import Table
from observer_core.reference.universe import read_universe

HOURS = (9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)


@pytest.fixture
def recorded(refreshed):
    """A deployment with a whole day of three symbols in its journal."""
    journalist = refreshed.journalist()
    journalist.write(*HOURS)
    refreshed.set_clock(refreshed.at(20, 10))
    return refreshed


def stored(deployment):
    return scan(deployment.paths, Table.DAILY_OFFICIAL, deployment.day).collect()


def test_a_broker_that_nobody_reaches_leaves_no_day_open_and_is_no_fault_of_ours(recorded):
    run = recorded.run("close_day")
    assert run.success, run.failures
    assert run.our_failed_checks == {}
    told = {name: text for name, text in run.failed_checks.items() if "external: " in text}
    assert set(told) == {"daily_official:figures_stated", "day_close:official_figures_agree"}
    assert all(text.startswith("WARN external: ") for text in told.values())
    nothing = "external: nothing was compared: the broker stated no figures for 3 symbols and venues."
    agree = run.checks["day_close:official_figures_agree"]
    assert agree.description == nothing
    assert agree.metadata["observed"].value == "0 differ without a reason, of 0 compared"
    assert agree.metadata["cause"].value == "external"
    assert "explained_percent" not in run.metadata["daily_official"]
    rows = stored(recorded)
    assert rows["answer"].to_list() == ["failed"] * 3
    assert rows["volume"].null_count() == 3
    assert rows["error"].str.contains("not asked").sum() == 2, "nobody is asked for twice who is not there"


def test_figures_that_contradict_ours_are_an_error_with_names(recorded):
    """What was journaled is made up; what the broker states is its market's: nothing explains it."""
    with recorded.broker():
        run = recorded.run("close_day")
    assert run.success, run.failures
    assert run.checks["daily_official:figures_stated"].passed
    failed = run.failed_checks["day_close:official_figures_agree"]
    assert failed.startswith("ERROR 3 symbols and venues differ")
    assert run.metadata["daily_official"]["explained_percent"].value < 100
    rows = stored(recorded)
    assert rows["answer"].to_list() == ["stated"] * 3
    assert rows.filter(pl.col("low_price") <= pl.col("close_price")).height == 3
    offenders = run.checks["day_close:official_figures_agree"].metadata["offenders"].value
    assert {row.data["symbol"] for row in offenders.records} == set(rows["symbol"])


def test_a_symbol_of_which_nothing_came_is_asked_for_and_found(refreshed):
    """Registered since yesterday, and no trade all day: healthy to look at, and lost."""
    listed = read_universe(refreshed.paths.universe(refreshed.day)).symbols
    silent = listed[3].code
    refreshed.journalist().write(*HOURS, silent=[silent])
    refreshed.set_clock(refreshed.at(20, 10))
    with refreshed.broker():
        run = refreshed.run("close_day")
    assert run.success, run.failures
    [answer] = stored(refreshed).filter(pl.col("symbol") == silent).to_dicts()
    assert (answer["answer"], answer["venue"]) == ("stated", "KRX")
    assert answer["volume"] > 0
    offenders = run.checks["day_close:official_figures_agree"].metadata["offenders"].value.records
    [found] = [row.data for row in offenders if row.data["symbol"] == silent]
    assert (found["captured_volume"], found["unexplained_volume"]) == (0, answer["volume"])
    [row] = (
        scan(refreshed.paths, Table.COMPLETENESS, refreshed.day).collect().filter(symbol=silent).to_dicts()
    )
    assert (row["missing_volume"], row["explained_volume"], row["coverage"]) == (answer["volume"], 0, 0.0)
    missing = run.failed_checks["completeness:nothing_missing"]
    assert missing.startswith("ERROR"), missing


def test_an_earlier_answer_stays_when_the_broker_is_away(recorded):
    with recorded.broker():
        assert recorded.run("close_day").success
    before = stored(recorded)
    again = recorded.run("close_day")
    assert again.success, again.failures
    assert again.checks["daily_official:figures_stated"].passed
    assert stored(recorded).equals(before)
