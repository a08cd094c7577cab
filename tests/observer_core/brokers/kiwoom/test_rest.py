"""Kiwoom's client against a real HTTP server (Kiwoom reference, sections 2 to 6.1)."""

import json
from datetime import timedelta

import pytest
from aiohttp import web

from observer_core.brokers.kiwoom.rest import KiwoomRestClient
from observer_core.brokers.kiwoom.stocks import MarketCode
from observer_core.errors import (
    BrokerCredentialError,
    BrokerRequestError,
    BrokerRetryableError,
    ConfigurationError,
    NetworkError,
)
from observer_core.settings import KiwoomSettings

from .conftest import NOW, page, refusal, token

LIST, TOKEN = "/api/dostk/stkinfo", "/oauth2/token"


async def test_a_list_is_followed_by_the_keys_of_the_headers(client, kiwoom):
    """The cursor stands in the headers only; read from the body, the list ends after its first page."""
    kiwoom.pages = [page([{"code": "1"}], "A1"), page([{"code": "2"}], "A2"), page([{"code": "3"}])]
    assert [row["code"] for row in await client.stock_list(MarketCode.KOSDAQ)] == ["1", "2", "3"]
    asked = kiwoom.asked(LIST)
    assert [(one.get("cont-yn"), one.get("next-key")) for one in asked] == [
        (None, None), ("Y", "A1"), ("Y", "A2"),
    ]  # fmt: skip
    assert {one["api-id"] for one in asked} == {"ka10099"}
    assert {one["authorization"] for one in asked} == {"Bearer token-1"}
    assert [body for path, _, body in kiwoom.seen if path == LIST] == [{"mrkt_tp": "10"}] * 3


async def test_the_token_request_has_kiwooms_own_field_names(client, kiwoom):
    kiwoom.pages = [page([])]
    await client.stock_list(MarketCode.KOSPI)
    assert [body for path, _, body in kiwoom.seen if path == TOKEN] == [
        {"grant_type": "client_credentials", "appkey": "key", "secretkey": "secret"}
    ]
    assert "Mozilla" in kiwoom.asked(TOKEN)[0]["user-agent"]


@pytest.mark.parametrize(
    "pages",
    [
        [page([{"code": "1"}], "A1"), page([{"code": "2"}], "A1")],
        [page([{"code": "1"}], "A1"), page([], "A2")],
    ],
    ids=["cursor stands", "empty page"],
)
async def test_a_list_without_an_end_is_an_error_and_not_a_short_list(client, kiwoom, pages):
    kiwoom.pages = pages
    with pytest.raises(BrokerRetryableError, match="end of the list of market KOSPI after"):
        await client.stock_list(MarketCode.KOSPI)


async def test_requests_keep_a_second_apart(client, kiwoom, clock):
    kiwoom.pages = [page([{}], "A1"), page([{}], "A2"), page([{}])]
    await client.stock_list(MarketCode.KOSPI)
    assert clock.now() - NOW >= timedelta(seconds=2)


async def test_an_exceeded_quota_is_waited_for_and_given_up_after_three(client, kiwoom):
    kiwoom.pages = [refusal(5, 1700, 429), page([{"code": "1"}])]
    assert len(await client.stock_list(MarketCode.KOSPI)) == 1
    kiwoom.pages = [refusal(5, 1700, 429)]
    with pytest.raises(BrokerRetryableError, match="1700"):
        await client.stock_list(MarketCode.KOSPI)
    assert len(kiwoom.asked(LIST)) == 5


async def test_a_refused_token_with_status_200_is_replaced_once(client, kiwoom, clock):
    kiwoom.pages = [page([])]
    await client.stock_list(MarketCode.KOSPI)
    await clock.advance_to(clock.now() + timedelta(seconds=62))
    kiwoom.tokens = [token("token-2", NOW + timedelta(hours=24))]
    kiwoom.pages = [refusal(3, 8005), page([{"code": "1"}])]
    assert len(await client.stock_list(MarketCode.KOSPI)) == 1
    assert kiwoom.asked(LIST)[-1]["authorization"] == "Bearer token-2"


async def test_the_refused_token_given_again_ends_it(client, kiwoom, clock):
    kiwoom.pages = [page([])]
    await client.stock_list(MarketCode.KOSPI)
    await clock.advance_to(clock.now() + timedelta(seconds=62))
    kiwoom.pages = [refusal(3, 8005)]
    for _ in range(2):
        with pytest.raises(BrokerCredentialError, match="given again"):
            await client.stock_list(MarketCode.KOSPI)
    assert len(kiwoom.asked(TOKEN)) == 2


async def test_a_token_is_shared_and_outlives_its_client(client, kiwoom, clock, tmp_path):
    kiwoom.pages = [page([])]
    await client.stock_list(MarketCode.KOSPI)
    async with KiwoomRestClient.connect(kiwoom.settings(), tmp_path / "cache.json", clock) as other:
        await other.stock_list(MarketCode.KOSPI)
        assert other.tokens.state().expires_at == NOW + timedelta(hours=24)
    assert len(kiwoom.asked(TOKEN)) == 1
    assert (tmp_path / "cache.json").stat().st_mode & 0o777 == 0o600
    assert "secret" not in json.dumps(repr(client.tokens.state()))


async def test_a_token_near_its_end_is_asked_for_again(client, kiwoom, clock):
    kiwoom.tokens = [token("token-1", NOW + timedelta(seconds=90)), token("token-2", NOW + timedelta(days=1))]
    assert (await client.tokens.access_token()).get_secret_value() == "token-1"
    await clock.advance_to(NOW + timedelta(seconds=80))
    assert (await client.tokens.access_token()).get_secret_value() == "token-2"


@pytest.mark.parametrize("code", ["8001", "8010", "8030"])
async def test_refused_keys_are_not_asked_for_in_a_loop(client, kiwoom, code):
    kiwoom.tokens = [refusal(3, code)]
    for _ in range(3):
        with pytest.raises(BrokerCredentialError) as raised:
            await client.tokens.access_token()
        assert raised.value.code == code
    assert len(kiwoom.asked(TOKEN)) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (refusal(2, 1511), BrokerRequestError, "1511"),
        (refusal(2, 1999), BrokerRetryableError, "1999"),
        (
            lambda: web.Response(status=400, text="<html>Request Blocked</html>"),
            BrokerRequestError,
            "HTTP 400",
        ),
        (lambda: web.Response(status=503, text="<html>"), BrokerRetryableError, "HTTP 503"),
        (lambda: web.Response(status=200, text="<html>"), BrokerRetryableError, "HTTP 200"),
        (lambda: web.json_response({"returnCode": "2", "returnMsg": "오류"}), BrokerRequestError, "class 2"),
        (lambda: web.json_response({"list": 1, "return_code": "0"}), BrokerRetryableError, "no output"),
    ],
)
async def test_errors_are_told_apart_by_their_code(client, kiwoom, answer, kind, code):
    kiwoom.pages = [answer]
    with pytest.raises(kind) as raised:
        await client.stock_list(MarketCode.KOSPI)
    assert raised.value.code == code


async def test_without_an_answer_it_is_the_network(clock, tmp_path, unused_tcp_port):
    settings = KiwoomSettings.load(
        {
            "KIWOOM_APP_KEY": "k",
            "KIWOOM_APP_SECRET": "s",
            "KIWOOM_REST_URL": f"http://127.0.0.1:{unused_tcp_port}",
        }
    )
    async with KiwoomRestClient.connect(settings, tmp_path / "cache.json", clock) as client:
        with pytest.raises(NetworkError, match="KIWOOM_REST_URL"):
            await client.stock_list(MarketCode.KOSPI)


async def test_without_keys_it_says_which(clock, tmp_path):
    async with KiwoomRestClient.connect(KiwoomSettings.load({}), tmp_path / "cache.json", clock) as client:
        with pytest.raises(ConfigurationError, match="KIWOOM_APP_KEY"):
            await client.stock_list(MarketCode.KOSPI)
