"""What happens when something beside the recording has a defect."""

from collector_world import by_channel

SWEPT = "FHKST11300006"


async def test_a_defect_beside_the_recording_does_not_end_the_feed(scene, monkeypatch):
    """Sweeps and compression fail in a way that nobody had foreseen, each time; the feed never notices."""

    def defect(*_):
        raise TypeError("nobody thought of this")

    monkeypatch.setattr("observer_collector.recording.sweeps.SwingSweeper._record", defect)
    monkeypatch.setattr("observer_collector.recording.upkeep.Compressor.look", defect)
    monkeypatch.setattr("observer_collector.supervision._FIRST_PAUSE_SECONDS", 0.05)
    async with scene(OBSERVER_SWING_INTERVAL_SECONDS="30") as run:
        await run.until("09:02:30")
        status = await run.eventually(
            lambda one: all(
                one["helpers"].get(name, {}).get("failures", 0) > 1 for name in ("sweeps", "compression")
            )
        )
        assert {failed["error"].rpartition("; ")[2] for failed in status["helpers"].values()} == {
            "TypeError: nobody thought of this"
        }
        assert status["session"]["connections"] == 1
    sent = {channel: keys for channel, keys in run.account.channels.items() if channel != SWEPT}
    assert by_channel(run.records()) == sent
