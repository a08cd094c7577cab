"""A second app key shortens the time in which the broker holds a dead session."""

import signal

from collector_world import Collector, CollectorProcess, World, instant, sealed_lines

from observer_core.settings.paths import Track

RESERVE = {
    "OBSERVER_SIMULATOR_RESERVE_APP_KEY": "PSOBSERVERRESERVEAPPKEY0000000000002",
    "OBSERVER_SIMULATOR_RESERVE_APP_SECRET": "R" * 180,
    # An hour in which the slot of a process that was killed stays in use.
    "OBSERVER_SIMULATOR_LINGERING_SLOT_SECONDS": "3600",
}


def all_confirmed(status):
    return status.get("session", {}).get("registrations") == {"confirmed": 41}


async def test_the_standby_goes_on_with_the_reserve_key_while_the_first_one_lingers(tmp_path):
    """Killed at 09:01; at 09:10 of the market everything is confirmed again, long before the slot is free."""
    async with World(tmp_path, "08:59:30", 60, RESERVE) as market:
        market.universe()
        async with CollectorProcess(market) as first:
            await market.until("09:01:00")
            status = await first.eventually(all_confirmed)
            assert status["session"]["key"] == "first"
            async with Collector(market) as second:
                await second.eventually(lambda one: one["role"] == "standby")
                await first.end(signal.SIGKILL)
                await second.eventually(lambda one: one["role"] == "writer")
                await market.until("09:10:00")
                status = await second.eventually(all_confirmed)
                assert (status["session"]["key"], status["ready"]) == ("reserve", True)
                assert status["session"]["problem"] is None
                assert market.clock.now_ns() == instant("09:10:00")
                await market.until("09:12:00")
                await second.eventually(lambda one: one["counters"]["scalp_records"] > 0)
        lines = sealed_lines(market.paths)[Track.SCALP]
        connects = [line for line in lines if line.key == "connect"]
        assert ['"key":"first"' in one.payload for one in connects] == [True, True, False]
        assert [one.key for one in lines if one.key == "refuse"] == ["refuse"]
        # What the last connection was sent is journaled once; holes are filled by other channels.
        (killed, refused, reserve) = market.simulator.account.connections
        assert (killed.records > 0, refused.records, reserve.records > 0) == (True, 0, True)
        last = connects[-1].epoch
        assert sum(one.epoch == last and one.channel.startswith("H0") for one in lines) == reserve.records
        assert "RESERVE" not in "".join(one.payload for one in lines)
