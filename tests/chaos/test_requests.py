"""What happens to requests (broker reference, 2.2, 3.3, 3.4 and 9)."""

import pytest
from collector_world import instant

from observer_core.settings.paths import Track

SWEEP = "/uapi/domestic-stock/v1/quotations/intstock-multprice"
TOKEN = "/oauth2/tokenP"


async def swept(run, until):
    await run.until(until)
    return (await run.status())["sweeps"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "rest_status", "status": 500, "code": "EGW00002"},
        {"kind": "rest_status", "status": 404},
        {"kind": "rest_status", "status": 502},
        {"kind": "rest_body", "body": "<html>점검중입니다</html>"},
        {"kind": "rest_body", "body": '{"rt_cd":"0","msg_cd":"MCA00000"}'},
        {"kind": "rest_body", "body": '{"rt_cd":"0","output":{"inter_shrn_iscd":"005930"}}'},
        {"kind": "rest_body", "body": "[[[["},
        {"kind": "rest_drop"},
    ],
    ids=["500", "404", "502", "html", "no-output", "object", "no-json", "no-answer"],
)
async def test_a_request_that_fails_costs_its_sweep_and_nothing_else(scene, monkeypatch, fault):
    """The sweep says what it lacks, the next one is complete, and the line never noticed."""
    monkeypatch.setattr("observer_core.brokers.kis.rest._FIRST_PAUSE_SECONDS", 0.01)
    async with scene(ready="08:59:50", OBSERVER_SWING_INTERVAL_SECONDS="60") as run:
        await run.fault(**fault, path="intstock-multprice", at="08:59:55")

        def lacks_rows(status):
            return status["sweeps"]["partial"] + status["sweeps"]["failed"] >= 1

        await run.step_until(lacks_rows, begin="08:59:56", end="09:04:00")
        await run.end_faults()
        sweeps = await swept(run, "09:06:30")
        assert sweeps["last"]["outcome"] == "complete"
        assert (await run.status())["ready"]
    assert len(run.account.connections) == 1
    run.assert_all_that_was_sent_is_journaled()


async def test_a_refused_rate_slows_the_sweep_and_loses_nothing(scene):
    """EGW00201 below the limit: asked again at once, and the pace of everybody is lowered for a while."""
    async with scene(ready="08:59:50", OBSERVER_SWING_INTERVAL_SECONDS="30") as run:
        await run.fault(
            "rest_status", status=500, code="EGW00201", path="intstock-multprice", share=0.4, seed=2
        )
        sweeps = await swept(run, "09:03:00")
        assert sweeps["complete"] >= 3
        assert (await run.faults())["rest_status"] > 0
    assert run.account.requests[SWEEP]["EGW00201"] > 0
    run.assert_all_that_was_sent_is_journaled()


async def test_a_token_storm_is_answered_with_patience(scene):
    """EGW00133 at every token request: one attempt in 61 seconds, and the line works without a token."""

    async def storm(run):
        await run.fault("token_storm", at="08:58:00", seconds=200)

    async with scene(before=storm, OBSERVER_SWING_INTERVAL_SECONDS="30") as run:
        await run.complete()
        await run.until("09:04:30")
        status = await run.eventually(lambda one: one["sweeps"]["complete"] >= 1)
        assert status["ready"]
    assert run.account.requests[TOKEN]["EGW00133"] <= 4
    run.assert_all_that_was_sent_is_journaled()


async def test_a_dead_token_is_replaced_once_and_then_left_alone(scene):
    """EGW00121 although the token is young: the broker gives the same one again, so nobody asks on."""
    async with scene(ready="08:59:50", OBSERVER_SWING_INTERVAL_SECONDS="30") as run:
        before = run.account.requests[TOKEN].total()
        await run.fault("token_dead", seconds=600)
        await run.until("09:04:00")
        status = await run.status()
        assert "EGW00121" in (status["sweeps"]["problem"] or "")
        assert run.account.requests[TOKEN].total() - before <= 1
    assert len(run.account.connections) == 1
    run.assert_all_that_was_sent_is_journaled()


async def test_a_batch_refused_for_one_symbol_is_halved_until_only_that_symbol_fails(scene):
    """OPSQ2002 for a code that the broker does not know any more: 59 rows instead of 30, and its name."""
    async with scene(ready="08:59:50", OBSERVER_SWING_INTERVAL_SECONDS="60") as run:
        bad = min(one.code for one in run.market.universe().symbols)
        await run.fault("rest_status", status=200, code="OPSQ2002", path="intstock-multprice", symbols=[bad])
        await run.step_until(
            lambda status: status["sweeps"]["partial"] >= 2, begin="09:00:01", end="09:06:00"
        )
    told = [one for one in run.controls("sweep", Track.SWING) if one["due_ns"] >= instant("09:00:00")]
    assert {tuple(one["unaccepted_symbols"]) for one in told} == {(bad,)}
    assert {one["symbols"] - one["rows"] for one in told} == {1}
    assert told[0]["retried"] >= 8
    assert told[1]["retried"] == 0, "from then on it is asked for alone"
    assert bad not in {line.key for line in run.records(Track.SWING) if line.wall_ns > instant("09:00:00")}
    run.assert_all_that_was_sent_is_journaled()


@pytest.mark.parametrize("path", ["intstock-multprice", "oauth2/tokenP"])
async def test_a_code_that_no_table_has_is_journaled_once_and_counted_each_time(scene, path):
    """EGW09999 as the answer to sweeps, or to the request for a token: the broker has a new code."""
    fault = {"kind": "rest_status", "status": 403, "code": "EGW09999", "path": path}

    async def refuse(run):
        await run.fault(**fault)

    async with scene(before=refuse, ready="08:59:50", OBSERVER_SWING_INTERVAL_SECONDS="60") as run:
        await run.complete()

        def known(status):
            return status.get("unknown", {}).get("codes", {}).get("EGW09999", 0) >= 2

        await run.step_until(known, begin="08:59:51", end="09:06:00")
        await run.end_faults()
        answers = run.account.requests[SWEEP if path in SWEEP else TOKEN]
        await run.eventually(lambda one: one["unknown"]["codes"] == {"EGW09999": answers["EGW09999"]})
    (told,) = run.controls("unknown")
    request = "intstock-multprice" if path in SWEEP else "access_token"
    assert (told["what"], told["code"], told["request"]) == ("code", "EGW09999", request)
    run.assert_all_that_was_sent_is_journaled()
