"""What leaves the node, to a folder and to a bucket of a server that checks keys and signatures."""

import json
import os
import shutil

import pytest

from observer_core.backup.objects import Kind
from observer_core.backup.opening import require_target
from observer_core.backup.outcome import Outcome, note_dump, note_shipment, read_outcome
from observer_core.backup.shipping import ship, standing
from observer_core.backup.verifying import verify
from observer_core.errors import BackupTargetError, ConfigurationError
from observer_core.journal import sealed_segments
from observer_core.journal.content import compress
from observer_core.lake.compaction import close_day
from observer_core.settings import BackupSettings

HOUR_NS = 3600 * 10**9


def keys(target) -> set[str]:
    return {stored.key for stored in target.listing("files/")}


def paths_of(target) -> set[str]:
    return {key.removeprefix("files/").rpartition("/")[0] for key in keys(target)}


def contents(target, key) -> bytes:
    with target.open(key) as source:
        return source.read()


def test_everything_sealed_leaves_once_and_arrives_whole(day_of_data, target, clock):
    shipped = ship(day_of_data, target, clock)
    assert paths_of(target) == {
        "data/assets/scalp/20260922/0_09_000001.jsonl",
        "data/assets/scalp/20260922/0_09_000001.manifest.json",
        "data/assets/scalp/20260922/0_09_000001.jsonl.torn",
        "data/assets/scalp/epochs-0.json",
        "data/assets/swing/20260922/0-swing_09_000001.jsonl",
        "data/assets/swing/20260922/0-swing_09_000001.manifest.json",
        "data/quarantine/20260922/0_09_000001.jsonl",
        "data/reference/kis-master/20260922/kospi_code.mst.zip",
        "data/symbols/symbols_20260922.json",
        "universe/20260922_kr_stocks.json",
        "lake/bars_1m/date=2026-09-22/day.parquet",
        "lake/scalp_trades/date=2026-09-22/day.parquet",
        "lake/swing_snapshots/date=2026-09-22/day.parquet",
        "lake/receipts/date=2026-09-22.json",
    }
    assert (shipped.sent, shipped.found, shipped.faults) == (14, 0, ())
    segment = day_of_data.data / "assets/scalp/20260922/0_09_000001.jsonl"
    manifest = json.loads(segment.with_suffix(".manifest.json").read_text())
    key = f"files/data/assets/scalp/20260922/0_09_000001.jsonl/{manifest['sha256']}"
    assert contents(target, key) == segment.read_bytes()
    again = ship(day_of_data, target, clock)
    assert (again.sent, again.found, again.files) == (0, 0, 14)


def test_no_secret_leaves(day_of_data, target, clock):
    ship(day_of_data, target, clock)
    everything = [
        contents(target, one.key) for prefix in ("files/", "catalogue/") for one in target.listing(prefix)
    ]
    assert everything
    assert not any(b"very secret" in content for content in everything)


def test_the_first_to_leave_is_the_journal_and_a_manifest_follows_its_segment(day_of_data, folder, clock):
    order = []
    put = folder.put
    folder.put = lambda key, source: (order.append(key), put(key, source))
    ship(day_of_data, folder, clock)
    names = [key.split("/")[-2] for key in order if key.startswith("files/")]
    assert names.index("0_09_000001.jsonl") < names.index("0_09_000001.manifest.json")
    assert all("assets" in key for key in order[2:8])


def test_a_replaced_file_leaves_again_and_its_older_content_stays(day_of_data, journal, target, clock):
    ship(day_of_data, target, clock)
    before = keys(target)
    journal.segment([journal.trade()], hour=11, sequence=3)
    close_day(day_of_data, journal.day)
    ship(day_of_data, target, clock)
    assert before < keys(target)
    trades = [key for key in keys(target) if "/scalp_trades/" in key]
    assert len(trades) == 2


def test_a_run_that_was_killed_is_made_up_for_without_sending_twice(day_of_data, target, clock):
    """The target goes away after three files; what had arrived is recognised by its content."""
    put, sent = target.put, []

    def failing(key, source):
        if len(sent) == 5:
            raise KeyboardInterrupt
        sent.append(key)
        put(key, source)

    target.put = failing
    with pytest.raises(KeyboardInterrupt):
        ship(day_of_data, target, clock)
    del target.put
    shutil.rmtree(day_of_data.backup)
    resumed = ship(day_of_data, target, clock)
    assert (resumed.sent, resumed.found) == (14 - 3, 3)
    assert verify(day_of_data, target, thorough=True).faults == ()


def test_half_an_object_at_the_target_is_replaced(day_of_data, folder, clock):
    """As a target leaves it that lost power: the right name, half of the content, nothing entered."""
    ship(day_of_data, folder, clock)
    shutil.rmtree(day_of_data.backup)
    shutil.rmtree(folder.root / "catalogue")
    [segment] = (folder.root / "files/data/assets/scalp/20260922/0_09_000001.jsonl").iterdir()
    os.truncate(segment, 10)
    again = ship(day_of_data, folder, clock)
    assert (again.sent, again.found) == (1, 13)
    assert verify(day_of_data, folder, thorough=True).faults == ()


def test_a_damaged_segment_stays_and_is_named(paths, journal, folder, clock):
    """Its manifest knows what it was; the rest leaves all the same."""
    journal.segment([journal.trade()], hour=9, spoil=lambda content: content.replace(b"277750", b"277751", 1))
    journal.segment([journal.trade()], hour=10, sequence=2)
    shipped = ship(paths, folder, clock)
    assert [fault.path for fault in shipped.faults] == ["data/assets/scalp/20260922/0_09_000001.jsonl"]
    assert "data/assets/scalp/20260922/0_10_000002.jsonl" in paths_of(folder)
    assert "data/assets/scalp/20260922/0_09_000001.jsonl" not in paths_of(folder)


def test_damage_on_the_node_never_reaches_what_has_left(day_of_data, folder, clock):
    ship(day_of_data, folder, clock)
    lake = next(day_of_data.lake.glob("scalp_trades/*/day.parquet"))
    lake.write_bytes(b"rubbish")
    ship(day_of_data, folder, clock)
    versions = list((folder.root / "files/lake/scalp_trades/date=2026-09-22/day.parquet").iterdir())
    assert sorted(len(path.read_bytes()) > 100 for path in versions) == [False, True]


def test_what_has_not_left_within_the_hour_is_overdue(day_of_data, folder, clock):
    now = clock.now_ns()
    early = standing(day_of_data, folder, now)
    assert (len(early.waiting), early.overdue) == (14, ())
    late = standing(day_of_data, folder, now + HOUR_NS + 10**9)
    assert len(late.overdue) == 14
    ship(day_of_data, folder, clock)
    done = standing(day_of_data, folder, now + HOUR_NS + 10**9)
    assert (done.left, done.waiting, done.overdue) == (14, (), ())
    assert done.last_left_ns >= now


def test_a_segment_waits_from_its_seal_on_and_not_from_its_last_line(paths, journal, folder, clock):
    segment = journal.segment([journal.trade()], hour=9)
    hours_ago = clock.now_ns() - 3 * HOUR_NS
    os.utime(segment, ns=(hours_ago, hours_ago))
    assert standing(paths, folder, clock.now_ns()).overdue == ()


def test_a_compressed_segment_leaves_as_the_content_that_its_manifest_states(paths, journal, target, clock):
    """Compressed before it could leave, or after it had: the target holds the plain lines, once."""
    before = journal.segment([journal.trade()], hour=9)
    content = before.read_bytes()
    compress(sealed_segments(before.parent)[0])
    assert ship(paths, target, clock).sent == 2
    journal.segment([journal.trade()], hour=10, sequence=2)
    ship(paths, target, clock)
    compress(sealed_segments(before.parent)[1])
    assert ship(paths, target, clock).sent == 0
    [key] = [key for key in keys(target) if "/0_09_000001.jsonl/" in key]
    assert contents(target, key) == content


def test_a_compressed_segment_that_is_damaged_is_named_and_the_rest_leaves(paths, journal, folder, clock):
    before = journal.segment([journal.trade()], hour=9)
    journal.segment([journal.trade()], hour=10, sequence=2)
    packed = compress(sealed_segments(before.parent)[0])
    packed.write_bytes(packed.read_bytes()[:-9])
    shipped = ship(paths, folder, clock)
    assert [fault.path for fault in shipped.faults] == ["data/assets/scalp/20260922/0_09_000001.jsonl"]
    assert "data/assets/scalp/20260922/0_10_000002.jsonl" in paths_of(folder)


def test_a_target_on_the_same_volume_is_told(day_of_data, folder, clock):
    """Such a copy dies with the disk (incident I-31)."""
    assert standing(day_of_data, folder, clock.now_ns()).same_volume


def test_a_volume_that_is_not_mounted_is_external_and_nothing_is_written(day_of_data, folder, clock):
    ship(day_of_data, folder, clock)
    folder.root.rename(folder.root.with_name("unmounted"))
    with pytest.raises(BackupTargetError, match="not a directory"):
        ship(day_of_data, folder, clock)
    folder.root.mkdir()
    with pytest.raises(BackupTargetError, match="not mounted, or emptied"):
        ship(day_of_data, folder, clock)
    assert list(folder.root.iterdir()) == []
    assert "not mounted" in standing(day_of_data, folder, clock.now_ns()).problem


def test_a_bucket_that_refuses_the_key_is_external(day_of_data, s3, bucket_settings, clock):
    """The message names the variable, and neither key nor secret."""
    wrong = bucket_settings.model_copy(
        update={"secret_key": BackupSettings.load({"OBSERVER_BACKUP_SECRET_KEY": "w" * 40}).secret_key}
    )
    with pytest.raises(BackupTargetError, match="OBSERVER_BACKUP_ACCESS_KEY") as raised:
        ship(day_of_data, require_target(wrong), clock)
    assert "w" * 40 not in str(raised.value)
    assert s3.secret_key not in str(raised.value)


def test_a_bucket_that_is_not_there_is_external(day_of_data, bucket_settings, clock):
    wrong = bucket_settings.model_copy(update={"target": "s3://nobody-made-this/observer"})
    with pytest.raises(BackupTargetError):
        ship(day_of_data, require_target(wrong), clock)


def test_a_node_that_lost_its_ledger_takes_the_catalogue_of_the_target(day_of_data, target, clock):
    ship(day_of_data, target, clock)
    shutil.rmtree(day_of_data.backup)
    again = ship(day_of_data, target, clock)
    assert (again.sent, again.found) == (0, 0)


def test_a_damaged_ledger_is_made_up_for_by_looking_at_the_target(day_of_data, folder, clock):
    ship(day_of_data, folder, clock)
    [ledger] = day_of_data.backup.glob("ledger-*/*.jsonl")
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join([lines[0][:40] + b"\n", *lines[1:]]))
    again = ship(day_of_data, folder, clock)
    assert (again.sent, again.found) == (0, 1)


def test_the_order_of_kinds_is_that_of_what_cannot_be_had_again():
    assert next(iter(Kind)) is Kind.JOURNAL
    assert list(Kind)[-1] is Kind.LAKE


@pytest.mark.parametrize("value", ["relative/folder", "http://server/bucket", "s3://"])
def test_a_target_that_is_neither_folder_nor_bucket_is_refused(value):
    with pytest.raises(ConfigurationError, match="OBSERVER_BACKUP_TARGET"):
        BackupSettings.load({"OBSERVER_BACKUP_TARGET": value})


def test_what_a_shipment_has_achieved_is_noted_for_who_watches(day_of_data, folder, clock):
    """Its end, and the seal of the newest segment; a dump that was noted before stays."""
    note_dump(day_of_data, "observer", 7)
    assert read_outcome(day_of_data) == Outcome(dumps={"observer": 7})
    before_ns = clock.now_ns()
    ship(day_of_data, folder, clock)
    manifests = [file for file in day_of_data.data.rglob("*.manifest.json") if "assets" in file.parts]
    outcome = read_outcome(day_of_data)
    assert before_ns <= outcome.shipped_ns <= clock.now_ns()
    assert outcome.sealed_ns == max(file.stat().st_mtime_ns for file in manifests)
    assert outcome.dumps == {"observer": 7}


def test_a_shipment_that_the_target_failed_is_not_noted(day_of_data, folder, folder_settings, clock):
    """So that its age grows, whatever had arrived until then."""
    ship(day_of_data, folder, clock)
    noted = read_outcome(day_of_data)
    shutil.rmtree(folder_settings.target)
    with pytest.raises(BackupTargetError):
        ship(day_of_data, folder, clock)
    assert read_outcome(day_of_data) == noted


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"shipped_ns": "x"}', b"\xff"])
def test_notes_that_cannot_be_read_claim_nothing(paths, content):
    """The next run writes them anew."""
    note_dump(paths, "observer", 7)
    (paths.backup / "outcome.json").write_bytes(content)
    assert read_outcome(paths) == Outcome()
    note_shipment(paths, shipped_ns=3, sealed_ns=2)
    assert read_outcome(paths) == Outcome(3, 2)
