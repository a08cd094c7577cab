"""A process that the kernel kills in the middle of a step: nothing of it runs on, not even a `finally`.

`test_publishing.py` stops at each step by an exception; here the steps are fewer and the end is a real one.
"""

import shutil
import signal
import subprocess
import sys

import pytest

from observer_core.lake.compaction import build_bars, close_day, compact_hour, hours_to_compact, is_closed
from observer_core.lake.readers import scan
from observer_core.lake.schemas import JOURNAL_TABLES, SCHEMAS, Table

TABLES = (*JOURNAL_TABLES, Table.BARS_1M)

# Kills itself before its n-th change of the lake, in the midst of that change, or after it.
VICTIM = """
import os, signal, sys
from datetime import date
from observer_core.lake.compaction import close_day, compact_hour
from observer_core.lake.storage import LakeStorage
from observer_core.settings import Paths, PathSettings

folder, day, action, left, where = sys.argv[1], date.fromisoformat(sys.argv[2]), *sys.argv[3:]
left = int(left)

class Fatal(LakeStorage):
    def _step(self, change, *arguments):
        global left
        left -= 1
        if left == 0 and where == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        change(*arguments)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def publish(self, source, target):
        self._step(super().publish, source, target)

    def write(self, target, content):
        self._step(super().write, target, content)

    def remove(self, path):
        self._step(super().remove, path)

paths = Paths(PathSettings.load({"OBSERVER_DATA_DIR": folder, "OBSERVER_SNAPSHOT_DIR": folder}))
if action == "compact":
    compact_hour(paths, day, 10, storage=Fatal())
else:
    close_day(paths, day, storage=Fatal())
"""


def content(paths, day):
    """Returns what a reader sees: for each table the identities of its rows, none twice."""
    seen = {}
    for table in TABLES:
        rows = scan(paths, table, day).select(SCHEMAS[table].unique_key).collect().rows()
        assert len(rows) == len(set(rows)), f"a reader sees a row of {table} twice"
        seen[table] = frozenset(rows)
    return seen


def write(journal, hour, sequence=1):
    lines = [
        journal.trade(
            journal.changed(journal.trade_47, p1=f"{hour:02d}00{n:02d}", p13=10_000 * hour + sequence + n)
        )
        for n in range(5)
    ]
    book = journal.line("H0STASP0", "005930", journal.book_62)
    journal.segment(
        [*lines, book, journal.trade("bad"), journal.control("gap")], hour=hour, sequence=sequence
    )


def kill(paths, day, action: str, step: int, where: str) -> int:
    words = [sys.executable, "-c", VICTIM, str(paths.data), day.isoformat(), action, str(step), where]
    return subprocess.run(words, check=False, capture_output=True, timeout=100).returncode


# Of the hour: its files, then the receipt. Of the close: the day's files, its receipt, then the hours go.
DEATHS = [
    ("compact", 1, "before"), ("compact", 2, "after"), ("compact", 5, "before"),
    ("close", 2, "before"), ("close", 5, "after"), ("close", 7, "after"),
]  # fmt: skip


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: " ".join(map(str, death)))
def test_what_a_killed_process_leaves_is_read_and_finished_by_the_next(paths, journal, tmp_path, death):
    """Each table is old or new, never both or half; the next run does not wait for the dead one's lock."""
    action, step, where = death
    day, before = journal.day, tmp_path / "before"
    write(journal, 9)
    compact_hour(paths, day, 9)
    build_bars(paths, day)
    write(journal, 10)
    if action == "close":
        compact_hour(paths, day, 10)
    old = content(paths, day)
    shutil.copytree(paths.lake, before)
    finish(paths, day, action)
    new = content(paths, day)
    shutil.rmtree(paths.lake)
    shutil.copytree(before, paths.lake)

    assert kill(paths, day, action, step, where) == -signal.SIGKILL
    seen = content(paths, day)
    assert all(seen[table] in (old[table], new[table]) for table in TABLES)
    finish(paths, day, action)
    assert content(paths, day) == new
    assert not list((paths.lake / ".work").glob("*/*"))


def finish(paths, day, action):
    """Does what the next run does: the hours that are not done, or the close."""
    if action == "compact":
        for hour in hours_to_compact(paths, day):
            compact_hour(paths, day, hour)
        return
    close_day(paths, day)
    assert is_closed(paths, day)
    assert not list((paths.lake / "open").rglob("*.parquet"))
