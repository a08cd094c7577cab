"""The journal is counted from its files, whatever process wrote them."""

import json
from datetime import date
from pathlib import Path

from observer.stack.journal_count import JournalCount, Journaled
from observer_core.settings import Paths, PathSettings

DAY = date(2026, 9, 15)
TRADE = '{"v":1,"channel":"H0STCNT0","key":"005930","payload":"_control"}\n'
HOLE = '{"v":1,"channel":"_control","key":"hole","payload":"{}"}\n'
GAP = '{"v":1,"channel":"_control","key":"gap","payload":"{}"}\n'


def scalp(tmp_path: Path) -> Path:
    folder = tmp_path / "assets" / "scalp" / "20260915"
    folder.mkdir(parents=True)
    return folder


def count(tmp_path: Path) -> JournalCount:
    return JournalCount(Paths(PathSettings.load({"OBSERVER_DATA_DIR": str(tmp_path)})))


def test_an_open_segment_is_counted_by_its_whole_lines(tmp_path: Path) -> None:
    """A torn line counts once it is whole."""
    path = scalp(tmp_path) / "0_09_000001.jsonl.open"
    counted = count(tmp_path)
    path.write_text(TRADE + HOLE + TRADE[:20])
    assert counted.of(DAY) == Journaled(records=1, holes=1, gaps=0)
    path.write_text(TRADE + HOLE + TRADE + GAP)
    assert counted.of(DAY) == Journaled(records=2, holes=1, gaps=1)


def test_a_sealed_segment_is_counted_by_its_manifest(tmp_path: Path) -> None:
    """What was open before is not counted twice."""
    folder = scalp(tmp_path)
    opened = folder / "0_09_000001.jsonl.open"
    opened.write_text(TRADE * 3 + HOLE)
    counted = count(tmp_path)
    assert counted.of(DAY).records == 3
    opened.rename(folder / "0_09_000001.jsonl")
    manifest = {"records": 3, "counts": {"H0STCNT0": {"005930": 3}, "_control": {"hole": 1}}}
    (folder / "0_09_000001.manifest.json").write_text(json.dumps(manifest))
    assert counted.of(DAY) == Journaled(records=3, holes=1, gaps=0)
    assert count(tmp_path).of(DAY) == Journaled(records=3, holes=1, gaps=0)


def test_a_day_without_a_journal_holds_nothing(tmp_path: Path) -> None:
    """Before the first line there is no folder."""
    assert count(tmp_path).of(DAY) == Journaled(records=0, holes=0, gaps=0)
