"""Folders are tried as declared, leave nothing behind, and new files are found."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from observer_contracts.evidence.runtime.folders import facts_of, space_of, try_writing, written_since
from observer_contracts.evidence.runtime.observations import FileFacts, Step, Strays
from observer_contracts.evidence.seeing import Unseen

AS_ROOT = os.geteuid() == 0


def test_a_writable_folder_passes_all_four_steps(tmp_path: Path) -> None:
    """Create, fsync, rename and unlink succeed, and nothing is left."""
    attempt = try_writing(str(tmp_path), str(tmp_path))
    assert attempt.succeeded
    assert attempt.reason == "written"
    assert list(tmp_path.iterdir()) == []


def test_two_pods_try_one_volume_at_once(tmp_path: Path) -> None:
    """Both are process 1 of their containers; threads, which share their number, stand for them."""
    with ThreadPoolExecutor(4) as pool:
        attempts = list(pool.map(lambda _: try_writing(str(tmp_path), str(tmp_path)), range(400)))
    assert [attempt.reason for attempt in attempts if not attempt.succeeded] == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_tried_above(tmp_path: Path) -> None:
    """The nearest folder above takes its place, and is named."""
    attempt = try_writing(str(tmp_path / "logs/system"), str(tmp_path))
    assert attempt.succeeded
    assert attempt.tried == str(tmp_path)


def test_nothing_above_the_mount_is_tried(tmp_path: Path) -> None:
    """Without its mount, a folder is not tried somewhere on the root."""
    attempt = try_writing(str(tmp_path / "mount/logs"), str(tmp_path / "mount"))
    assert (attempt.failed, attempt.reason) == (Step.CREATE, "create: ENOENT")
    assert not attempt.refused
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    AS_ROOT, reason="root is refused nothing by permission bits; the container tests refuse it"
)
def test_a_folder_without_permission_refuses(tmp_path: Path) -> None:
    """EACCES is a refusal."""
    tmp_path.chmod(0o555)
    attempt = try_writing(str(tmp_path), str(tmp_path))
    tmp_path.chmod(0o755)
    assert attempt.refused
    assert attempt.failed is Step.CREATE


def test_a_disk_that_fails_is_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC says something about the disk, not about permissions; the file is gone all the same."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    attempt = try_writing(str(tmp_path), str(tmp_path))
    assert (attempt.failed, attempt.out_of_space, attempt.refused) == (Step.FSYNC, True, False)
    assert list(tmp_path.iterdir()) == []


def test_space_is_measured(tmp_path: Path) -> None:
    """Room and inodes are those of the file system."""
    space = space_of(str(tmp_path))
    assert 0 < space.free_bytes <= space.total_bytes
    assert space.free_inodes <= space.total_inodes


def test_mode_and_owner_are_read(tmp_path: Path) -> None:
    """Permission bits without the type of the file; None where there is no file."""
    path = tmp_path / "token_cache.json"
    assert facts_of(str(path)) is None
    path.write_text("{}")
    path.chmod(0o600)
    assert facts_of(str(path)) == FileFacts(str(path), 0o600, os.geteuid())


def test_files_since_an_instant_are_found(tmp_path: Path) -> None:
    """A new file and a new empty folder count, old ones and what is left out do not."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old/kept.txt").write_text("old")
    start = _later()
    (tmp_path / "old/new.txt").write_text("new")
    (tmp_path / "made/empty").mkdir(parents=True)
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/data.jsonl").write_text("{}")
    found = written_since(start, str(tmp_path), {str(tmp_path / "volume")})
    assert isinstance(found, Strays)
    assert found.found == (str(tmp_path / "made/empty"), str(tmp_path / "old/new.txt"))
    assert found.number == 2


def test_a_file_whose_time_was_set_back_is_found(tmp_path: Path) -> None:
    """The change time cannot be set, so a program cannot hide what it wrote."""
    start = _later()
    path = tmp_path / "hidden.txt"
    path.write_text("x")
    os.utime(path, (0, 0))
    found = written_since(start, str(tmp_path), ())
    assert isinstance(found, Strays)
    assert found.found == (str(path),)


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A link to a folder elsewhere is a new file, and is not entered."""
    start = _later()
    (tmp_path / "link").symlink_to("/usr")
    found = written_since(start, str(tmp_path), ())
    assert isinstance(found, Strays)
    assert found.found == (str(tmp_path / "link"),)
    assert found.looked_at == 1


def test_too_many_files_are_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk that was cut short is no evidence that nothing is there."""
    monkeypatch.setattr("observer_contracts.evidence.runtime.folders._MOST_ENTRIES", 2)
    for number in range(4):
        (tmp_path / str(number)).touch()
    found = written_since(0.0, str(tmp_path), ())
    assert isinstance(found, Unseen)
    assert "more than 2 files" in found.reason


def _later() -> float:
    """Returns an instant after which the kernel dates files later than those made so far."""
    time.sleep(0.05)
    return time.time() - 0.01
