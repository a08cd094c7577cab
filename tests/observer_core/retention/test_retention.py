"""Nothing goes that is not closed, verified and shipped; what may go, goes as a whole."""

import json
import os
import shutil
from datetime import date, timedelta

import pytest
from polars.exceptions import PanicException

from observer_core.backup.folder import FolderTarget
from observer_core.backup.shipping import ship
from observer_core.clock import RealClock
from observer_core.errors import DatabaseUnavailableError
from observer_core.journal.departed import manifests_of
from observer_core.lake import parquet
from observer_core.lake.compaction import close_day
from observer_core.market.calendar import MarketCalendar
from observer_core.retention.applying import apply
from observer_core.retention.facts import look
from observer_core.retention.holdings import (
    Holding,
    Subject,
    Volume,
    decide,
    due_after_sessions,
    make_plan,
)
from observer_core.retention.reloading import reload_warehouse
from observer_core.settings import RetentionSettings
from observer_core.settings.paths import Track
from observer_core.warehouse import WarehouseTable, load_table, row_counts, transaction

DAY = date(2026, 9, 22)
LATER = DAY + timedelta(days=10)


def decided(node, subject: Subject, name: str = DAY.isoformat()):
    """Returns the one decision about a holding, without carrying it out."""
    plan, problems = look(node)
    assert problems == ()
    [decision] = [one for one in plan.decisions if (one.holding.subject, one.holding.name) == (subject, name)]
    return decision


def journal_files(paths) -> list[str]:
    """Returns the files of segments, without the manifests that stay for ever."""
    return sorted(path.name for path in (paths.data / "assets").glob("*/*/*") if path.is_file())


def test_a_closed_and_verified_day_goes_on_its_day_and_not_before(node, closed):
    early = node(LATER - timedelta(days=1))
    assert decided(early, Subject.JOURNAL).reasons == (f"the policy keeps it until {LATER}",)
    assert apply(early).gone == ()
    assert len(journal_files(closed)) == 4
    applied = apply(node(LATER))
    assert [(one.holding.subject, one.holding.name) for one in applied.gone] == [
        (Subject.JOURNAL, DAY.isoformat())
    ]
    assert applied.problems == ()
    assert journal_files(closed) == []
    # What was journaled is still known.
    [scalp], [swing] = (manifests_of(closed, track, DAY) for track in Track)
    assert (scalp.records, swing.records) == (2, 1)
    # The lake is as it was, and closing the day again changes nothing.
    assert close_day(closed, DAY).records == 3
    assert apply(node(LATER)).gone == ()


def test_a_dry_run_removes_nothing_and_says_what_would_go(node, closed):
    decision = decided(node(LATER), Subject.JOURNAL)
    assert decision.goes
    assert decision.holding.bytes > 1000
    assert len(journal_files(closed)) == 4


def spoil_lake(paths, journal):
    path = paths.lake_day("scalp_trades", DAY)
    content = path.read_bytes()
    path.write_bytes(content[:200] + bytes(byte ^ 0xFF for byte in content[200:260]) + content[260:])


def flip_a_bit_of_the_lake(paths, journal):
    path = paths.lake_day("scalp_trades", DAY)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def spoil_receipt(paths, journal):
    path = paths.lake_day_receipt(DAY)
    path.write_text(path.read_text().replace('"sources": [', '"sources": [null,', 1))


def forget_the_bytes(paths, journal):
    """Leaves a receipt as an earlier version wrote it."""
    path = paths.lake_day_receipt(DAY)
    content = json.loads(path.read_text())
    del content["files"]
    path.write_text(json.dumps(content))


def lose_lake(paths, journal):
    paths.lake_day("swing_snapshots", DAY).unlink()


def lose_quarantine(paths, journal):
    paths.quarantine_file(DAY, "0_09_000001.jsonl").unlink()


def reopen(paths, journal):
    paths.lake_day_receipt(DAY).unlink()


def late_segment(paths, journal):
    journal.segment([journal.trade()], hour=10, sequence=2)


def open_segment(paths, journal):
    journal.segment([journal.trade()], hour=10, sequence=2, seal=False)


def damaged_when_compacted(paths, journal):
    journal.segment(
        [journal.trade()], hour=10, sequence=2, spoil=lambda c: c.replace(b"277750", b"27775x", 1)
    )
    close_day(paths, DAY)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (spoil_lake, "cannot be read"),
        (flip_a_bit_of_the_lake, "its SHA-256 is not the one that its receipt tells"),
        (spoil_receipt, "is no receipt of the lake"),
        (forget_the_bytes, "no receipt tells what the bytes of scalp_trades were"),
        (lose_lake, "swing_snapshots has no file of the day"),
        (lose_quarantine, "the quarantine of 0_09_000001.jsonl has 0 lines instead of 1"),
        (reopen, "the day is not closed"),
        (late_segment, "segment 0_10_000002.jsonl is not in the lake as it is"),
        (open_segment, "segment 0_10_000002 is not sealed"),
        (damaged_when_compacted, "segment 0_10_000002.jsonl was damaged when it was compacted"),
    ],
)
def test_a_day_about_which_there_is_a_doubt_stays(node, closed, journal, fault, reason):
    """However old it is (incident I-31: nothing is removed that was not verified)."""
    fault(closed, journal)
    before = journal_files(closed)
    applied = apply(node(LATER + timedelta(days=400)))
    [held] = [one for one in applied.plan.held_back if one.holding.name == DAY.isoformat()]
    assert any(reason in one for one in held.reasons), held.reasons
    assert applied.gone == ()
    assert journal_files(closed) == before


def test_a_day_closed_by_an_earlier_version_goes_once_it_is_made_anew(node, closed, journal):
    """As the doubt says: its receipt is removed, and the journal still has the whole day."""
    day_file = closed.lake_day("scalp_trades", DAY)
    before = day_file.read_bytes()
    forget_the_bytes(closed, journal)
    [doubt, *_] = decided(node(LATER), Subject.JOURNAL).reasons
    assert f"remove {closed.lake_day_receipt(DAY)}" in doubt
    closed.lake_day_receipt(DAY).unlink()
    close_day(closed, DAY)
    assert decided(node(LATER), Subject.JOURNAL).goes
    assert day_file.read_bytes() == before


def test_a_day_that_cannot_be_looked_at_keeps_no_other_day(node, closed, journal, monkeypatch):
    """Whatever kind of failure it is: polars may panic, and a panic is no Exception."""

    def panics(path, schema):
        if "date=2026-09-22" in str(path):
            raise PanicException("called `Option::unwrap()` on a `None` value")
        return parquet.read_rows(path, schema)

    monkeypatch.setattr("observer_core.retention.verification.read_rows", panics)
    saturday = closed.journal(Track.SCALP, date(2026, 9, 19))
    saturday.mkdir()
    applied = apply(node(LATER))
    assert [one.holding.name for one in applied.gone] == ["2026-09-19"]
    [held] = applied.plan.held_back
    assert "called `Option::unwrap()`" in held.reasons[0]


@pytest.mark.parametrize(("control_only", "goes"), [(True, True), (False, False)])
def test_a_day_without_a_session_goes_if_no_record_came_on_it(node, closed, journal, control_only, goes):
    """Nobody closes a Saturday; the collector notes its starts and stops there all the same."""
    line = journal.control("start") if control_only else journal.trade()
    segment = journal.segment([line], hour=11, sequence=3)
    saturday = closed.journal(Track.SCALP, date(2026, 9, 19))
    saturday.mkdir()
    for path in (segment, segment.with_name("0_11_000003.manifest.json")):
        path.rename(saturday / path.name)
    decision = decided(node(LATER), Subject.JOURNAL, "2026-09-19")
    assert (decision.goes, decision.reasons) == (goes, () if goes else ("the day is not closed",))


def test_the_newest_day_stays_for_the_collector_continues_from_it(node, closed):
    (closed.data / "assets/scalp/20260923").rmdir()
    assert "newest day" in decided(node(LATER), Subject.JOURNAL).reasons[0]


def test_with_a_target_the_journal_waits_until_it_has_left(node, closed, target):
    held = decided(node(LATER, target=target), Subject.JOURNAL)
    assert "have not left the node" in held.reasons[0]
    ship(closed, target, RealClock())
    assert decided(node(LATER, target=target), Subject.JOURNAL).goes


def test_what_has_vanished_from_the_target_counts_as_not_shipped(node, closed, target):
    ship(closed, target, RealClock())
    shutil.rmtree(target.root / "files/data/assets/swing")
    held = decided(node(LATER, target=target), Subject.JOURNAL)
    assert "2 files are no longer at the target" in held.reasons[0]


def test_a_target_that_is_away_lets_nothing_go(node, closed, target):
    ship(closed, target, RealClock())
    target.root.rename(target.root.with_name("unmounted"))
    applied = apply(node(LATER, target=target, lake_days=1))
    assert applied.gone == ()
    assert all("does not answer" in one.reasons[-1] for one in applied.plan.held_back)


def test_a_target_of_another_deployment_lets_nothing_go(node, closed, target):
    """What another one has there is no copy of this node's days."""
    ship(closed, target, RealClock())
    staging = FolderTarget(target.root, "observer-staging")
    applied = apply(node(LATER, target=staging, lake_days=1))
    assert applied.gone == ()
    assert all("this one is observer-staging" in one.reasons[-1] for one in applied.plan.held_back)


def test_the_lake_is_kept_unless_the_policy_says_otherwise(node):
    assert decided(node(LATER + timedelta(days=4000)), Subject.LAKE).reasons == ("the policy keeps it",)


def test_the_only_copy_of_the_lake_never_goes(node):
    held = decided(node(LATER, lake_days=1), Subject.LAKE)
    assert held.reasons == ("no backup target is configured: this is the only copy",)


def test_the_lake_goes_after_the_journal_once_it_has_left(node, closed, target):
    ship(closed, target, RealClock())
    first = apply(node(LATER, target=target, lake_days=10))
    assert [one.holding.subject for one in first.gone] == [Subject.JOURNAL]
    second = apply(node(LATER, target=target, lake_days=10))
    assert [one.holding.subject for one in second.gone] == [Subject.LAKE]
    left = [path for root in (closed.lake, closed.quarantine) for path in root.rglob("*") if path.is_file()]
    assert left == []


def test_a_removal_that_was_interrupted_is_finished_by_the_next_run(node, closed):
    """A killed run leaves a hidden folder; no reader sees it, and the next run removes it."""
    hidden = closed.data / "assets/scalp/.20260921.going"
    shutil.copytree(closed.data / "assets/scalp/20260922", hidden)
    apply(node(LATER))
    assert not hidden.exists()


def test_little_room_is_reported_and_lets_nothing_go_earlier(node):
    """The policy decides alone, whatever the disk says (incident I-33)."""
    policy = RetentionSettings.load({"OBSERVER_RETENTION_FREE_PERCENT": "15"})
    young = Holding(Subject.JOURNAL, "2026-09-22", 10, LATER)
    doubtful = Holding(Subject.JOURNAL, "2026-09-01", 10, DAY, ("the day is not closed",))
    full = Volume("OBSERVER_DATA_DIR", 100, 0)
    plan = make_plan([young, doubtful], [full, Volume("OBSERVER_LOG_DIR", 100, 15)], policy, DAY)
    assert plan.pressed == (full,)
    assert plan.going == ()
    assert plan.held_back == (decide(doubtful, DAY),)


def test_five_sessions_are_counted_by_the_exchanges_calendar():
    """Over Chuseok 2026, 24 to 26 September, and a weekend."""
    out = due_after_sessions(date(2026, 9, 22), 5, MarketCalendar())
    assert out == date(2026, 10, 1)


def test_rotated_logs_go_and_a_log_in_use_stays(node, closed):
    folder = closed.settings.system_log_dir
    folder.mkdir()
    for name in ("collector.log", "collector.log.1", "notes.txt"):
        (folder / name).write_text("x")
        os.utime(folder / name, (0, 0))
    applied = apply(node(LATER - timedelta(days=5)))
    assert [one.holding.name for one in applied.gone] == ["system/collector.log.1"]
    assert sorted(path.name for path in folder.iterdir()) == ["collector.log", "notes.txt"]


def test_old_trades_leave_postgresql_by_their_partition_and_can_be_loaded_again(node, closed, engine):
    early = due_after_sessions(DAY, 5, MarketCalendar()) - timedelta(days=1)
    assert not decided(node(early, engine=engine), Subject.SCALP_TRADES).goes
    today = early + timedelta(days=1)
    gone = apply(node(today, engine=engine)).gone
    assert {one.holding.subject for one in gone} == {Subject.SCALP_TRADES}
    counts = row_counts(engine, DAY)
    assert counts[WarehouseTable.SCALP_TRADES] == 0
    assert counts[WarehouseTable.SWING_SNAPSHOTS] == 1
    assert load_table(engine, closed, WarehouseTable.SCALP_TRADES, DAY).rows_loaded == 1


def test_rows_that_the_lake_does_not_hold_stay_in_postgresql(node, closed, engine):
    with transaction(engine) as connection:
        connection.exec_driver_sql("DELETE FROM observer.scalp_trades")
    held = decided(node(LATER, engine=engine), Subject.SCALP_TRADES)
    assert held.reasons == ("it has 0 rows, and the lake 1",)
    spoil_lake(closed, None)
    held = decided(node(LATER, engine=engine), Subject.SCALP_TRADES)
    assert "cannot be read" in held.reasons[0]


def test_a_query_that_holds_the_table_delays_retention_and_nothing_else(node, engine, monkeypatch):
    monkeypatch.setattr("observer_core.warehouse.expiry._LOCK_MILLISECONDS", 50)
    with engine.connect() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM observer.scalp_trades").scalar_one()
        applied = apply(node(LATER, engine=engine))
    assert [one for one in applied.gone if one.holding.subject is Subject.SCALP_TRADES] == []
    assert "scalp_trades 2026-09-22" in applied.problems[0]
    assert [one.holding.subject for one in applied.gone] == [Subject.JOURNAL]


def test_an_outage_of_the_database_lets_the_journal_go_all_the_same(node, engine, monkeypatch):
    def away(*_, **__):
        raise DatabaseUnavailableError("PostgreSQL does not answer.")

    monkeypatch.setattr("observer_core.retention.facts.held_days", away)
    applied = apply(node(LATER, engine=engine))
    assert applied.problems == ("PostgreSQL does not answer.",)
    assert [one.holding.subject for one in applied.gone] == [Subject.JOURNAL]


def test_a_reloaded_warehouse_holds_what_retention_would_keep(closed, engine):
    policy = RetentionSettings.load({})
    young = reload_warehouse(engine, closed, policy, DAY)
    assert set(young.values()) == {0}, "it was loaded before"
    with transaction(engine) as connection:
        for name in ("scalp_trades", "swing_snapshots", "bars_1m", "loaded_segments"):
            connection.exec_driver_sql(f"DELETE FROM observer.{name}")
    old = reload_warehouse(engine, closed, policy, LATER)
    assert (old[WarehouseTable.SCALP_TRADES], old[WarehouseTable.SWING_SNAPSHOTS]) == (0, 1)
