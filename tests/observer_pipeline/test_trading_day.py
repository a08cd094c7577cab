"""A whole small day through the three jobs: real segments, real Parquet, real PostgreSQL."""

import hashlib
import json

import dagster as dg
import psycopg2

from observer_core.settings.paths import Track
from observer_pipeline import keys
from observer_pipeline.assets.external import JOURNAL_LINE
from observer_pipeline.resources import Deployment

MORNING = (9, 10)
REST_OF_THE_DAY = (11, 12, 13, 14, 15, 16, 17, 18, 19, 20)


def table_counts(deployment) -> dict[str, int]:
    """Counts the warehouse with nothing of the project in between."""
    variables = deployment.environment
    session = psycopg2.connect(
        host=variables["DB_HOST"], port=variables["DB_PORT"], dbname=variables["DB_NAME"],
        user=variables["DB_USER"], password=variables["DB_PASSWORD"],
    )  # fmt: skip
    tables = ("scalp_trades", "swing_snapshots", "market_events", "bars_1m", "gaps", "universe")
    with session, session.cursor() as cursor:
        counts = {}
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM observer.{table} WHERE trading_day = %s", (deployment.day,))
            counts[table] = cursor.fetchone()[0]
    session.close()
    return counts


def lake_digests(deployment) -> dict[str, str]:
    files = sorted(deployment.paths.lake.rglob("*.parquet"))
    return {
        str(path.relative_to(deployment.paths.lake)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_a_whole_day_is_kept_and_a_rerun_changes_nothing(deployment):
    """Every record told to the journal is in the lake and, where it belongs there, in PostgreSQL, once."""
    with deployment.broker():
        morning = deployment.run("refresh_reference")
    assert morning.success, morning.failures
    assert morning.failed_checks == {}
    journalist = deployment.journalist()
    journalist.write(*MORNING)
    deployment.set_clock(deployment.at(11, 0, 30))
    hours = deployment.run("compact_hours")
    told = journalist.told
    assert hours.success, hours.failures
    assert hours.failed_checks == {}
    assert hours.rows["scalp_trades"] == told.trades == 18
    assert hours.rows["scalp_quotes"] == told.books == 6
    assert table_counts(deployment)["scalp_trades"] == told.trades

    journalist.write(*REST_OF_THE_DAY)
    deployment.set_clock(deployment.at(20, 10))
    closed = deployment.run("close_day")
    assert closed.success, closed.failures
    assert closed.our_failed_checks == {}
    in_lake = ("scalp_trades", "scalp_quotes", "swing_snapshots", "market_events", "raw_records")
    expected = (told.trades, told.books, told.sweep_rows, told.events, told.others)
    assert tuple(closed.rows[table] for table in in_lake) == expected
    assert closed.rows["day_close"] == told.records
    assert closed.rows["gaps"] == 0
    # Three trades a symbol within one minute of each hour are one bar.
    assert closed.rows["bars_1m"] == 3 * 12
    for table in ("scalp_trades", "bars_1m", "warehouse/scalp_trades", "warehouse/bars_1m"):
        shown = closed.metadata[table]["sample"].records
        assert 1 < len(shown) <= 5
        assert {record.data["trading_day"] for record in shown} == {"2026-09-15"}
    before = table_counts(deployment)
    assert before == {
        "scalp_trades": told.trades,
        "swing_snapshots": told.sweep_rows,
        "market_events": told.events,
        "bars_1m": 36,
        "gaps": 0,
        "universe": morning.rows["universe"],
    }
    assert not list((deployment.paths.lake / "open").rglob("*.parquet"))

    digests = lake_digests(deployment)
    again = deployment.run("close_day")
    assert again.success
    assert again.our_failed_checks == {}
    assert again.rows == closed.rows
    assert table_counts(deployment) == before
    assert lake_digests(deployment) == digests


def test_a_late_segment_is_taken_in_by_another_close(refreshed):
    """What is sealed after the close is in the day's files and in PostgreSQL after the next one."""
    journalist = refreshed.journalist()
    journalist.write(*MORNING, *REST_OF_THE_DAY[:-1])
    refreshed.set_clock(refreshed.at(20, 10))
    first = refreshed.run("close_day")
    assert first.success, first.failures
    journalist.write(20)
    second = refreshed.run("close_day")
    assert second.success, second.failures
    assert second.our_failed_checks == {}
    assert second.rows["scalp_trades"] == journalist.told.trades == first.rows["scalp_trades"] + 9
    assert table_counts(refreshed)["scalp_trades"] == journalist.told.trades


def versions(run) -> dict[str, str]:
    """Table -> data version that its materialization states."""
    tables = {key.to_user_string() for key in (*keys.LAKE.values(), keys.BARS, keys.COMPLETENESS)}
    made = [
        one.step_materialization_data.materialization for one in run.events if one.is_step_materialization
    ]
    found = {one.asset_key.to_user_string(): one.tags["dagster/data_version"] for one in made}
    return {table: found[table] for table in tables}


def test_a_rerun_has_the_data_version_of_the_first_run(refreshed):
    """So what stands below is up to date; a late segment makes another one, the close of the day none."""
    journalist = refreshed.journalist()
    journalist.write(*MORNING)
    refreshed.set_clock(refreshed.at(20, 10))
    first = versions(refreshed.run("compact_hours"))
    assert versions(refreshed.run("compact_hours")) == first
    assert versions(refreshed.run("close_day")) == first
    journalist.write(11)
    late = versions(refreshed.run("close_day"))
    assert {table for table in late if late[table] != first[table]} == {
        "scalp_trades", "scalp_quotes", "swing_snapshots", "market_events", "raw_records", "bars_1m",
        "completeness",
    }  # fmt: skip


def test_an_hour_that_is_not_over_waits_until_it_is_or_the_day_is(refreshed):
    """A segment may be sealed for its size: the rest of its hour is still to come."""
    journalist = refreshed.journalist()
    journalist.write(9, 10, 11)
    refreshed.set_clock(refreshed.at(11, 30))
    during = refreshed.run("compact_hours")
    assert during.success, during.failures
    assert during.failed_checks == {}
    assert during.metadata["scalp_trades"]["hours"].value == "09, 10"
    assert during.rows["scalp_trades"] == 18
    refreshed.set_clock(refreshed.at(20, 10))
    assert refreshed.run("compact_hours").rows["scalp_trades"] == journalist.told.trades == 27


def test_the_journal_is_observed_with_its_counts(refreshed):
    journalist = refreshed.journalist()
    journalist.write(*MORNING)
    refreshed.set_clock(refreshed.at(11, 1))
    observed = refreshed.run("compact_hours").observations
    rows = {name: metadata["dagster/partition_row_count"].value for name, metadata in observed.items()}
    told = journalist.told
    assert rows == {"scalp_journal": told.records - told.sweep_rows, "swing_journal": told.sweep_rows}
    assert observed["scalp_journal"]["segments"].value == len(MORNING)


def test_the_declared_columns_of_the_journal_are_those_of_a_line(refreshed):
    journalist = refreshed.journalist()
    journalist.write(9)
    [segment] = refreshed.paths.journal(Track.SCALP, refreshed.day).glob("*.jsonl")
    [line, *_] = segment.read_text().splitlines()
    declared = [column.name for column in JOURNAL_LINE.columns if column.required]
    assert list(json.loads(line)) == declared


def test_a_check_that_is_run_alone_judges_the_last_trading_day(refreshed):
    refreshed.journalist().write(*MORNING)
    refreshed.set_clock(refreshed.at(11, 1))
    assert refreshed.run("compact_hours").success
    key = dg.AssetCheckKey(keys.LAKE["scalp_trades"], "prices_within_limits")
    alone = refreshed.defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection=set(), asset_check_selection={key}
    )
    evaluation = alone.execute_in_process(instance=refreshed.instance).get_asset_check_evaluations()[0]
    assert evaluation.passed
    assert evaluation.metadata["trading_day"].value == "2026-09-15"


def test_a_run_is_about_the_moment_it_began(mounts):
    """A virtual hour passes within the seconds of a run; all of its steps judge the same hours."""
    resource = Deployment(time_source=mounts.environment["OBSERVER_CLOCK"])
    mounts.set_clock(mounts.at(10, 59, 58))
    with dg.build_resources({"deployment": resource}) as made:
        mounts.set_clock(mounts.at(11, 40))
        assert made.deployment.instant == mounts.at(10, 59, 58)
        assert made.deployment.clock.now() >= mounts.at(11, 40)
