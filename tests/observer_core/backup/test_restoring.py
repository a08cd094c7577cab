"""What comes back, and what is refused."""

import json
import shutil
from datetime import date

import pytest

from observer_core.backup.ledger import open_ledger
from observer_core.backup.objects import file_of, key_of
from observer_core.backup.ownership import Purpose
from observer_core.backup.restoring import restore_files
from observer_core.backup.shipping import ship
from observer_core.backup.verifying import verify
from observer_core.errors import BackupTargetError, StorageError
from observer_core.journal import sealed_segments
from observer_core.journal.content import compress

from .conftest import make_paths


@pytest.fixture
def new_node(tmp_path):
    return make_paths(tmp_path / "new node")


def names(paths) -> set[str]:
    return {
        path.name
        for root in (paths.data, paths.settings.snapshot_dir)
        for path in root.rglob("*")
        if path.is_file()
    }


def test_without_its_catalogue_a_target_still_gives_everything_back(day_of_data, new_node, folder, clock):
    """The names of the objects tell what each of them is."""
    ship(day_of_data, folder, clock)
    shutil.rmtree(folder.root / "catalogue")
    done = restore_files(new_node, folder)
    assert (done.restored, done.faults) == (14, [])


def test_a_folder_or_bucket_that_is_no_backup_is_refused(day_of_data, new_node, target, clock):
    """A wrong target is a fault and not a success of zero files, and nothing is written there."""
    with pytest.raises(BackupTargetError, match="is no backup of Observer"):
        restore_files(new_node, target)
    with pytest.raises(BackupTargetError, match="is no backup of Observer"):
        verify(new_node, target, thorough=True)
    assert list(target.listing("")) == []
    ship(day_of_data, target, clock)
    assert verify(new_node, target, thorough=True).faults == ()


def test_a_target_that_nothing_has_left_for_gives_nothing_and_says_so(new_node, folder):
    """Its `target.json` alone is no backup."""
    open_ledger(make_paths(new_node.data.parent / "another"), folder, Purpose.SHIP)
    assert [fault.path for fault in restore_files(new_node, folder).faults] == ["files"]
    seen = verify(new_node, folder, thorough=False)
    assert (seen.objects, [fault.path for fault in seen.faults]) == (0, ["catalogue"])


def test_of_two_contents_without_a_catalogue_neither_is_guessed(day_of_data, new_node, folder, clock):
    ship(day_of_data, folder, clock)
    day_of_data.universe(date(2026, 9, 22)).write_bytes(b'{"format":1,"later":true}')
    ship(day_of_data, folder, clock)
    with_catalogue = restore_files(make_paths(new_node.data.parent / "first"), folder)
    assert with_catalogue.faults == []
    shutil.rmtree(folder.root / "catalogue")
    done = restore_files(new_node, folder)
    assert [fault.path for fault in done.faults] == ["universe/20260922_kr_stocks.json"]
    assert "20260922_kr_stocks.json" not in names(new_node)


def test_the_content_that_left_last_comes_back(day_of_data, new_node, target, clock):
    ship(day_of_data, target, clock)
    day_of_data.universe(date(2026, 9, 22)).write_bytes(b'{"format":1,"later":true}')
    ship(day_of_data, target, clock)
    restore_files(new_node, target)
    assert new_node.universe(date(2026, 9, 22)).read_bytes() == b'{"format":1,"later":true}'


def test_days_before_a_date_can_be_left_out(day_of_data, new_node, folder, clock):
    ship(day_of_data, folder, clock)
    done = restore_files(new_node, folder, since=date(2026, 9, 23))
    assert done.restored == 1, "the counter of epochs belongs to no day"
    assert (new_node.data / "assets/scalp/epochs-0.json").exists()


def test_a_restore_may_be_repeated_and_replaces_nothing(day_of_data, new_node, folder, clock):
    ship(day_of_data, folder, clock)
    universe = new_node.universe(date(2026, 9, 22))
    universe.write_bytes(b"written by somebody else")
    first = restore_files(new_node, folder)
    assert [fault.path for fault in first.faults] == ["universe/20260922_kr_stocks.json"]
    again = restore_files(new_node, folder)
    # The counter of epochs has been moved on, and is not moved again.
    assert (again.restored, again.present) == (0, 12)
    epochs = json.loads((new_node.data / "assets/scalp/epochs-0.json").read_text())
    assert epochs["last"] == 1007
    assert universe.read_bytes() == b"written by somebody else"


def test_a_segment_that_was_compressed_meanwhile_is_there(paths, journal, folder, clock):
    segment = journal.segment([journal.trade()], hour=9)
    ship(paths, folder, clock)
    compress(sealed_segments(segment.parent)[0])
    done = restore_files(paths, folder)
    assert (done.restored, done.present, done.faults) == (0, 2, [])


@pytest.mark.parametrize(
    "path", ["data/../../etc/passwd", "/etc/passwd", "cache/token", "data", "lake/a/../../../x", "data/a\0b"]
)
def test_a_catalogue_cannot_lead_out_of_the_deployments_folders(paths, path):
    with pytest.raises(StorageError, match="no path of ours"):
        file_of(paths, path)


def test_a_hostile_object_is_named_and_written_nowhere(day_of_data, new_node, folder, clock):
    ship(day_of_data, folder, clock)
    hostile = folder.root / key_of("cache/token_cache.json", "0" * 64)
    hostile.parent.mkdir(parents=True)
    hostile.write_bytes(b"token")
    done = restore_files(new_node, folder)
    assert [fault.path for fault in done.faults] == ["cache/token_cache.json"]
    assert "token_cache.json" not in names(new_node)
