"""What recovery makes of every state in which a writer can die."""

import asyncio
import json
import shutil

import pytest

from observer_core.accounting import VolumeContinuity
from observer_core.journal import sealed_segments
from observer_core.journal.recovery import JournalRecovery
from observer_core.journal.storage import SegmentStorage

DAY = "20260915"


async def killed(journal, count=6):
    """Leaves an open segment of a few lines behind, as SIGKILL does."""
    async with journal() as recorded:
        pass
    recorded = await journal().__aenter__()
    for second in range(count):
        recorded.append(f"2026-09-15T09:00:{second:02d}")
    await recorded.durable()
    await recorded.kill()
    return recorded


def recover(recorded, **options):
    return JournalRecovery(recorded.settings, **options).recover()


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.*"))}


async def test_every_torn_end_keeps_exactly_the_whole_lines(journal, independently):
    """An open segment that ends at any byte of its last three lines keeps exactly the whole lines."""
    recorded = await killed(journal)
    (path,) = (recorded.root / DAY).glob("*.open")
    content = path.read_bytes()
    assert content == b"".join(recorded.lines)
    edges = [sum(map(len, recorded.lines[:number])) for number in range(len(recorded.lines) + 1)]
    for end in range(edges[-4], len(content) + 1):
        path.write_bytes(content[:end])
        whole = sum(1 for edge in edges[1:] if edge <= end)
        result = recover(recorded)
        first = tree(recorded.root)
        (segment,) = sealed_segments(recorded.root / DAY)
        assert segment.path.read_bytes() == content[: edges[whole]]
        assert segment.manifest.sealed_by == "recovery"
        counted = independently(segment.path)
        assert counted == {name: getattr(segment.manifest, name) for name in counted}
        torn = content[edges[whole] : end]
        torn_file = recorded.root / DAY / "0_09_000001.jsonl.torn"
        assert (torn_file.read_bytes() if torn_file.exists() else b"") == torn
        assert [(s.lines, s.torn_bytes) for s in result.segments] == [(whole, len(torn))]
        again = recover(recorded)
        assert again.segments == ()
        assert (again.continuity, again.last_wall_ns) == (result.continuity, result.last_wall_ns)
        assert tree(recorded.root) == first
        shutil.rmtree(recorded.root / DAY)
        (recorded.root / DAY).mkdir()


async def test_a_segment_without_a_whole_line_disappears(journal):
    """Only the torn bytes stay, and the next writer does not reuse the name."""
    recorded = await killed(journal, count=1)
    (path,) = (recorded.root / DAY).glob("*.open")
    path.write_bytes(path.read_bytes()[:-1])
    recover(recorded)
    assert [path.name for path in (recorded.root / DAY).iterdir()] == ["0_09_000001.jsonl.torn"]
    async with journal() as next_one:
        next_one.append("2026-09-15T09:30:00")
    assert [s.manifest.sequence for s in sealed_segments(recorded.root / DAY)] == [2]


async def test_whole_lines_behind_damage_are_kept(journal, independently):
    """Pages may reach the disk out of order: what is whole stays, what is not is kept aside."""
    recorded = await killed(journal)
    (path,) = (recorded.root / DAY).glob("*.open")
    content = bytearray(path.read_bytes())
    start, end = len(recorded.lines[0]), len(recorded.lines[0]) + len(recorded.lines[1])
    content[start : end - 1] = bytes(end - 1 - start)
    path.write_bytes(content)
    recover(recorded)
    (segment,) = sealed_segments(recorded.root / DAY)
    assert segment.path.read_bytes() == b"".join(recorded.lines[:1] + recorded.lines[2:])
    assert independently(segment.path)["lines"] == segment.manifest.lines == 5
    assert (recorded.root / DAY / "0_09_000001.jsonl.torn").read_bytes() == content[start:end]


async def test_a_final_segment_gets_its_manifest(journal):
    """A writer that died between rename and manifest has lost nothing."""
    async with journal() as recorded:
        recorded.append("2026-09-15T09:00:00")
    (manifest,) = (recorded.root / DAY).glob("*.manifest.json")
    before = json.loads(manifest.read_bytes())
    manifest.unlink()
    recover(recorded)
    after = json.loads(manifest.read_bytes())
    assert after.pop("sealed_by") == "recovery"
    assert before.pop("sealed_by") == "stop"
    before.pop("continuity"), after.pop("continuity")
    assert after == before


async def test_a_damaged_manifest_is_written_anew(journal):
    async with journal() as recorded:
        recorded.append("2026-09-15T09:00:00")
    (manifest,) = (recorded.root / DAY).glob("*.manifest.json")
    manifest.write_bytes(manifest.read_bytes()[:50])
    recover(recorded)
    assert [s.manifest.lines for s in sealed_segments(recorded.root / DAY)] == [1]


async def test_other_shards_are_left_alone(journal):
    """An open segment of another app key's shard belongs to another writer."""
    recorded = await killed(journal)
    foreign = recorded.root / DAY / "1_09_000001.jsonl.open"
    foreign.write_bytes(b"half a li")
    recover(recorded)
    assert foreign.read_bytes() == b"half a li"


class Crash(BaseException):
    """The process ends here."""


class CrashingStorage(SegmentStorage):
    """Ends the process before or after the n-th step that changes the disk."""

    def __init__(self, at, *, after):
        super().__init__()
        self.at, self.after, self.steps = at, after, 0

    def __getattribute__(self, name):
        attribute = super().__getattribute__(name)
        if name not in {"create", "write", "sync", "publish", "replace", "cut", "remove"}:
            return attribute

        def step(*arguments):
            self.steps += 1
            if self.steps == self.at and not self.after:
                raise Crash
            result = attribute(*arguments)
            if self.steps == self.at:
                raise Crash
            return result

        return step


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 16))
async def test_a_crash_at_any_step_of_writing_and_sealing_keeps_durable_lines(
    journal, at, after, independently
):
    """Every line that was durable before the crash is sealed afterwards, once and in order."""
    disk = CrashingStorage(at, after=after)
    recorded = journal(storage=disk)
    task = asyncio.ensure_future(recorded.writer.run())
    durable = 0
    for hour in (9, 10, 11):
        recorded.append(f"2026-09-15T{hour:02d}:00:00")
        recorded.append(f"2026-09-15T{hour:02d}:00:01")
        while recorded.writer.backlog_bytes and not task.done():
            await asyncio.sleep(0.001)
        if not task.done():
            durable = len(recorded.lines)
    recorded.writer.close()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    recorded.writer.abandon()
    assert isinstance(outcome, Crash) or disk.steps < at
    recover(recorded)
    segments = sealed_segments(recorded.root / DAY)
    content = b"".join(s.path.read_bytes() for s in segments)
    assert content == b"".join(recorded.lines[: content.count(b"\n")])
    assert content.count(b"\n") >= durable
    assert all(independently(s.path)["sha256"] == s.manifest.sha256 for s in segments)
    assert not list((recorded.root / DAY).glob("*.open"))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize("damage", ["tail", "middle"])
async def test_a_crash_at_any_step_of_recovery_is_recovered(journal, tmp_path, at, after, damage):
    """Recovery that dies anywhere and runs again leaves what one run leaves."""
    recorded = await killed(journal)
    (path,) = (recorded.root / DAY).glob("*.open")
    content = path.read_bytes()
    path.write_bytes(content[:-5] if damage == "tail" else content[:20] + b"?" + content[21:])
    shutil.copytree(recorded.root, tmp_path / "copy")
    recover(recorded)
    expected = tree(recorded.root)
    shutil.rmtree(recorded.root)
    shutil.copytree(tmp_path / "copy", recorded.root)
    disk = CrashingStorage(at, after=after)
    try:
        recover(recorded, storage=disk)
    except Crash:
        recover(recorded)
    else:
        assert disk.steps < at or (after and disk.steps == at)
    assert tree(recorded.root) == expected


TRADE = "005930^093000^100^2^1^1^1^1^1^1^1^1^{volume}^{total}^{value}^{count}^0^0^0^{total}^0^5"


def trades(*numbers):
    """Ten shares each at 100 KRW, all sales; only the numbered ones."""
    return [
        TRADE.format(volume=10, total=10 * n, value=1000 * n, count=n) + "^0" * 11 + "^20260915^20"
        for n in numbers
    ]


async def test_accounting_goes_on_where_the_last_line_left_it(journal, instant):
    """The state after recovery is that of the sealed segments and the recovered lines together."""
    accounting = VolumeContinuity(lambda _: "continuous")
    recorded = journal()
    recorded.writer._continuity = accounting.state
    async with recorded:
        for moment, payload in zip(("T09:00:00", "T10:00:00"), trades(1, 2), strict=True):
            recorded.append(f"2026-09-15{moment}", payload)
            accounting.observe("H0STCNT0", payload, instant(f"2026-09-15{moment}"))
    second = await journal().__aenter__()
    for payload in trades(3, 5):
        second.append("2026-09-15T11:00:00", payload)
    await second.durable()
    await second.kill()
    result = recover(second, trade_channels={"H0STCNT0"}, phase_at=lambda _: "continuous")
    account = result.continuity["H0STCNT0"]["005930"]
    assert (account["volume"], account["captured"], account["hole_shares"]) == (50, 40, 10)
    assert [(hole.shares, hole.phase) for hole in result.unreported] == [(10, "continuous")]
    again = recover(second, trade_channels={"H0STCNT0"})
    assert again.continuity == result.continuity


@pytest.mark.parametrize(
    ("kind", "payload"),
    [("hole", '{"shares": 3}'), ("hole", "[]"), ("slot", '{"action": "enter"}'), ("slot", "[" * 5000)],
)
async def test_a_control_line_of_another_form_stops_no_recovery(journal, kind, payload):
    """Another version wrote it: its checksum fits, so it stays, and counts for nothing."""
    recorded = await journal().__aenter__()
    recorded.append("2026-09-15T11:00:00", payload, "_control", kind)
    for trade in trades(1, 2):
        recorded.append("2026-09-15T11:00:01", trade)
    await recorded.durable()
    await recorded.kill()
    result = recover(recorded, trade_channels={"H0STCNT0"})
    assert result.continuity["H0STCNT0"]["005930"]["captured"] == 20


async def test_a_hole_that_the_journal_tells_of_is_not_told_twice(journal, instant):
    """Only holes whose control record did not reach the disk are handed back."""
    recorded = await journal().__aenter__()
    for payload in trades(1, 3):
        recorded.append("2026-09-15T11:00:00", payload)
    hole = {"channel": "H0STCNT0", "symbol": "005930", "first_seen_ns": instant("2026-09-15T11:00:00")}
    recorded.append("2026-09-15T11:00:00", json.dumps(hole), "_control", "hole")
    await recorded.durable()
    await recorded.kill()
    result = recover(recorded, trade_channels={"H0STCNT0"})
    assert result.unreported == ()
    assert result.continuity["H0STCNT0"]["005930"]["holes"] == 1


@pytest.mark.parametrize("torn", [False, True], ids=["whole", "torn"])
async def test_what_was_unwatched_stays_so_over_a_kill(journal, instant, torn):
    """The accounts say what the control records say; one whose trade is gone changes nothing."""
    recorded = await journal().__aenter__()
    moment = "2026-09-15T11:00:00"
    for payload in trades(1) if torn else trades(1, 3):
        recorded.append(moment, payload)
    break_ = {"channel": "H0STCNT0", "symbol": "005930", "first_seen_ns": instant(moment), "shares": 10}
    recorded.append(moment, json.dumps(break_), "_control", "unwatched")
    for symbol, action in (("005930", "leave"), ("000660", "enter"), ("005930", "overflow")):
        slot = {"symbol": symbol, "action": action}
        recorded.append(moment, json.dumps(slot), "_control", "slot")
    await recorded.durable()
    await recorded.kill()
    result = recover(recorded, trade_channels={"H0STCNT0"})
    assert result.unreported == ()
    account = result.continuity["H0STCNT0"]["005930"]
    missed = account["holes"], account["hole_shares"], account["unwatched_shares"]
    assert missed == ((0, 0, 0) if torn else (0, 0, 10))
    assert account["watched"] is False


def test_an_empty_journal_needs_no_recovery(journal):
    result = recover(journal())
    assert (result.segments, result.last_epoch, result.last_wall_ns, result.continuity) == ((), 0, 0, {})


async def test_the_state_of_another_version_does_not_stop_recovery(journal):
    """A manifest whose accounting state this version cannot read counts as one without."""
    recorded = journal()
    recorded.writer._continuity = lambda: {"H0STCNT0": {"005930": {"figure_of_tomorrow": 1}}}
    async with recorded:
        recorded.append("2026-09-15T09:00:00")
    assert recover(recorded).continuity == {}


async def test_a_manifest_nested_too_deeply_is_made_anew(journal):
    recorded = await killed(journal)
    recover(recorded)
    (manifest,) = (recorded.root / DAY).glob("*.manifest.json")
    whole = json.loads(manifest.read_bytes())
    manifest.write_bytes(b"[" * 100_000)
    recover(recorded)
    assert json.loads(manifest.read_bytes())["sha256"] == whole["sha256"]


@pytest.mark.parametrize("suffix", [".jsonl.open", ".manifest.json"])
async def test_what_is_no_file_is_passed_over_and_told(journal, suffix):
    """A folder and a link to itself under segments' names: the real segment beside them is sealed."""
    recorded = await killed(journal)
    folder = recorded.root / DAY
    (path,) = folder.glob("*.open")
    shard = path.name.partition("_")[0]
    strange = folder / f"{shard}_09_000098{suffix}", folder / f"{shard}_09_000099.jsonl.open"
    strange[0].mkdir()
    strange[1].symlink_to(strange[1].name)
    (folder / f".{shard}_09_000097.jsonl.open.new").mkdir()
    found = recover(recorded)
    assert [segment.lines for segment in found.segments] == [6]
    assert set(found.strange) <= set(strange)
    assert strange[1] in found.strange
    assert not path.exists()
    assert found.last_wall_ns > 0
