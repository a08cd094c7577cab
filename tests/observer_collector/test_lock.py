"""One writer, whatever happens to it."""

import asyncio
import json
import signal
import subprocess
import sys

import pytest

from observer_collector.lock import WriterLock
from observer_core.clock import RealClock
from observer_core.errors import StorageError
from observer_core.settings import PodSettings

HOLDER = """
import sys, time
from pathlib import Path
from observer_collector.lock import WriterLock
from observer_core.clock import RealClock
from observer_core.settings import PodSettings
lock = WriterLock([Path(sys.argv[1])], PodSettings.load({"POD_NAME": "the-other"}), RealClock())
print(lock.try_acquire(), flush=True)
time.sleep(600)
"""


def other_process(path):
    """Starts a process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "True"
    return process


@pytest.fixture
def lock(tmp_path):
    return WriterLock([tmp_path / "locks" / "key.lock"], PodSettings.load({"POD_NAME": "mine"}), RealClock())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_the_lock_moves_to_the_next_process_when_its_holder_ends(lock, number):
    """Two real processes: the second waits, knows whom for, and takes over by itself."""
    assert lock.try_acquire()
    lock.release()
    process = other_process(lock._paths[0])
    try:
        assert not lock.try_acquire()
        assert not lock.held
        assert (lock.holder()["name"], lock.holder()["pid"]) == ("the-other", process.pid)
        waiting = asyncio.ensure_future(lock.acquire())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        process.send_signal(number)
        await asyncio.wait_for(waiting, 10)
        assert lock.held
        assert lock.holder()["name"] == "mine"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        lock.release()


def test_a_release_lets_somebody_else_in(lock, tmp_path):
    second = WriterLock(lock._paths, PodSettings.load({"POD_NAME": "second"}), RealClock())
    assert lock.try_acquire()
    assert lock.try_acquire()
    assert not second.try_acquire()
    lock.release()
    assert second.try_acquire()
    second.release()


def test_what_the_file_says_is_for_people_only(lock):
    """A file with the name of a process that is gone, or with nothing readable, does not matter."""
    lock._paths[0].parent.mkdir()
    lock._paths[0].write_text(json.dumps({"name": "dead", "pid": 1, "since": "2026-01-01"}))
    assert lock.holder()["name"] == "dead"
    assert lock.try_acquire()
    lock.release()
    lock._paths[0].write_text("{")
    assert lock.holder() == {}


def test_a_lock_that_cannot_be_made_is_an_error(lock):
    lock._paths[0].parent.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="lock"):
        lock.try_acquire()


def test_two_app_keys_do_not_write_one_shard(tmp_path):
    """A key that is being replaced stands by until the old one's process has ended."""

    def writer(key: str) -> WriterLock:
        paths = [tmp_path / "locks" / f"collector-{key}.lock", tmp_path / "locks" / "shard-0.lock"]
        return WriterLock(paths, PodSettings.load({"POD_NAME": key}), RealClock())

    old, new = writer("old"), writer("new")
    assert old.try_acquire()
    assert not new.try_acquire()
    assert not new.held
    assert new.holder()["name"] == "old"
    # What the refused one had locked on the way is free again.
    assert not writer("new").try_acquire()
    old.release()
    assert new.try_acquire()
    assert new.holder()["name"] == "new"
    new.release()
