"""Whole-file writes are all or nothing."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from observer_core.files import create_atomically, write_atomically


def test_content_and_mode_are_as_asked(tmp_path: Path) -> None:
    """A token cache is readable by its owner only."""
    path = tmp_path / "new folder" / "cache.json"
    write_atomically(path, b"one", mode=0o600)
    write_atomically(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_failed_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a half file nor a temporary one stays behind."""
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_file_that_is_there_is_not_replaced_by_creating_it(tmp_path):
    path = tmp_path / "folder" / "file"
    assert create_atomically(path, b"first") is True
    assert create_atomically(path, b"second") is False
    assert path.read_bytes() == b"first"
    assert [one.name for one in path.parent.iterdir()] == ["file"]


def test_writers_that_share_a_process_number_do_not_meet(tmp_path):
    """Two pods on one volume are process 1 each; threads stand for them here."""
    path, contents = tmp_path / "file", [bytes([65 + number]) * 100_000 for number in range(4)]

    def write_often(content):
        for _ in range(25):
            write_atomically(path, content)
            assert path.read_bytes() in contents

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_often, contents))
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
