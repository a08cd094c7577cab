"""The account and what was issued, over a restart."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import httpx
import pytest
import websockets

from observer_core.clock import KST, StepClock
from observer_core.errors import ConfigurationError
from observer_simulator.settings import SIMULATED_APP_KEY, SIMULATED_APP_SECRET, SimulatorSettings
from observer_simulator.simulator import Simulator

PAIR = {"grant_type": "client_credentials", "appkey": SIMULATED_APP_KEY}
REGISTRATION = {"custtype": "P", "tr_type": "1", "content-type": "utf-8"}


async def record_until(simulator: Simulator, clock: StepClock, approval: str, moment: datetime) -> list[str]:
    """Registers one symbol, moves the clock, and returns the frames that came."""
    body = {"input": {"tr_id": "H0STCNT0", "tr_key": "005930"}}
    async with websockets.connect(simulator.websocket_url, ping_interval=None) as socket:
        await socket.send(json.dumps({"header": REGISTRATION | {"approval_key": approval}, "body": body}))
        assert json.loads(await socket.recv())["body"]["msg_cd"] == "OPSP0000"
        before = simulator.account.records_sent
        await clock.advance_to(moment)
        frames: list[str] = []
        while sum(int(frame.split("|")[2]) for frame in frames) < simulator.account.records_sent - before:
            frames.append(str(await socket.recv()))
        return frames


async def test_a_restart_continues_the_tape_the_account_and_the_credentials(tmp_path: Path) -> None:
    file = tmp_path / "simulator" / "state.json"
    settings = SimulatorSettings(http_port=0, websocket_port=0, state_file=file, keep_alive_seconds=1e6)
    clock = StepClock(datetime(2026, 9, 15, 10, 0, tzinfo=KST))
    async with Simulator(clock, settings) as first, httpx.AsyncClient(base_url=first.rest_url) as http:
        body = PAIR | {"secretkey": SIMULATED_APP_SECRET}
        approval = (await http.post("/oauth2/Approval", json=body)).json()["approval_key"]
        body = PAIR | {"appsecret": SIMULATED_APP_SECRET}
        token = (await http.post("/oauth2/tokenP", json=body)).json()["access_token"]
        morning = await record_until(first, clock, approval, datetime(2026, 9, 15, 10, 10, tzinfo=KST))
        sent = first.account.records_sent
        saved = first.account.as_dict()
    assert sent > 0
    assert file.stat().st_mode & 0o777 == 0o600
    async with Simulator(clock, settings) as second, httpx.AsyncClient(base_url=second.rest_url) as http:
        assert second.account.records_sent == sent
        assert second.account.as_dict()["requests"] == saved["requests"]
        later = await record_until(second, clock, approval, datetime(2026, 9, 15, 10, 20, tzinfo=KST))
        account = second.account.as_dict()
        assert (await http.post("/oauth2/tokenP", json=body)).json()["access_token"] == token
    last, first_again = morning[-1].split("^"), later[0].split("|", 3)[3].split("^")
    assert int(first_again[13]) - int(first_again[12]) == int(last[-47 + 13])
    assert [connection["id"] for connection in account["connections"]] == [1, 2]
    assert account["records_sent"] == sum(connection["records"] for connection in account["connections"])
    assert account["channels"]["H0STCNT0"]["005930"] == account["records_sent"]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 1, "account": {}}', '{"format": 2}'])
async def test_a_file_that_is_not_a_state_file_names_the_variable_or_the_format(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "state.json"
    file.write_text(content)
    settings = SimulatorSettings(http_port=0, websocket_port=0, state_file=file)
    with pytest.raises(ConfigurationError, match=r"OBSERVER_SIMULATOR_STATE_FILE|format 2"):
        async with Simulator(StepClock(datetime(2026, 9, 15, 10, 0, tzinfo=KST)), settings):
            pass


async def test_the_ready_file_holds_the_chosen_ports(tmp_path: Path) -> None:
    settings = SimulatorSettings(http_port=0, websocket_port=0, ready_file=tmp_path / "ready.json")
    async with Simulator(StepClock(datetime(2026, 9, 15, 10, 0, tzinfo=KST)), settings) as simulator:
        ready = json.loads((tmp_path / "ready.json").read_text())
        assert ready["rest_url"] == simulator.rest_url == f"http://127.0.0.1:{ready['http_port']}"
        assert ready["websocket_url"] == simulator.websocket_url
        assert simulator.environment()["KIS_MASTER_URL"] == ready["master_url"]
