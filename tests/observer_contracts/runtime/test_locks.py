"""The kernel's lock decides who writes; looking at it disturbs nobody."""

import fcntl
import subprocess
from collections.abc import Callable
from pathlib import Path

from observer_contracts.evidence.runtime.locks import lock_files

HoldLock = Callable[[Path], subprocess.Popen[str]]
SAID = '{"name": "observer-0", "pid": 1, "since": "2026-11-23T08:00:00+09:00"}'


def test_a_held_lock_is_told_with_its_holder(tmp_path: Path, hold_lock: HoldLock) -> None:
    """Held by another process, and the file says by whom."""
    path = tmp_path / "collector-0a1b.lock"
    path.write_text(SAID)
    hold_lock(path)
    [found] = lock_files(tmp_path, "collector-0a1b.lock")
    assert (found.held, found.own, found.holder) == (True, True, "observer-0")
    assert found.since == "2026-11-23T08:00:00+09:00"


def test_a_lock_of_a_killed_holder_is_free(tmp_path: Path, hold_lock: HoldLock) -> None:
    """The kernel releases it, whatever the file still says."""
    path = tmp_path / "collector-0a1b.lock"
    path.write_text(SAID)
    holder = hold_lock(path)
    holder.kill()
    holder.wait()
    [found] = lock_files(tmp_path, "")
    assert (found.held, found.own, found.holder) == (False, False, "observer-0")


def test_looking_leaves_the_lock_free(tmp_path: Path) -> None:
    """Afterwards a writer gets it at once."""
    path = tmp_path / "collector-0a1b.lock"
    path.write_text(SAID)
    lock_files(tmp_path, "")
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_file_that_says_nonsense_has_no_holder(tmp_path: Path) -> None:
    """What stands in the file is for people only."""
    (tmp_path / "collector-0a1b.lock").write_text("[1")
    (tmp_path / "collector-2c3d.lock").write_text("[1]")
    (tmp_path / "lake-20261123.lock").write_text(SAID)
    assert [(found.holder, found.held) for found in lock_files(tmp_path, "")] == [("", False), ("", False)]


def test_no_folder_has_no_locks(tmp_path: Path) -> None:
    """Before the first start there is none."""
    assert lock_files(tmp_path / "locks", "") == ()
