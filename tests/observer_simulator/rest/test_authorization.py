"""Tokens and approval keys over real HTTP, on a clock that the test moves (reference, section 2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from observer_simulator.settings import SIMULATED_APP_KEY, SIMULATED_APP_SECRET

Start = Callable[..., Awaitable[Any]]
PAIR = {"appkey": SIMULATED_APP_KEY, "appsecret": SIMULATED_APP_SECRET}


async def test_a_token_has_the_documented_fields_and_expiry_in_korean_time(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 30)
    response = await bench.token()
    answer = response.json()
    assert response.status_code == 200
    assert list(answer) == ["access_token", "access_token_token_expired", "token_type", "expires_in"]
    assert answer["access_token_token_expired"] == "2026-09-16 07:30:00"
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 86400)
    assert len(answer["access_token"].split(".")) == 3
    assert len(answer["access_token"]) <= 350


async def test_a_second_request_within_a_minute_is_refused_and_does_not_restart_the_minute(
    start: Start,
) -> None:
    bench = await start(2026, 9, 15, 7, 30)
    first = (await bench.token()).json()["access_token"]
    for second in (0, 30, 59):
        await bench.move_to(2026, 9, 15, 7, 30, second)
        refused = await bench.token()
        assert refused.status_code == 403
        assert refused.json() == {
            "error_code": "EGW00133",
            "error_description": "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)",
        }
    await bench.move_to(2026, 9, 15, 7, 31)
    assert (await bench.token()).json()["access_token"] == first


async def test_the_same_token_comes_for_six_hours_then_a_new_one(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 0)
    first = (await bench.token()).json()
    await bench.move_to(2026, 9, 15, 12, 59, 59)
    assert (await bench.token()).json() == first
    await bench.move_to(2026, 9, 15, 13, 1)
    second = (await bench.token()).json()
    assert second["access_token"] != first["access_token"]
    assert second["access_token_token_expired"] == "2026-09-16 13:01:00"


async def test_wrong_credentials_are_refused_with_403(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 0)
    codes = {}
    for name, change in {
        "key": {"appkey": "P" + "x" * 35},
        "secret": {"appsecret": SIMULATED_APP_SECRET + "\n"},
        "no key": {"appkey": ""},
        "no secret": {"appsecret": ""},
    }.items():
        body = {"grant_type": "client_credentials", **PAIR, **change}
        response = await bench.http.post("/oauth2/tokenP", json=body)
        assert response.status_code == 403
        codes[name] = response.json()["error_code"]
    assert codes == {"key": "EGW00103", "secret": "EGW00105", "no key": "EGW00102", "no secret": "EGW00104"}
    assert (await bench.token()).status_code == 200


async def test_an_approval_key_is_a_uuid_and_each_is_another(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 0)
    first = await bench.approval()
    await bench.move_to(2026, 9, 15, 7, 0, 1)
    second = await bench.approval()
    assert first != second
    for key in (first, second):
        assert [len(part) for part in key.split("-")] == [8, 4, 4, 4, 12]


async def test_approval_wants_the_secret_in_its_own_field(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 0)
    response = await bench.http.post("/oauth2/Approval", json={"grant_type": "client_credentials", **PAIR})
    assert response.status_code == 403
    assert response.json()["error_code"] == "EGW00104"


async def test_approval_is_limited_to_one_a_second(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 0)
    await bench.approval()
    body = {"grant_type": "client_credentials", "appkey": PAIR["appkey"], "secretkey": PAIR["appsecret"]}
    response = await bench.http.post("/oauth2/Approval", json=body)
    assert (response.status_code, response.json()["error_code"]) == (500, "EGW00201")


async def test_a_revoked_token_is_no_longer_accepted(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 0)
    headers = await bench.quote_headers("FHKST01010100")
    token = headers["authorization"].removeprefix("Bearer ")
    answer = (await bench.http.post("/oauth2/revokeP", json={**PAIR, "token": token})).json()
    assert answer == {"code": 200, "message": "접근토큰 폐기에 성공하였습니다"}
    again = (await bench.http.post("/oauth2/revokeP", json={**PAIR, "token": token})).json()
    assert again["error_code"] == "EGW00121"
    query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
    path = "/uapi/domestic-stock/v1/quotations/inquire-price"
    refused = await bench.http.get(path, params=query, headers=headers)
    assert (refused.status_code, refused.json()["msg_cd"]) == (500, "EGW00121")


async def test_a_body_that_is_not_json_is_refused_and_counted(start: Start) -> None:
    bench = await start(2026, 9, 15, 7, 0)
    response = await bench.http.post("/oauth2/tokenP", content=b"grant_type=client_credentials")
    assert response.status_code == 403
    assert bench.simulator.account.as_dict()["requests"] == {"/oauth2/tokenP": {"EGW00101": 1}}
