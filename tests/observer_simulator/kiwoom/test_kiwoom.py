"""The simulated Kiwoom, asked by the real client, and the symbols made from it (incident I-09)."""

import asyncio
from datetime import date, timedelta

import pytest

from observer_core.reference.choosing import build_symbols
from observer_core.reference.listing import read_listing
from observer_core.reference.stages import KiwoomStage, default_stages
from observer_core.reference.symbols import Outcome
from observer_core.reference.universe import build_universe
from observer_core.settings import KisSettings, KiwoomSettings, Paths, PathSettings, UniverseSettings
from observer_simulator.settings import SIMULATED_KIWOOM_APP_KEY, SIMULATED_KIWOOM_APP_SECRET

DAY = date(2026, 9, 15)
MORNING = (2026, 9, 15, 8, 5)


@pytest.fixture
def paths(tmp_path) -> Paths:
    for mount in ("data", "logs", "config", "universe"):
        (tmp_path / mount).mkdir()
    return Paths(
        PathSettings.load(
            {
                "OBSERVER_DATA_DIR": str(tmp_path / "data"),
                "OBSERVER_LOG_DIR": str(tmp_path / "logs"),
                "OBSERVER_CONFIG_DIR": str(tmp_path / "config"),
                "OBSERVER_SNAPSHOT_DIR": str(tmp_path / "universe"),
                "KIS_TOKEN_CACHE_DIR": str(tmp_path / "data"),
            }
        )
    )


def access(bench, **changes: str) -> KiwoomSettings:
    return KiwoomSettings.load({**bench.simulator.environment(), **changes})


async def while_time_runs(bench, work):
    """Lets market time run while the client waits for its turns."""
    task = asyncio.create_task(work)
    while not task.done():
        await asyncio.sleep(0.002)
        await bench.clock.advance_to(bench.clock.now() + timedelta(seconds=0.2))
    return await task


def nowhere(port) -> KisSettings:
    return KisSettings.load({"KIS_MASTER_URL": f"http://127.0.0.1:{port}/"})


async def test_without_master_files_kiwoom_gives_the_symbols(start, paths, unused_tcp_port):
    """The pages of both markets are read to their end, and the universe is the one of the master files."""
    bench = await start(*MORNING)
    stages = default_stages(nowhere(unused_tcp_port), access(bench), paths, bench.clock)
    symbols = await while_time_runs(bench, build_symbols(paths, DAY, stages, bench.clock))
    assert (symbols.source, symbols.is_live) == ("kiwoom", True)
    failed, used, *_ = symbols.stages
    assert (failed.outcome, used.outcome) == (Outcome.FAILED, Outcome.USED)
    assert used.seconds > 0
    assert "by rule from code" in used.reason
    # The groups that ka10099 does not list are out: 65 BC, 9 SW, 2 SR and 2 PF of 4,315.
    assert used.count == len(read_listing()) - 78
    universes = [
        {
            one.code
            for one in build_universe(made, UniverseSettings(), DAY, symbols_date=DAY, source="").symbols
        }
        for made in (symbols.instruments, _priced(bench))
    ]
    assert universes[0] == universes[1]
    assert len(universes[0]) > 1000


def _priced(bench):
    """Returns the listing at the simulated prices of the day, as the master files have it."""
    from dataclasses import replace

    market = bench.simulator.market
    return [replace(one, base_price=market.figures(one.code, DAY).base_price) for one in read_listing()]


async def test_wrong_keys_are_a_failed_stage_and_the_listing_wins(start, paths, unused_tcp_port):
    bench = await start(*MORNING)
    settings = access(bench, KIWOOM_APP_SECRET="wrong")
    stages = default_stages(nowhere(unused_tcp_port), settings, paths, bench.clock)
    symbols = await while_time_runs(bench, build_symbols(paths, DAY, stages, bench.clock))
    assert symbols.source == "packaged-listing"
    assert "8001" in symbols.stages[1].reason
    assert "wrong" not in symbols.stages[1].reason


async def test_a_token_that_died_is_replaced_within_a_list(start, paths):
    bench = await start(*MORNING, kiwoom_page_rows=5000)
    stage = KiwoomStage(access(bench), paths, bench.clock)
    first = await while_time_runs(bench, stage.load(DAY))
    await bench.clock.advance_to(bench.clock.now() + timedelta(hours=24, minutes=2))
    again = await while_time_runs(bench, stage.load(DAY + timedelta(days=1)))
    assert len(first.instruments) == len(again.instruments)


async def test_the_same_token_is_given_while_it_is_valid(start):
    bench = await start(*MORNING)
    body = {
        "grant_type": "client_credentials",
        "appkey": SIMULATED_KIWOOM_APP_KEY,
        "secretkey": SIMULATED_KIWOOM_APP_SECRET,
    }
    first = (await bench.http.post("/oauth2/token", json=body)).json()
    assert first["expires_dt"] == "20260916080500"
    await bench.move_to(2026, 9, 16, 8, 4)
    assert (await bench.http.post("/oauth2/token", json=body)).json() == first
    await bench.move_to(2026, 9, 16, 8, 5)
    assert (await bench.http.post("/oauth2/token", json=body)).json()["token"] != first["token"]


async def test_a_second_list_within_a_second_is_refused_with_status_429(start):
    bench = await start(*MORNING)
    body = {
        "grant_type": "client_credentials",
        "appkey": SIMULATED_KIWOOM_APP_KEY,
        "secretkey": SIMULATED_KIWOOM_APP_SECRET,
    }
    token = (await bench.http.post("/oauth2/token", json=body)).json()["token"]
    headers = {"api-id": "ka10099", "authorization": f"Bearer {token}"}
    answers = [
        await bench.http.post("/api/dostk/stkinfo", json={"mrkt_tp": "0"}, headers=headers) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[0].headers["cont-yn"] == "Y"
    assert "[1700:" in answers[1].json()["return_msg"]
