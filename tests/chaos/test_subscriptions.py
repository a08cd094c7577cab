"""What happens to registrations (broker reference, 6.4, 6.7 and 9)."""

import pytest

RETRIED = ("OPSP0007", "OPSP0009", "OPSP8999", "OPSP9993", "OPSP9995", "OPSP4711")
LEFT = (
    "OPSP8991", "OPSP8992", "OPSP8993", "OPSP8997", "OPSP8998",
    "OPSP9990", "OPSP9991", "OPSP9992", "OPSP9997", "OPSP9998", "OPSP9999",
)  # fmt: skip


def state_of(status, symbol, channel="H0STCNT0"):
    slots = status.get("slots", [])
    return next((one for one in slots if (one["channel"], one["symbol"]) == (channel, symbol)), {})


def unwatched(run, held):
    """Returns a symbol of the universe that holds no slot."""
    return min({one.code for one in run.market.universe().symbols} - set(held))


def all_confirmed(status):
    found = status.get("session", {}).get("registrations", {})
    return bool(found) and found.get("confirmed", 0) == sum(found.values())


def watched(status):
    return sorted({one["symbol"] for one in status["slots"] if one["channel"] == "H0STCNT0"})


async def test_every_passing_refusal_is_tried_again_and_every_lasting_one_is_not(scene):
    """Each code of the table once, one unknown code among them: section 6.4 says what happens to each."""
    refused = {}

    async def refuse(run):
        symbols = sorted(one.code for one in run.market.universe().symbols)
        ranked = sorted(run.market.universe().symbols, key=lambda one: -one.base_price * one.previous_volume)
        assert len(symbols) >= 18
        for code, symbol in zip([*RETRIED, *LEFT], [one.code for one in ranked], strict=False):
            refused[code] = symbol
            await run.fault("refuse", code=code, symbols=[symbol], channels=["H0STCNT0"], count=1)

    async with scene(before=refuse) as run:
        await run.eventually(lambda one: one.get("session", {}).get("registrations", {}).get("confirmed"))
        async with run.moving("09:02:00"):
            for code in RETRIED:
                await run.eventually(
                    lambda one, code=code: state_of(one, refused[code]).get("state") == "confirmed"
                )
        status = await run.status()
        for code in LEFT:
            slot = state_of(status, refused[code])
            assert (slot["state"], slot["reason"]) == ("refused", code)
    codes = [one["code"] for one in run.controls("refuse")]
    assert sorted(codes) == sorted([*RETRIED, *LEFT])
    assert len(run.account.connections) == 1
    run.assert_all_that_was_sent_is_journaled()


async def test_a_full_broker_gets_no_further_registrations(scene):
    """OPSP0008 below our limit: what is held stays, nothing more is asked (planning fault)."""

    async def refuse(run):
        await run.fault("refuse", code="OPSP0008", channels=["H0STASP0"])

    async with scene(before=refuse) as run:
        status = await run.eventually(
            lambda one: one.get("session", {}).get("registrations", {}).get("refused")
        )
        await run.until("09:03:00")
        status = await run.status()
        assert status["session"]["registrations"]["refused"] == 1
        assert status["session"]["registrations"]["confirmed"] >= 5
    assert len(run.controls("refuse")) == 1
    run.assert_all_that_was_sent_is_journaled()


async def test_a_broker_that_still_counts_a_dead_session_gets_everything_a_little_later(scene):
    """OPSP0008 at the first registration of a new connection: passing, and not forty slots less for good."""
    async with scene() as run:
        await run.fault("refuse", code="OPSP0008", count=1)
        await run.fault("abort")
        await run.step_until(
            lambda one: one["session"]["connections"] >= 2 and all_confirmed(one),
            begin="09:02:00",
            end="09:08:00",
        )
        await run.step_until(lambda one: one["ready"], begin="09:08:01", end="09:10:00")
    assert [one["code"] for one in run.controls("refuse")] == ["OPSP0008"]
    run.assert_every_share_is_accounted_for()


async def test_trades_and_books_that_fall_silent_are_told_although_indices_flow(scene):
    """Confirmed, and only indices come: not ready, and the line is made anew."""
    async with scene(broker={"OBSERVER_SIMULATOR_KEEP_ALIVE_SECONDS": "30"}) as run:
        await run.fault("silent", channels=["H0STCNT0", "H0STASP0"])
        await run.step_until(lambda one: not one["ready"], begin="09:02:00", end="09:08:00")
        assert "no data come" in (await run.status())["reason"]
        await run.step_until(lambda one: one["session"]["connections"] >= 2, begin="09:08:01", end="09:14:00")
        await run.end_faults()
        await run.step_until(
            lambda one: one["ready"] and all_confirmed(one), begin="09:14:01", end="09:20:00"
        )
    assert "starved" in [one["cause"] for one in run.controls("disconnect")]
    run.assert_every_share_is_accounted_for()


async def test_an_approval_key_that_is_refused_is_renewed_once(scene):
    """OPSP0011: one new key and one new connection, not a loop of refusals that locks the key."""
    async with scene() as run:
        await run.fault("refuse", code="OPSP0011", count=1)
        await run.fault("abort")
        async with run.moving("09:03:00"):
            await run.eventually(lambda one: one["session"]["connections"] >= 3)
            await run.complete()
    assert run.account.requests["/oauth2/Approval"].total() == 2
    assert len(run.account.connections) == 3
    run.assert_every_share_is_accounted_for()


async def test_a_lost_answer_is_asked_for_again_and_already_active_is_success(scene):
    """OPSP0002 for what was registered without an answer: active, and no endless loop."""

    async def deafen(run):
        await run.fault("deaf", channels=["H0STCNT0"], count=5)

    async with scene(before=deafen, ready="09:01:30") as run:
        await run.complete()
        await run.until("09:03:00")
    assert [one["code"] for one in run.controls("refuse")] == ["OPSP0002"] * 5
    run.assert_all_that_was_sent_is_journaled()


async def test_a_silent_subscription_is_registered_once_more(scene):
    """Confirmed, and no data for a minute of the session: registered again, and the data come back."""
    async with scene() as run:
        symbol = watched(await run.status())[0]
        await run.fault("silent", symbols=[symbol], channels=["H0STCNT0"], until_registered=True)
        await run.until("09:05:00")
        slot = state_of(await run.status(), symbol)
        assert slot["state"] == "confirmed"
    again = [one for one in run.controls("subscribe") if one["symbol"] == symbol]
    assert len([one for one in again if one["channel"] == "H0STCNT0" and one["action"] == "register"]) >= 2
    assert len(run.account.connections) == 1
    await_holes = [one for one in run.controls("hole") if one["symbol"] == symbol]
    assert await_holes
    run.assert_every_share_is_accounted_for()


async def test_a_connection_that_confirms_everything_and_delivers_nothing_is_left(scene):
    """PINGPONG comes, data do not: close and start over."""
    async with scene(broker={"OBSERVER_SIMULATOR_KEEP_ALIVE_SECONDS": "30"}) as run:
        await run.fault("silent", seconds=200)
        async with run.moving("09:07:00"):
            await run.eventually(lambda one: one["session"]["connections"] >= 2)
            await run.complete()
    assert "starved" in [one["cause"] for one in run.controls("disconnect")]
    run.assert_every_share_is_accounted_for()


async def test_a_signal_brings_a_symbol_in_and_what_it_replaces_comes_back_without_a_hole(scene):
    """VI costs no slot to see: the symbol enters, another leaves, and its absence is no loss of ours."""
    options = {
        "OBSERVER_TRIGGER_SYMBOLS": "1",
        "OBSERVER_VI_POLL_SECONDS": "5",
        "OBSERVER_RANKING_POLL_SECONDS": "0",
        "OBSERVER_TRIGGER_VOLUME_RATIO": "1000",
        "OBSERVER_TRIGGER_PRICE_MOVE": "10",
        "OBSERVER_TRIGGER_SECONDS": "60",
        "OBSERVER_DWELL_SECONDS": "60",
    }
    async with scene(**options) as run:
        before = watched(await run.status())
        outside = unwatched(run, before)
        await run.admin("interruptions", symbol=outside)
        async with run.moving("09:02:30"):
            await run.eventually(lambda one: state_of(one, outside).get("state") == "confirmed")
        await run.until("09:05:00")
        await run.eventually(lambda one: watched(one) == before)
        await run.complete()
        await run.until("09:09:00")
    slots = [one for one in run.controls("slot") if one["action"] != "overflow"]
    (entered,) = [one for one in slots if one["cause"] == "vi" and one["action"] == "enter"]
    assert entered["symbol"] == outside
    (replaced,) = [one["symbol"] for one in slots if one["action"] == "leave" and one["cause"] != "vi"]
    assert [one["symbol"] for one in run.controls("unwatched")] == [replaced]
    assert run.controls("hole") == []
    assert [one["symbol"] for one in run.controls("signal")] == [outside]
    run.assert_all_that_was_sent_is_journaled()
    run.assert_every_share_is_accounted_for()


async def test_what_was_not_watched_before_a_restart_is_no_hole_after_it(scene):
    """Watched, then out of the plan over a restart, then watched again: its absence is no loss of ours."""
    async with scene(before=_nothing) as run:
        outside = unwatched(run, watched(await run.eventually(all_confirmed)))
        file = run.market.paths.collector_changes
        pinned = f'{{"OBSERVER_PINNED_SYMBOLS": "{outside}"}}'
        file.write_text(pinned)
        # The market stands while settings are read and slots change hands, however long that takes.
        await run.eventually(lambda one: state_of(one, outside).get("state") == "confirmed")
        await run.until("09:03:00")
        await run.eventually(lambda one: state_of(one, outside).get("continuity"))
        await run.collector.stop()
        file.unlink()
        quiet = {"OBSERVER_TRIGGER_SYMBOLS": "0", "OBSERVER_VI_POLL_SECONDS": "0"}
        async with type(run.collector)(run.market, **quiet) as second:
            await second.eventually(all_confirmed)
            await run.until("09:06:00")
            assert outside not in watched((await second.get("/status"))[1])
            file.write_text(pinned)
            await second.eventually(lambda one: state_of(one, outside).get("state") == "confirmed")
            await run.until("09:12:00")
            status = await second.eventually(
                lambda one: (state_of(one, outside).get("continuity") or {}).get("unwatched_shares")
            )
        account = state_of(status, outside)["continuity"]
        assert (account["holes"], account["hole_shares"]) == (0, 0)
    # With it comes the symbol whose place it had taken.
    assert outside in [one["symbol"] for one in run.controls("unwatched")]
    assert outside not in [one["symbol"] for one in run.controls("hole")]
    run.assert_every_share_is_accounted_for()


async def test_slots_change_without_a_restart(scene):
    """A file in the configuration mount: another pinned symbol; then nonsense, which changes nothing."""
    async with scene() as run:
        outside = unwatched(run, watched(await run.status()))
        file = run.market.paths.collector_changes
        file.write_text(f'{{"OBSERVER_PINNED_SYMBOLS": "{outside}:H0STCNT0+H0STASP0"}}')
        async with run.moving("09:08:00"):
            await run.eventually(lambda one: state_of(one, outside).get("state") == "confirmed")
        file.write_text('{"OBSERVER_PINNED_SYMBOLS": "삼성전자"}')
        await run.eventually(lambda one: "OBSERVER_PINNED_SYMBOLS" in (one["settings"]["problem"] or ""))
        assert state_of(await run.status(), outside)["state"] == "confirmed"
    assert len(run.account.connections) == 1
    assert run.controls("hole") == []
    run.assert_all_that_was_sent_is_journaled()


@pytest.mark.parametrize("channel", ["H0STMKO0", "H0STNEW9"])
async def test_any_channel_can_be_registered(scene, channel):
    """By configuration; one that the broker does not know is refused, once, and costs nothing else."""
    async with scene(
        before=_nothing, OBSERVER_FIXED_REGISTRATIONS=f"{channel}:005930", OBSERVER_MARKET_OPERATION="0"
    ) as run:
        known = channel == "H0STMKO0"
        status = await run.eventually(
            lambda one: state_of(one, "005930", channel).get("state") == ("confirmed" if known else "refused")
        )
        assert state_of(status, "005930", channel)["reason"] == ("" if known else "OPSP8991")
        await run.until("09:01:30")
    run.assert_all_that_was_sent_is_journaled()


async def _nothing(_):
    """The scene does not wait for every registration."""
