"""`observer lake verify`: each file of a closed day against what its receipt tells."""

import json
import shutil
from datetime import date

import pytest

from observer.__main__ import main
from observer_core.lake.compaction import close_day
from observer_core.settings import Paths, PathSettings

from ...observer_core.lake.conftest import HandWrittenJournal  # noqa: TID252 - no absolute name reaches a test

DAY = HandWrittenJournal.day


@pytest.fixture
def paths(tmp_path, monkeypatch) -> Paths:
    """A node with one closed day of trades and books, and a receipt that is none of a day."""
    for variable in ("DATA", "LOG", "CONFIG", "SNAPSHOT"):
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(f"OBSERVER_{variable}_DIR", str(tmp_path / variable))
    made = Paths(PathSettings.load())
    journal = HandWrittenJournal(made.data)
    journal.segment([journal.trade(), journal.line("H0STASP0", "005930", journal.book_62)])
    close_day(made, DAY)
    (made.lake / "receipts/date=copy.json").write_text("{}")
    return made


def verify(capsys, *days: str) -> tuple[int, list[str]]:
    capsys.readouterr()
    status = main(["lake", "verify", *days])
    return status, capsys.readouterr().out.splitlines()


def test_files_that_are_what_was_published_are_counted(paths, capsys):
    assert verify(capsys) == (0, ["2 whole, 0 damaged, 0 missing, 0 untold"])
    assert verify(capsys, DAY.isoformat()) == (0, ["2 whole, 0 damaged, 0 missing, 0 untold"])


def test_a_flipped_bit_a_lost_file_and_a_receipt_of_an_earlier_version_are_told(paths, capsys):
    trades, books = paths.lake_day("scalp_trades", DAY), paths.lake_day("scalp_quotes", DAY)
    content = bytearray(trades.read_bytes())
    content[len(content) // 2] ^= 1
    trades.write_bytes(content)
    shutil.move(books, paths.data / "elsewhere")
    assert verify(capsys) == (
        1,
        [f"damaged   {trades}", f"missing   {books}", "0 whole, 1 damaged, 1 missing, 0 untold"],
    )
    receipt = json.loads(paths.lake_day_receipt(DAY).read_text())
    paths.lake_day_receipt(DAY).write_text(json.dumps({**receipt, "files": {}}))
    assert verify(capsys) == (
        0,
        [f"untold    {trades}", "0 whole, 0 damaged, 0 missing, 1 untold"],
    )


def test_a_day_that_is_not_closed_is_said_to_be_open(paths, capsys):
    status, told = verify(capsys, date(2026, 9, 23).isoformat())
    assert (status, told[0]) == (0, "open      2026-09-23: its files are compared once it is closed")


def test_a_data_folder_is_enough(paths, capsys, monkeypatch, tmp_path):
    """As for `observer sql`: who looks into a copy has no deployment."""
    monkeypatch.delenv("OBSERVER_LOG_DIR")
    capsys.readouterr()
    assert main(["lake", "verify", "--data", str(paths.data)]) == 0
    assert capsys.readouterr().out.splitlines() == ["2 whole, 0 damaged, 0 missing, 0 untold"]
    assert main(["lake", "verify", "--data", str(tmp_path)]) != 0
    assert "Name the data folder of a deployment with --data" in capsys.readouterr().err
