"""A whole small day through the three jobs: real segments, real Parquet, real PostgreSQL."""

import hashlib

import psycopg2

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

    journalist.write(*REST_OF_THE_DAY, epoch=2)
    deployment.set_clock(deployment.at(20, 10))
    closed = deployment.run("close_day")
    assert closed.success, closed.failures
    assert closed.failed_checks == {}
    in_lake = ("scalp_trades", "scalp_quotes", "swing_snapshots", "market_events", "raw_records")
    expected = (told.trades, told.books, told.sweep_rows, told.events, told.others)
    assert tuple(closed.rows[table] for table in in_lake) == expected
    assert closed.rows["day_close"] == told.records
    assert closed.rows["gaps"] == 0
    # Three trades a symbol within one minute of each hour are one bar.
    assert closed.rows["bars_1m"] == 3 * 12
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
    assert again.failed_checks == {}
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
    journalist.write(20, epoch=2)
    second = refreshed.run("close_day")
    assert second.success, second.failures
    assert second.failed_checks == {}
    assert second.rows["scalp_trades"] == journalist.told.trades == first.rows["scalp_trades"] + 9
    assert table_counts(refreshed)["scalp_trades"] == journalist.told.trades
