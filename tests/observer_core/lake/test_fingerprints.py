"""A stored file is relied on only if it is, byte for byte, what was published; no row is lost on the way."""

import hashlib
import json
import shutil

import pytest
from dying_storage import DyingStorage, Killed

from observer_core.errors import StorageError
from observer_core.lake.compaction import close_day, compact_hour, hours_to_compact, receipts
from observer_core.lake.parquet import read_rows, row_count
from observer_core.lake.readers import scan, table_files
from observer_core.lake.schemas import SCHEMAS, Table


def write(journal, sequence, *, hour=9, rows=5, spoil=None):
    """Writes a segment of trades, each told apart by its cumulative volume, and a book."""
    trades = [
        journal.trade(journal.changed(journal.trade_47, p1=f"{hour:02d}0{n:03d}", p13=10_000 * sequence + n))
        for n in range(rows)
    ]
    book = journal.line("H0STASP0", "005930", journal.book_62)
    return journal.segment([*trades, book], hour=hour, sequence=sequence, spoil=spoil)


def leaves(segment):
    """Lets a segment and its manifest leave the journal."""
    segment.unlink()
    segment.with_name(f"{segment.stem}.manifest.json").unlink()


def finish(paths, day, *, closed):
    if closed:
        close_day(paths, day)
    else:
        compact_hour(paths, day, 9)


def receipt_file(paths, day, *, closed):
    return paths.lake_day_receipt(day) if closed else paths.lake_hour_receipt(day, 9)


def as_an_earlier_version_wrote_it(receipt):
    content = json.loads(receipt.read_bytes())
    del content["files"]
    receipt.write_text(json.dumps(content))


def segments_in_lake(paths, day, table=Table.SCALP_TRADES):
    """Returns segment -> rows that a reader sees."""
    return dict(scan(paths, table, day).group_by("segment").len().sort("segment").collect().rows())


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("closed", [False, True])
def test_a_receipt_tells_the_bytes_of_each_file_that_was_published(paths, journal, closed):
    write(journal, 1)
    finish(paths, journal.day, closed=closed)
    told = json.loads(receipt_file(paths, journal.day, closed=closed).read_bytes())["files"]
    tables = (Table.SCALP_TRADES, Table.SCALP_QUOTES)
    contents = {table: table_files(paths, table, journal.day)[0].read_bytes() for table in tables}
    assert told == {
        table: [{"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}]
        for table, content in contents.items()
    }


@pytest.mark.parametrize("closed", [False, True])
def test_rows_of_a_segment_that_has_left_the_journal_stay_when_a_late_one_comes(paths, journal, closed):
    first = write(journal, 1)
    finish(paths, journal.day, closed=closed)
    leaves(first)
    write(journal, 2, rows=3)
    assert hours_to_compact(paths, journal.day) == [9]
    compact_hour(paths, journal.day, 9)
    assert segments_in_lake(paths, journal.day) == {"0_09_000001.jsonl": 5, "0_09_000002.jsonl": 3}
    assert receipts(paths, journal.day)[9].rows == {"scalp_quotes": 2, "scalp_trades": 8}
    close_day(paths, journal.day)
    assert segments_in_lake(paths, journal.day) == {"0_09_000001.jsonl": 5, "0_09_000002.jsonl": 3}
    assert close_day(paths, journal.day).rows["scalp_trades"] == 8


def test_an_hour_whose_segments_have_all_left_stays_as_it_is(paths, journal):
    leaving = write(journal, 1)
    compact_hour(paths, journal.day, 9)
    leaves(leaving)
    assert compact_hour(paths, journal.day, 9).files == ()
    assert segments_in_lake(paths, journal.day) == {"0_09_000001.jsonl": 5}
    assert close_day(paths, journal.day).rows["scalp_trades"] == 5


def test_rows_that_are_neither_in_the_journal_nor_in_the_lake_are_told_as_lost(paths, journal):
    first = write(journal, 1)
    compact_hour(paths, journal.day, 9)
    leaves(first)
    write(journal, 2)
    paths.lake_hour(Table.SCALP_TRADES, journal.day, 9).unlink()
    with pytest.raises(StorageError, match=r"rows of 0_09_000001\.jsonl are lost") as raised:
        compact_hour(paths, journal.day, 9)
    assert str(paths.lake_hour_receipt(journal.day, 9)) in raised.value.remedy
    paths.lake_hour_receipt(journal.day, 9).unlink()
    paths.lake_hour(Table.SCALP_QUOTES, journal.day, 9).unlink()
    compact_hour(paths, journal.day, 9)
    assert segments_in_lake(paths, journal.day) == {"0_09_000002.jsonl": 5}


def test_a_lost_receipt_of_an_hour_loses_no_row_of_it(paths, journal):
    """The file names its segments itself; what only the receipt could vouch for is not vouched for."""
    first = write(journal, 1)
    compact_hour(paths, journal.day, 9)
    leaves(first)
    paths.lake_hour_receipt(journal.day, 9).unlink()
    write(journal, 2)
    close_day(paths, journal.day)
    assert segments_in_lake(paths, journal.day) == {"0_09_000001.jsonl": 5, "0_09_000002.jsonl": 5}
    assert json.loads(paths.lake_day_receipt(journal.day).read_bytes())["files"] == {}


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_damaged_file_is_merged_into_no_other(paths, journal, closed, part):
    first = write(journal, 1)
    finish(paths, journal.day, closed=closed)
    leaves(first)
    [file] = table_files(paths, Table.SCALP_TRADES, journal.day)
    flip(file, int(file.stat().st_size * part))
    damaged = file.read_bytes()
    write(journal, 2)
    with pytest.raises(StorageError, match=str(file)):
        compact_hour(paths, journal.day, 9)
    assert file.read_bytes() == damaged
    assert [source.segment for source in receipts(paths, journal.day)[9].sources] == ["0_09_000001.jsonl"]


def test_a_damaged_hour_is_merged_into_no_day(paths, journal):
    write(journal, 1)
    compact_hour(paths, journal.day, 9)
    file = paths.lake_hour(Table.SCALP_TRADES, journal.day, 9)
    flip(file, file.stat().st_size // 2)
    with pytest.raises(StorageError, match=str(file)):
        close_day(paths, journal.day)
    assert not paths.lake_day_receipt(journal.day).exists()


def test_a_damaged_hour_is_made_anew_while_the_journal_has_it(paths, journal):
    write(journal, 1)
    compact_hour(paths, journal.day, 9)
    file = paths.lake_hour(Table.SCALP_TRADES, journal.day, 9)
    whole = file.read_bytes()
    file.write_bytes(whole[:50])
    compact_hour(paths, journal.day, 9)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("closed", [False, True])
def test_no_file_is_taken_for_damaged_because_a_run_was_killed(paths, journal, tmp_path, closed):
    """Wherever the merge of a late segment dies, the next one goes on from the files that are there."""
    leaving = write(journal, 1)
    finish(paths, journal.day, closed=closed)
    leaves(leaving)
    shutil.copytree(paths.lake, tmp_path / "before")
    write(journal, 2)
    compact_hour(paths, journal.day, 9)
    receipt = receipt_file(paths, journal.day, closed=closed)
    final = receipt.read_bytes()
    step = 0
    while True:
        step += 1
        shutil.rmtree(paths.lake)
        shutil.copytree(tmp_path / "before", paths.lake)
        try:
            compact_hour(paths, journal.day, 9, storage=DyingStorage(step, after=True))
        except Killed:
            # A third one comes before anybody went on, and dies as well.
            third = write(journal, 3)
            with pytest.raises(Killed):
                compact_hour(paths, journal.day, 9, storage=DyingStorage(2, after=True))
            leaves(third)
            compact_hour(paths, journal.day, 9)
            assert segments_in_lake(paths, journal.day)["0_09_000001.jsonl"] == 5
            assert segments_in_lake(paths, journal.day)["0_09_000002.jsonl"] == 5
        else:
            break
    assert step > 4
    assert receipt.read_bytes() == final


def test_an_hour_whose_receipt_is_of_an_earlier_version_is_made_anew(paths, journal):
    write(journal, 1)
    compact_hour(paths, journal.day, 9)
    receipt = paths.lake_hour_receipt(journal.day, 9)
    now = receipt.read_bytes()
    as_an_earlier_version_wrote_it(receipt)
    assert hours_to_compact(paths, journal.day) == [9]
    compact_hour(paths, journal.day, 9)
    assert receipt.read_bytes() == now
    assert hours_to_compact(paths, journal.day) == []


@pytest.mark.parametrize("closed", [False, True])
def test_a_file_that_nobody_vouches_for_is_merged_and_the_new_one_is_not_vouched_for(paths, journal, closed):
    leaving = write(journal, 1)
    finish(paths, journal.day, closed=closed)
    leaves(leaving)
    receipt = receipt_file(paths, journal.day, closed=closed)
    as_an_earlier_version_wrote_it(receipt)
    write(journal, 2)
    compact_hour(paths, journal.day, 9)
    assert segments_in_lake(paths, journal.day) == {"0_09_000001.jsonl": 5, "0_09_000002.jsonl": 5}
    assert json.loads(receipt.read_bytes())["files"] == {}
    assert hours_to_compact(paths, journal.day) == []
    close_day(paths, journal.day)
    assert json.loads(paths.lake_day_receipt(journal.day).read_bytes())["files"] == {}


def test_a_file_that_nobody_vouches_for_and_that_is_damaged_is_named(paths, journal):
    leaving = write(journal, 1)
    close_day(paths, journal.day)
    leaves(leaving)
    as_an_earlier_version_wrote_it(paths.lake_day_receipt(journal.day))
    file = paths.lake_day(Table.SCALP_TRADES, journal.day)
    for place in range(200, 260):
        flip(file, place)
    write(journal, 2)
    with pytest.raises(StorageError, match=str(file)):
        compact_hour(paths, journal.day, 9)


@pytest.mark.parametrize("closed", [False, True])
def test_a_segment_that_was_damaged_is_taken_in_once_it_is_restored(paths, journal, closed):
    """As the docs say: the file alone is put back, and its manifest was right all the time."""
    segment = write(journal, 1, spoil=lambda content: content.replace(b"H0STCNT0", b"H0STCNTX", 2))
    finish(paths, journal.day, closed=closed)
    assert segments_in_lake(paths, journal.day) == {"0_09_000001.jsonl": 3}
    assert hours_to_compact(paths, journal.day) == []
    segment.write_bytes(segment.read_bytes().replace(b"H0STCNTX", b"H0STCNT0"))
    assert hours_to_compact(paths, journal.day) == [9]
    compact_hour(paths, journal.day, 9)
    assert segments_in_lake(paths, journal.day) == {"0_09_000001.jsonl": 5}
    assert hours_to_compact(paths, journal.day) == []
    assert not paths.quarantine_file(journal.day, "0_09_000001.jsonl").exists()


def test_whatever_a_flipped_bit_does_to_a_file_the_error_names_it(paths, journal):
    """Arrow and polars raise many kinds, one of them no Exception; and a page's damage is noticed."""
    write(journal, 1, rows=50)
    compact_hour(paths, journal.day, 9)
    file = paths.lake_hour(Table.SCALP_TRADES, journal.day, 9)
    whole = file.read_bytes()
    raised = []
    for place in range(4, len(whole) - 4, len(whole) // 60):
        flip(file, place)
        try:
            row_count(file)
            for _ in read_rows(file, SCHEMAS[Table.SCALP_TRADES]):
                pass
        except StorageError as error:
            raised.append(error.message)
        file.write_bytes(whole)
    assert len(raised) > 20
    assert all(str(file) in message for message in raised)
