"""What happens to frames (broker reference, 0.1, 6.5 and 9)."""

import json

import pytest
from collector_world import by_channel

EXECUTIONS = "/uapi/domestic-stock/v1/quotations/inquire-time-itemconclusion"


def widths(run, channel="H0STCNT0"):
    return {line.payload.count("^") + 1 for line in run.records() if line.channel == channel}


@pytest.mark.parametrize("values", [46, 48, 52])
async def test_a_width_that_changes_in_mid_session_loses_nothing(scene, values):
    """46, 47, and one more value that no table knows: journaled, counted, and continuity goes on."""
    async with scene() as run:
        await run.fault("width", channels=["H0STCNT0"], values=values, at="09:01:30")
        await run.until("09:03:00")
    assert widths(run) == {47, values}
    assert run.controls("hole") == []
    run.assert_all_that_was_sent_is_journaled()
    run.assert_every_share_is_accounted_for()


async def test_bytes_that_are_no_text_are_kept_as_they_came(scene):
    """Strict clients closed with 1007; here the line stays and the bytes are in the journal."""
    async with scene() as run:
        await run.fault("invalid_utf8", channels=["H0STASP0"], share=0.2, seed=7)
        await run.until("09:02:30")
        assert (await run.faults())["invalid_utf8"] > 10
    assert len(run.account.connections) == 1
    broken = [line for line in run.records() if line.encoding == "base64"]
    assert broken
    assert all(line.payload_bytes.endswith(b"\xff\xfe") for line in broken)
    run.assert_all_that_was_sent_is_journaled()


async def test_a_time_that_is_no_text_and_a_price_that_is_no_number_cost_neither_line_nor_record(scene):
    """The trade is journaled and counted; what the account lacks waits until the broker's list is sound."""
    listed = {"stck_cntg_hour": "090100", "stck_prpr": "NaN", "cnqn": "7", "acml_vol": "112"}
    async with scene(OBSERVER_BACKFILL="true") as run:
        answer = json.dumps({"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "ok", "output2": [listed]})
        await run.fault("rest_body", path="itemconclusion", body=answer)
        await run.fault("invalid_utf8", channels=["H0STCNT0"], values=2, share=0.1, seed=7, count=20)
        await run.until("09:02:30")
        status = await run.eventually(lambda one: one["counters"]["unreadable_trades"] == 20)
        assert 0 < status["counters"]["holes_waiting"] == status["counters"]["holes"]
        await run.eventually(lambda _: run.account.requests[EXECUTIONS].total())
        await run.end_faults()
        await run.until("09:07:00")
        status = await run.eventually(lambda one: one["counters"]["holes_waiting"] == 0)
        assert status["helpers"] == {}
        assert status["ready"]
    assert len(run.account.connections) == 1
    broken = [line for line in run.records() if line.encoding == "base64"]
    assert [line.payload_bytes.split(b"^")[1][-2:] for line in broken] == [b"\xff\xfe"] * 20
    assert {found["outcome"] for found in run.controls("backfill")} <= {"healed", "busy"}
    assert by_channel(run.records())["H0STCNT0"] == run.account.channels["H0STCNT0"]


async def test_frames_of_sixty_four_kilobytes_are_taken_whole(scene):
    """Clients with a limit of 8 KB closed with 1009; every record of a frame of hundreds is kept (I-04)."""
    async with scene(broker={"OBSERVER_SIMULATOR_DENSITY": "20"}) as run:
        await run.fault("batch", channels=["H0STCNT0"], seconds=150, bytes=65_536)
        await run.until("09:05:00")
        assert (await run.faults())["batch"] >= 1
    assert max(line.record for line in run.records()) > 100
    assert run.controls("hole") == []
    run.assert_all_that_was_sent_is_journaled()
    run.assert_every_share_is_accounted_for()


async def test_truncated_frames_are_journaled_and_counted(scene):
    """A frame that cannot be split is one line with the whole of it; nothing is guessed."""
    async with scene() as run:
        await run.fault("truncate", channels=["H0STCNT0"], share=0.1, seed=3, seconds=60)
        await run.until("09:03:00")
        status = await run.status()
    whole = [line for line in run.records() if line.record == -1]
    assert whole
    assert status["counters"]["unsplit_frames"] == len(whole)
    run.assert_all_that_was_sent_is_journaled()
    await_holes = run.controls("hole")
    assert await_holes, "a frame whose trades cannot be told apart leaves a hole of its size"


async def test_duplicated_frames_double_no_share(scene):
    """Both are journaled with identities of their own; the accounting counts each trade once."""
    async with scene() as run:
        await run.fault("duplicate", channels=["H0STCNT0"], share=0.3, seed=5)
        await run.until("09:02:30")
        status = await run.status()
        assert status["counters"]["duplicate_trades"] > 0
    assert run.controls("hole") == []
    run.assert_all_that_was_sent_is_journaled()
    run.assert_every_share_is_accounted_for()


async def test_a_channel_that_nobody_knows_is_journaled_and_told_once(scene):
    """Raw first: what cannot be understood is kept all the same."""
    async with scene() as run:
        await run.fault("unknown_channel", channels=["H0STCNT0"], share=0.2, seed=1)
        await run.until("09:02:00")
        status = await run.status()
        assert status["unknown"]["channels"]["H0STNEW0"] > 0
    assert {line.channel for line in run.records()} >= {"H0STNEW0"}
    run.assert_all_that_was_sent_is_journaled()


async def test_the_journals_records_can_be_read_again(scene):
    """Whatever was damaged, each line is JSON and its checksum fits."""
    async with scene() as run:
        for kind in ("truncate", "invalid_utf8", "duplicate", "unknown_channel"):
            await run.fault(kind, share=0.05, seed=11)
        await run.fault("width", values=49, share=0.05, seed=12)
        await run.until("09:02:30")
    run.assert_all_that_was_sent_is_journaled()
    for path in run.market.paths.data.glob("assets/*/*/*.jsonl"):
        for line in path.read_bytes().splitlines():
            json.loads(line)
