"""What happens to the line (broker reference, 6.7 and 9)."""

import asyncio

import pytest


def connected(number):
    return lambda status: status.get("session", {}).get("connections", 0) >= number


async def test_a_line_that_breaks_again_and_again_is_made_anew_each_time(scene):
    """1006 several times a day: new epochs, a gap for each pair, and holes of the true size."""
    async with scene() as run:
        for number, moment in enumerate(("09:01:30", "09:02:30", "09:03:30"), start=2):
            await run.fault("abort")
            async with run.moving(moment):
                await run.eventually(connected(number))
                await run.complete()
        await run.until("09:05:00")
    assert len(run.account.connections) == 4
    assert [one["cause"] for one in run.controls("disconnect")] == ["lost", "lost", "lost", "stopped"]
    assert len(run.controls("gap")) == 3 * 41
    run.assert_nothing_that_was_not_sent_is_journaled()
    run.assert_every_share_is_accounted_for()


async def test_a_clean_close_is_followed_by_a_new_connection(scene):
    """The predecessor's reader ended with `connected` still true (I-05)."""
    async with scene() as run:
        await run.fault("close")
        async with run.moving("09:03:00"):
            await run.eventually(connected(2))
            await run.complete()
        await run.until("09:04:00")
    run.assert_all_that_was_sent_is_journaled()
    run.assert_every_share_is_accounted_for()


async def test_a_line_that_is_lost_without_a_word_is_given_up(scene):
    """Half open: no message of any kind for two minutes; the dead line is left and another one made."""
    async with scene() as run:
        await run.fault("half_open", seconds=150)
        async with run.moving("09:06:00"):
            await run.eventually(connected(2))
            await run.complete()
        await run.until("09:07:00")
    causes = [one["cause"] for one in run.controls("disconnect")]
    assert causes[0] == "silent"
    run.assert_every_share_is_accounted_for()


async def test_a_lingering_slot_is_waited_for(scene):
    """After an abnormal close the broker answers OPSP8996 for a while; nobody loops against it."""
    async with scene(broker={"OBSERVER_SIMULATOR_LINGERING_SLOT_SECONDS": "120"}) as run:
        await run.fault("abort")
        async with run.moving("09:05:00"):
            status = await run.eventually(lambda one: "OPSP8996" in (one["session"]["problem"] or ""))
            assert not status["ready"]
            await run.complete()
        await run.until("09:06:00")
    assert {one["code"] for one in run.controls("refuse")} == {"OPSP8996"}
    assert len(run.account.connections) <= 8
    run.assert_every_share_is_accounted_for()


async def test_a_second_session_of_the_key_is_left_alone(scene):
    """Another program takes the slot while the line is down; not ready, and back when it is free."""
    async with scene() as run:
        await run.fault("in_use", seconds=90)
        await run.fault("abort")
        async with run.moving("09:04:00"):
            status = await run.eventually(lambda one: "OPSP8996" in one["reason"])
            assert status["reason"].startswith("external: ")
            await run.complete()
    run.assert_every_share_is_accounted_for()


@pytest.mark.parametrize(
    ("at", "seconds"), [("09:01:30", 60), ("09:01:30", 10)], ids=["maintenance", "friday-restart"]
)
async def test_a_maintenance_window_ends_by_itself(scene, at, seconds):
    """Sockets closed, connections and requests refused for a while: no token is asked for in a loop."""
    async with scene() as run:
        await run.fault("maintenance", at=at, seconds=seconds)
        async with run.moving("09:04:30"):
            await run.eventually(connected(2))
            await run.complete()
        await run.until("09:05:30")
        sweeps = (await run.status())["sweeps"]
    assert sweeps["last"]["outcome"] == "complete"
    assert run.account.requests["/oauth2/tokenP"].total() <= 2
    run.assert_nothing_that_was_not_sent_is_journaled()
    run.assert_every_share_is_accounted_for()


async def test_a_broker_without_pingpong_is_no_dead_line_while_data_flow(scene):
    async with scene(broker={"OBSERVER_SIMULATOR_KEEP_ALIVE_SECONDS": "20"}) as run:
        await run.fault("mute")
        await run.until("09:04:00")
        assert (await run.status())["ready"]
    assert len(run.account.connections) == 1
    run.assert_all_that_was_sent_is_journaled()


async def test_a_broker_whose_clock_is_wrong_changes_nothing(scene):
    """Receive times are ours; the time in a PINGPONG is echoed as it came."""
    async with scene(broker={"OBSERVER_SIMULATOR_KEEP_ALIVE_SECONDS": "20"}) as run:
        await run.fault("clock_skew", seconds_off=-7200.0)
        await run.until("09:04:00")
    assert len(run.account.connections) == 1
    times = [line.wall_ns for line in run.records()]
    assert max(times) - min(times) < 600 * 10**9
    run.assert_all_that_was_sent_is_journaled()


async def test_a_budget_keeps_a_loop_of_connections_from_blocking_the_key(scene):
    """Every connection is broken at once: after the hour's budget nobody connects any more."""
    async with scene(OBSERVER_CONNECTS_PER_HOUR="4") as run:
        await run.fault("refuse", code="OPSP8996")
        await run.fault("abort")
        async with run.moving("09:04:00"):
            status = await run.eventually(lambda one: one["session"]["state"] == "over_budget")
            before = len(run.account.connections)
            await asyncio.sleep(2.0)
        assert "connects of the hour" in status["session"]["problem"]
        assert len(run.account.connections) == before == 4
        assert (await run.collector.get("/ready"))[0] == 503


async def test_a_reader_that_is_too_slow_for_the_broker_is_cut_off_and_comes_back(scene):
    """What waited for it is lost with the connection: holes of the true size, and one connection more."""
    async with scene() as run:
        await run.fault("slow_reader", rate=500, bytes=30_000, count=1)
        async with run.moving("09:04:00"):
            await run.eventually(connected(2))
            await run.complete()
        await run.until("09:05:00")
    assert [one["cause"] for one in run.controls("disconnect")] == ["lost", "stopped"]
    assert run.controls("hole")
    run.assert_nothing_that_was_not_sent_is_journaled()
    run.assert_every_share_is_accounted_for()


async def test_what_a_broker_throws_away_for_a_slow_reader_is_found_without_a_word_from_it(scene):
    """The line stays and nobody says anything: only the cumulative figures tell."""
    async with scene() as run:
        await run.fault("slow_reader", rate=800, bytes=20_000, drop=True, seconds=60)
        await run.until("09:04:00")
        assert (await run.faults())["slow_reader"] > 0
    assert len(run.account.connections) == 1
    assert run.controls("hole")
    assert run.controls("gap") == []
    run.assert_all_that_was_sent_is_journaled()
    run.assert_every_share_is_accounted_for()
