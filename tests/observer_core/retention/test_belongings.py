"""What is not the project's own stays where it is, and is told: links, people's files, people's tables."""

import shutil
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from observer_core.backup.shipping import ship
from observer_core.clock import RealClock
from observer_core.retention.applying import apply
from observer_core.retention.facts import journal_days, look
from observer_core.retention.holdings import Subject
from observer_core.settings.paths import Track
from observer_core.warehouse import WarehouseTable, load_table, transaction

DAY = date(2026, 9, 22)
LATER = DAY + timedelta(days=10)


@pytest.fixture
def folder(closed):
    return closed.journal(Track.SCALP, DAY)


def reasons(applied) -> str:
    """Returns why the journal's day stays."""
    [held] = [one for one in applied.plan.held_back if one.holding.subject is Subject.JOURNAL]
    return "; ".join(held.reasons)


def test_a_day_that_is_a_link_stays_and_is_told(node, folder, tmp_path):
    """A day's folder was moved to another disk, and a link put into its place."""
    away = tmp_path / "other disk"
    folder.rename(away)
    folder.symlink_to(away)
    names = sorted(path.name for path in away.iterdir())
    for _ in range(2):
        applied = apply(node(LATER))
        assert f"{folder} is a symbolic link" in reasons(applied)
        assert (applied.gone, applied.problems) == ((), ())
        assert folder.is_symlink()
        assert sorted(path.name for path in away.iterdir()) == names


def test_a_day_whose_disk_is_away_is_still_a_day(node, folder, tmp_path):
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path / "not mounted")
    assert DAY in journal_days(node(LATER).paths)
    assert "is a symbolic link" in reasons(apply(node(LATER)))


def test_a_link_that_an_older_version_hid_is_shown_again(node, folder, tmp_path):
    """It had renamed the link and could not remove it; the day behind it is whole."""
    folder.rename(tmp_path / "other disk")
    folder.with_name(".20260922.going").symlink_to(tmp_path / "other disk")
    applied = apply(node(LATER))
    assert folder.is_symlink()
    assert "is a symbolic link" in reasons(applied)
    assert applied.problems == ()


def test_a_leftover_that_cannot_be_removed_is_told_and_holds_nothing_up(node, folder):
    stuck = folder.with_name(".20260921.going")
    stuck.write_text("no folder")
    going = folder.with_name(".20260920.going")
    shutil.copytree(folder, going)
    applied = apply(node(LATER))
    [problem] = applied.problems
    assert f"{stuck} cannot be removed" in problem
    assert "Remedy:" in problem
    assert [one.holding.name for one in applied.gone] == [DAY.isoformat()]
    assert not going.exists()


def test_a_day_of_which_nothing_could_be_removed_is_shown_again(node, folder, monkeypatch):
    """Such as one that belongs to another user: it does not vanish while all of it is there."""
    names = sorted(path.name for path in folder.iterdir())

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuse)
        applied = apply(node(LATER))
    [problem] = applied.problems
    assert "Permission denied" in problem
    assert sorted(path.name for path in folder.iterdir()) == names
    assert [one.holding.name for one in apply(node(LATER)).gone] == [DAY.isoformat()]


def stray_folder(folder):
    (folder / "sub").mkdir()
    (folder / "sub/a").write_text("x")
    return folder / "sub"


def linked_segment(folder):
    segment = folder / "0_09_000001.jsonl"
    segment.rename(folder.parent / "elsewhere")
    segment.symlink_to(folder.parent / "elsewhere")
    return segment


@pytest.mark.parametrize(
    "stray",
    ["notes.txt", "0_12_000009.jsonl.bak", "0_11_000007.manifest.json.old", ".notes.txt.swp", stray_folder,
     linked_segment],
)  # fmt: skip
def test_what_is_not_the_collectors_own_keeps_its_day(node, folder, stray):
    """Somebody's file is named, and the day with it stays as it is until it is moved elsewhere."""
    if callable(stray):
        path = stray(folder)
    else:
        path = folder / stray
        path.write_text("somebody's")
    before = sorted(folder.rglob("*"))
    applied = apply(node(LATER))
    assert f"{folder} holds what no program of ours has written: {path.name}" in reasons(applied)
    assert applied.gone == ()
    assert sorted(folder.rglob("*")) == before


def test_what_a_killed_writer_or_restore_left_goes_with_its_day(node, folder):
    for name in (
        "0_09_000001.jsonl.zst.new",
        "0_09_000001.manifest.json.4711.new",
        "0_09_000001.jsonl.restored",
    ):
        (folder / f".{name}").write_text("half")
    assert [one.holding.name for one in apply(node(LATER)).gone] == [DAY.isoformat()]
    assert not folder.exists()


@pytest.mark.parametrize("suffix", [".jsonl.torn", ".jsonl.zst.torn"])
def test_a_torn_file_goes_only_once_it_is_elsewhere(node, closed, folder, target, suffix):
    """It is kept for people: no table has what is in it."""
    torn = folder / f"0_09_000001{suffix}"
    torn.write_bytes(b'{"v":1,"prov')
    alone = apply(node(LATER))
    assert f"{torn.name} is kept for people, and no backup target has it" in reasons(alone)
    assert "have not left the node" in reasons(apply(node(LATER, target=target)))
    ship(closed, target, RealClock())
    assert [one.holding.name for one in apply(node(LATER, target=target)).gone] == [DAY.isoformat()]
    assert [path.read_bytes() for path in target.root.rglob(f"{torn.name}/*")] == [b'{"v":1,"prov']


def test_a_copy_that_somebody_made_of_a_day_is_no_day(node, folder):
    shutil.copytree(folder, folder.with_name("20260918.old"))
    assert date(2026, 9, 18) not in journal_days(node(LATER).paths)
    assert [one.holding.name for one in apply(node(LATER)).gone] == [DAY.isoformat()]
    assert folder.with_name("20260918.old").is_dir()


def test_somebodys_file_in_a_day_of_the_lake_stays(node, closed, target):
    ship(closed, target, RealClock())
    apply(node(LATER, target=target))
    note = closed.lake_day("scalp_trades", DAY).with_name("notes.txt")
    note.write_text("somebody's")
    applied = apply(node(LATER, target=target, lake_days=10))
    [held] = [one for one in applied.plan.held_back if one.holding.subject is Subject.LAKE]
    assert "notes.txt" in held.reasons[0]
    assert note.exists()
    note.unlink()
    assert [one.holding.subject for one in apply(node(LATER, target=target, lake_days=10)).gone] == [
        Subject.LAKE
    ]


def test_tables_and_partitions_that_no_load_has_made_stay_in_postgresql(node, closed, engine):
    """A person's copy under a partition's name, an impossible date, a partition of a year."""
    for statement in (
        "CREATE TABLE observer.scalp_trades_20250102 AS SELECT * FROM observer.scalp_trades",
        "CREATE TABLE observer.scalp_trades_20260231 (x int)",
        "CREATE TABLE observer.scalp_trades_2024 PARTITION OF observer.scalp_trades "
        "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
    ):
        with transaction(engine) as connection:
            connection.execute(sa.text(statement))
    applied = apply(node(LATER, engine=engine))
    gone = [one.holding.name for one in applied.gone if one.holding.subject is Subject.SCALP_TRADES]
    assert (gone, applied.problems) == ([DAY.isoformat()], ())
    [held] = [one for one in applied.plan.held_back if one.holding.name == "scalp_trades_2024"]
    assert "no load has made observer.scalp_trades_2024" in held.reasons[0]
    with transaction(engine) as connection:
        found = connection.execute(sa.text("SELECT count(*) FROM observer.scalp_trades_20250102"))
        assert found.scalar_one() == 1


def test_rows_that_somebody_changed_stay_in_postgresql_until_they_are_loaded_anew(node, closed, engine):
    with transaction(engine) as connection:
        connection.execute(sa.text("UPDATE observer.scalp_trades SET price = 1"))
    plan, _ = look(node(LATER, engine=engine))
    [held] = [one for one in plan.held_back if one.holding.subject is Subject.SCALP_TRADES]
    assert "1 of its rows were changed after their load" in held.reasons[0]
    assert load_table(engine, closed, WarehouseTable.SCALP_TRADES, DAY).changed == ("0_09_000001.jsonl",)
    plan, _ = look(node(LATER, engine=engine))
    assert Subject.SCALP_TRADES in {one.holding.subject for one in plan.going}
