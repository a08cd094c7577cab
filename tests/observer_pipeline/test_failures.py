"""What goes wrong outside is shown as external, what goes wrong inside as ours; neither is ever silent."""

import errno
import json
import os
import zlib
from collections import Counter

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa
from dagster._core.errors import DagsterUnknownPartitionError

from observer_core.errors import (
    BrokerCredentialError,
    BrokerRetryableError,
    ConservationError,
    DatabaseUnavailableError,
    NetworkError,
    StorageError,
)
from observer_core.settings import DatabaseSettings
from observer_core.warehouse import connect, migrate, transaction
from observer_pipeline.failures import failure_of, typed_failures
from observer_simulator.settings import SIMULATED_KIWOOM_APP_SECRET


@pytest.mark.parametrize(
    ("error", "cause", "retried"),
    [
        (BrokerCredentialError("EGW00103", "refused"), "external: broker", False),
        (BrokerRetryableError("EGW00201", "too many"), "external: broker", True),
        (NetworkError("no answer"), "external: network", True),
        (DatabaseUnavailableError("no answer"), "external: database", True),
        (StorageError("damaged", remedy="Restore it."), "storage", False),
        (ConservationError("1 row is missing"), "rows lost or doubled", False),
    ],
)
def test_the_class_of_an_error_decides_cause_and_retry(error, cause, retried):
    failure = failure_of(error)
    assert failure.metadata["cause"].value == cause
    assert failure.allow_retries is retried


def test_only_steps_that_ask_a_remote_side_are_tried_again(deployment, monkeypatch):
    """Neither broker nor database is there."""
    quick = dg.RetryPolicy(max_retries=2, delay=0.01)
    for module, name in (("credentials", "BROKER_RETRIES"), ("warehouse", "DATABASE_RETRIES")):
        monkeypatch.setattr(f"observer_pipeline.assets.{module}.{name}", quick)
    deployment.set_environment(DB_PORT="9")
    run = deployment.run("refresh_reference")
    asked = Counter(
        event.step_key for event in run.events if event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY
    )
    assert asked == {"kis_access_token": 2, "kis_approval_key": 2, "symbols": 3, "warehouse_universe": 2}
    assert set(run.failures) == asked.keys() - {"symbols"}
    shown = {step: failed.user_failure_data for step, failed in run.failures.items()}
    assert {step: one.metadata["cause"].value for step, one in shown.items()} == {
        "kis_access_token": "external: network",
        "kis_approval_key": "external: network",
        "warehouse_universe": "external: database",
    }


def test_a_refused_key_is_an_external_failure_and_the_universe_is_built_all_the_same(deployment):
    """EGW00103: the broker does not know the app key (broker reference, 2.2); incident I-02."""
    deployment.set_environment(KIS_APP_KEY="P" + "0" * 35)
    with deployment.broker():
        run = deployment.run("refresh_reference")
    assert not run.success
    assert set(run.failures) == {"kis_access_token", "kis_approval_key"}
    shown = run.failures["kis_access_token"].user_failure_data
    assert shown.metadata["cause"].value == "external: broker"
    assert shown.metadata["broker_code"].value == "EGW00103"
    check = run.checks["kis_access_token:token_valid"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["cause"].value == "external: broker"
    assert run.rows["universe"] == run.rows["warehouse/universe"] > 1000


def test_without_the_brokers_files_the_next_source_is_used_and_shown_as_degraded(deployment):
    """Nobody answers at KIS_MASTER_URL: the packaged listing wins, as a warning (incident I-09)."""
    with deployment.broker(with_master_files=False):
        run = deployment.run("refresh_reference")
    assert run.success, run.failures
    assert "instrument_master" not in run.metadata
    assert run.metadata["symbols"]["source"].value == "packaged-listing"
    stages = {one.data["stage"]: one.data["outcome"] for one in run.metadata["symbols"]["stages"].records}
    assert stages == {
        "kis-master": "failed",
        "kiwoom": "skipped",
        "last-good": "skipped",
        "packaged-listing": "used",
    }
    skipped = run.checks["kiwoom_access_token:token_valid"]
    assert (skipped.passed, skipped.metadata["observed"].value) == (True, "no account")
    assert "kiwoom_access_token" not in run.metadata
    degraded = run.checks["symbols:from_master_files"]
    assert (degraded.passed, degraded.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert run.rows["universe"] > 1000


def test_without_the_brokers_files_kiwoom_stands_in_and_the_day_is_swept_all_the_same(deployment):
    """The second source works, and it is still shown as degraded (incident I-09)."""
    with deployment.broker(with_master_files=False, with_kiwoom=True):
        run = deployment.run("refresh_reference")
    assert run.success, run.failures
    assert set(run.failed_checks) == {"symbols:from_master_files"}
    assert run.metadata["symbols"]["source"].value == "kiwoom"
    assert run.metadata["symbols"]["degraded"].value is True
    used = run.metadata["symbols"]["stages"].records[1].data
    assert (used["stage"], used["outcome"], used["symbols"]) == ("kiwoom", "used", 4237)
    assert used["seconds"] > 0
    assert "by rule from code" in used["reason"]
    assert run.rows["universe"] > 1000
    assert set(run.metadata["kiwoom_access_token"]) == {"fingerprint", "expires_at"}


def test_a_refusal_by_kiwoom_is_a_warning_and_fails_nothing(deployment):
    with deployment.broker(with_kiwoom=True):
        deployment.set_environment(KIWOOM_APP_SECRET="another")
        run = deployment.run("refresh_reference")
    assert run.success, run.failures
    assert set(run.failed_checks) == {"kiwoom_access_token:token_valid"}
    refused = run.checks["kiwoom_access_token:token_valid"]
    assert refused.severity is dg.AssetCheckSeverity.WARN
    assert refused.metadata["cause"].value == "external: broker"
    assert refused.metadata["broker_code"].value == "8001"


def test_no_secret_reaches_the_event_log(deployment):
    """Keys, tokens, approval key and the database's password stand in no event of a run (incident I-28)."""
    with deployment.broker(with_kiwoom=True):
        run = deployment.run("refresh_reference")
    assert run.success, run.failures
    cache = json.loads((deployment.paths.data / "cache" / "token_cache.json").read_text())
    issued = [entry["value"] for kinds in cache["entries"].values() for entry in kinds.values()]
    assert len(issued) == 3
    secrets = [
        *issued,
        SIMULATED_KIWOOM_APP_SECRET,
        *(deployment.environment[name] for name in ("KIS_APP_KEY", "KIS_APP_SECRET", "DB_PASSWORD")),
    ]
    for entry in deployment.instance.all_logs(run.result.run_id):
        text = dg.serialize_value(entry)
        assert not [secret for secret in secrets if secret in text]


def test_a_missing_mount_is_named(deployment):
    deployment.set_environment(OBSERVER_SNAPSHOT_DIR=str(deployment.paths.data / "elsewhere"))
    run = deployment.run("compact_hours")
    assert not run.success
    assert "OBSERVER_SNAPSHOT_DIR" in str(run.result.all_events[-1].event_specific_data)


@pytest.mark.parametrize("day", ["2026-09-25", "2026-09-19", "2026-01-01"])
def test_a_day_without_a_session_is_refused(deployment, day):
    with pytest.raises(DagsterUnknownPartitionError, match=day):
        deployment.defs.resolve_job_def("compact_hours").execute_in_process(
            instance=deployment.instance, partition_key=day
        )


def test_a_day_is_not_closed_while_its_data_comes(refreshed):
    refreshed.journalist().write(9)
    refreshed.set_clock(refreshed.at(15, 0))
    run = refreshed.run("close_day")
    assert set(run.failures) == {"day_close", "daily_official"}
    assert "data of 2026-09-15 ends at 20:00" in run.failures["day_close"].user_failure_data.description


def test_a_hole_in_continuous_trading_is_an_error_with_its_size(refreshed):
    refreshed.journalist().write(9, 10, holes=2)
    refreshed.set_clock(refreshed.at(11, 1))
    run = refreshed.run("compact_hours")
    assert run.success, run.failures
    assert set(run.our_failed_checks) == {"gaps:no_holes", "completeness:nothing_missing"}
    check = run.checks["gaps:no_holes"]
    assert check.severity is dg.AssetCheckSeverity.ERROR
    offenders = [record.data for record in check.metadata["offenders"].records]
    assert [one["missing_volume"] for one in offenders] == [20, 20]
    assert run.rows["warehouse/gaps"] == 2


def test_a_trade_beyond_the_days_limits_is_an_error(refreshed):
    journalist = refreshed.journalist()
    symbol, base = journalist.first_symbol
    journalist.set_price(symbol, base * 2)
    journalist.write(9, 10)
    refreshed.set_clock(refreshed.at(11, 1))
    run = refreshed.run("compact_hours")
    assert set(run.failed_checks) == {"scalp_trades:prices_within_limits"}
    offender = run.checks["scalp_trades:prices_within_limits"].metadata["offenders"].records[0].data
    assert (offender["symbol"], offender["base_price"], offender["highest"]) == (symbol, base, base * 2)


def test_a_line_that_is_not_understood_is_quarantined_counted_and_shown(refreshed):
    """The line is kept, the sums still hold, and people see it (incident I-03)."""
    journalist = refreshed.journalist()
    journalist.write(9, 10, unreadable=2)
    refreshed.set_clock(refreshed.at(11, 1))
    run = refreshed.run("compact_hours")
    assert run.success, run.failures
    assert set(run.failed_checks) == {"scalp_journal:nothing_quarantined"}
    kept = run.checks["scalp_journal:nothing_quarantined"]
    assert (kept.severity, kept.metadata["observed"].value) == (dg.AssetCheckSeverity.WARN, 2)
    assert run.checks["scalp_trades:journal_is_in_lake"].metadata["bound"].value == journalist.told.trades + 2


def test_a_lost_row_keeps_bars_and_postgresql_from_inheriting_the_loss(refreshed):
    refreshed.journalist().write(9, 10)
    refreshed.set_clock(refreshed.at(11, 1))
    assert refreshed.run("compact_hours").success
    path = refreshed.paths.lake_hour("scalp_trades", refreshed.day, 9)
    pl.read_parquet(path).slice(1).write_parquet(path)
    run = refreshed.run("compact_hours")
    assert not run.success
    broken = run.checks["scalp_trades:journal_is_in_lake"]
    assert (broken.passed, broken.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert broken.metadata["offenders"].records[0].data == {
        "hour": 9, "journaled": 9, "in_lake": 8, "quarantined": 0, "missing": 1,
    }  # fmt: skip
    assert "bars_1m" not in run.metadata
    assert "warehouse/scalp_trades" not in run.metadata


def test_a_contract_that_cannot_be_evaluated_fails_with_the_error(refreshed):
    """Dagster keeps no evaluation of a check that raises; ours is kept, and tells why."""
    refreshed.journalist().write(9, 10)
    refreshed.paths.symbols(refreshed.day).write_text("{")
    refreshed.set_clock(refreshed.at(11, 1))
    run = refreshed.run("compact_hours")
    assert run.success, run.failures
    check = run.checks["scalp_trades:prices_within_limits"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "symbols_20260915.json cannot be read" in check.metadata["error"].value


def test_an_outage_of_the_database_leaves_no_day_open_and_is_caught_up(refreshed):
    journalist = refreshed.journalist()
    journalist.write(*range(9, 21))
    refreshed.set_clock(refreshed.at(20, 10))
    port = refreshed.environment["DB_PORT"]
    refreshed.set_environment(DB_PORT="9")
    run = refreshed.run("close_day")
    assert set(run.failures) == {"warehouse_load"}
    assert run.failures["warehouse_load"].user_failure_data.metadata["cause"].value == "external: database"
    assert run.rows["day_close"] == journalist.told.records
    refreshed.set_environment(DB_PORT=port)
    again = refreshed.run("close_day")
    assert again.success, again.failures
    assert again.our_failed_checks == {}
    assert again.rows["warehouse/scalp_trades"] == journalist.told.trades


def test_what_was_taken_out_of_postgresql_comes_back_and_one_table_keeps_no_other_from_it(refreshed):
    """A dropped partition is loaded anew; a table with a stranger's rows is named, and fails the run."""
    refreshed.journalist().write(9, 10)
    refreshed.set_clock(refreshed.at(11, 1))
    before = refreshed.run("compact_hours")
    assert before.success, before.failures
    engine = connect(DatabaseSettings.load(refreshed.environment))
    with transaction(engine) as connection:
        for statement in (
            "DROP TABLE observer.scalp_trades_20260915",
            "UPDATE observer.swing_snapshots SET segment = NULL",
            "DELETE FROM observer.bars_1m",
        ):
            connection.execute(sa.text(statement))
    run = refreshed.run("compact_hours")
    assert set(run.failures) == {"warehouse_load"}
    failure = run.failures["warehouse_load"].user_failure_data
    assert "Loading swing_snapshots of 2026-09-15" in failure.description
    assert failure.metadata["cause"].value == "rows lost or doubled"
    for table in ("warehouse/scalp_trades", "warehouse/bars_1m"):
        assert run.rows[table] == before.rows[table] > 0
        assert run.metadata[table]["sources_lost"].value > 0


def test_a_database_newer_than_the_image_is_a_matter_of_configuration(refreshed):
    """An image that was rolled back (incident I-32): compaction goes on, and what was not loaded waits."""
    refreshed.journalist().write(9, 10)
    refreshed.set_clock(refreshed.at(11, 1))
    engine = connect(DatabaseSettings.load(refreshed.environment))
    migrate(engine)
    with transaction(engine) as connection:
        connection.execute(sa.text("UPDATE observer.alembic_version SET version_num = '0009'"))
    run = refreshed.run("compact_hours")
    assert set(run.failures) == {"warehouse_load"}
    failure = run.failures["warehouse_load"].user_failure_data
    assert failure.metadata["cause"].value == "configuration"
    assert "newer than this program" in failure.description
    assert failure.metadata["remedy"].value.startswith("Promote the image")
    assert run.rows["scalp_trades"] > 0


def test_an_unfinished_segment_of_a_finished_hour_is_reported(refreshed):
    """A collector that stopped without sealing: a warning in the day, an error at its end."""
    refreshed.journalist().write(9, 10)
    folder = refreshed.paths.data / "assets" / "scalp" / "20260915"
    body = b'{"v":1'
    (folder / "0_10_000009.jsonl.open").write_bytes(body + b',"crc":"%08x"}\n' % zlib.crc32(body))
    refreshed.set_clock(refreshed.at(12, 1))
    check = refreshed.run("compact_hours").checks["collector:finished_hours_sealed"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert [record.data["segment"] for record in check.metadata["offenders"].records] == ["0_10_000009"]


def test_a_damaged_segment_keeps_no_other_hour_from_the_lake(refreshed):
    """The run fails with the segment's name; hour 10 is there all the same."""
    refreshed.journalist().write(9, 10)
    folder = refreshed.paths.data / "assets" / "scalp" / "20260915"
    manifest = min(folder.glob("0_09_*.manifest.json"))
    told = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps({**told, "lines": told["lines"] + 1}))
    refreshed.set_clock(refreshed.at(11, 1))
    run = refreshed.run("compact_hours")
    failure = run.failures["compaction"].user_failure_data
    assert told["segment"] in failure.description
    assert failure.metadata["cause"].value == "rows lost or doubled"
    assert run.rows["scalp_trades"] > 0
    assert run.metadata["scalp_trades"]["hours"].value == "10"


@pytest.mark.parametrize(
    ("number", "told"), [(errno.ENOSPC, "no space is left"), (errno.EIO, "Input/output error")]
)
def test_a_refusal_of_the_disk_names_place_and_remedy(number, told):
    with pytest.raises(dg.Failure, match=told) as failed, typed_failures():
        raise OSError(number, os.strerror(number), "/data/lake/x.parquet")
    assert failed.value.metadata["cause"].value == "storage"
    assert "/data/lake/x.parquet" in failed.value.description
    assert failed.value.metadata["remedy"].value
    assert failed.value.allow_retries is False
