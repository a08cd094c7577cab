"""The REST client against a real HTTP server (broker reference, sections 3 and 4)."""

import asyncio
import uuid
from datetime import date, datetime, timedelta
from random import Random

import pytest
from aiohttp import web

from observer_core.brokers.kis.rest import BrokerDay, KisRestClient
from observer_core.clock import KST, RealClock, StepClock
from observer_core.errors import (
    BrokerCredentialError,
    BrokerError,
    BrokerRequestError,
    BrokerRetryableError,
    NetworkError,
)

from .conftest import APP_KEY, APP_SECRET

MULTI_PRICE = "/uapi/domestic-stock/v1/quotations/intstock-multprice"
DAILY_PRICE = "/uapi/domestic-stock/v1/quotations/inquire-daily-price"
DAILY_CHART = "/uapi/domestic-stock/v1/quotations/inquire-daily-itemchartprice"
HOLIDAY = "/uapi/domestic-stock/v1/quotations/chk-holiday"
TOKEN_PATH = "/oauth2/tokenP"
FAST = {"KIS_REQUESTS_PER_SECOND": "1000"}


def ok(output, *, code: str = "MCA00000", **more: str) -> web.Response:
    return web.json_response(
        {"output": output, "rt_cd": "0", "msg_cd": code, "msg1": "정상처리 되었습니다.", **more}
    )


def failed(code: str, status: int) -> web.Response:
    return web.json_response({"rt_cd": "1", "msg_cd": code, "msg1": "오류" + " " * 76}, status=status)


@pytest.fixture
def tokens(broker):
    """Issues token 1, 2, 3 ... and returns what was issued."""
    issued: list[str] = []

    def issue(_):
        issued.append(f"head.{len(issued) + 1}.tail")
        return web.json_response(
            {
                "access_token": issued[-1],
                "access_token_token_expired": f"{datetime.now(KST) + timedelta(days=1):%Y-%m-%d %H:%M:%S}",
                "token_type": "Bearer",
                "expires_in": 86400,
            }
        )

    broker.on(TOKEN_PATH, issue)
    return issued


@pytest.fixture
async def client(broker, tokens, tmp_path, shifted_clock):
    settings = broker.settings(**FAST)
    cache = tmp_path / "cache.json"
    async with KisRestClient.connect(settings, cache, shifted_clock, random=Random(7)) as one:
        yield one


async def test_multi_price_asks_for_each_code_and_returns_the_rows_as_sent(client, broker):
    rows = [
        {"inter_shrn_iscd": "000660", "inter2_prpr": "1"},
        {"inter_shrn_iscd": "005930", "inter2_prpr": "2"},
    ]
    broker.on(MULTI_PRICE, lambda _: ok(rows))
    assert await client.multi_price(["005930", "000660"]) == rows
    request = broker.requests[-1]
    assert request.query == {
        "FID_COND_MRKT_DIV_CODE_1": "J",
        "FID_INPUT_ISCD_1": "005930",
        "FID_COND_MRKT_DIV_CODE_2": "J",
        "FID_INPUT_ISCD_2": "000660",
    }
    headers = request.headers
    assert (headers["tr_id"], headers["custtype"]) == ("FHKST11300006", "P")
    assert headers["authorization"] == "Bearer head.1.tail"
    assert (headers["appkey"], headers["appsecret"]) == (APP_KEY, APP_SECRET)


@pytest.mark.parametrize("count", [0, 31])
async def test_multi_price_takes_one_to_thirty_codes(client, broker, count):
    with pytest.raises(ValueError, match=f"{count} symbols instead of 1 to 30"):
        await client.multi_price(["005930"] * count)
    assert not broker.requests


@pytest.mark.parametrize(("adjusted", "flag"), [(False, "0"), (True, "1")])
async def test_daily_price_has_one_for_adjusted(client, broker, adjusted, flag):
    """Broker reference, 4.8: here 1 means adjusted."""
    broker.on(DAILY_PRICE, lambda _: ok([{"stck_bsop_date": "20260914"}]))
    assert await client.daily_price("005930", adjusted=adjusted) == [{"stck_bsop_date": "20260914"}]
    request = broker.requests[-1]
    assert request.query["FID_ORG_ADJ_PRC"] == flag
    assert request.query["FID_PERIOD_DIV_CODE"] == "D"
    assert request.headers["tr_id"] == "FHKST01010400"


@pytest.mark.parametrize(("adjusted", "flag"), [(False, "1"), (True, "0")])
async def test_the_daily_chart_has_the_flag_of_adjusted_prices_the_other_way_round(
    client, tokens, broker, adjusted, flag
):
    """Broker reference, 4.7: here 0 means adjusted; the rows stand in output2."""
    row = {"stck_bsop_date": "20260915", "acml_tr_pbmn": "595404143150"}
    broker.on(DAILY_CHART, lambda _: ok({}, output2=[row]))
    first, last = date(2026, 9, 14), date(2026, 9, 15)
    assert await client.daily_chart("005930", first, last, adjusted=adjusted, market="NX") == [row]
    request = broker.requests[-1]
    assert request.headers["tr_id"] == "FHKST03010100"
    asked = {name: request.query[name] for name in ("FID_INPUT_DATE_1", "FID_INPUT_DATE_2")}
    assert asked == {"FID_INPUT_DATE_1": "20260914", "FID_INPUT_DATE_2": "20260915"}
    assert request.query["FID_ORG_ADJ_PRC"] == flag
    assert request.query["FID_PERIOD_DIV_CODE"] == "D"
    assert request.query["FID_COND_MRKT_DIV_CODE"] == "NX"


def day_row(day: date) -> dict[str, str]:
    return {
        "bass_dt": f"{day:%Y%m%d}",
        "wday_dvsn_cd": "01",
        "bzdy_yn": "Y",
        # Stays Y at weekends in real rows: not the field to read.
        "tr_day_yn": "Y",
        "opnd_yn": "N" if day.weekday() >= 5 else "Y",
        "sttl_day_yn": "Y",
    }


def holiday_page(request) -> web.Response:
    """Pages of 24 days; keys padded to 20, as the broker sends them (broker reference, 4.13)."""
    after = request.query["CTX_AREA_NK"]
    # The format YYYYMMDD is one of ISO 8601.
    first = date.fromisoformat(after or request.query["BASS_DT"])
    days = [first + timedelta(days=offset + bool(after)) for offset in range(24)]
    return ok(
        [day_row(day) for day in days],
        code="KIOK0500",
        ctx_area_nk=f"{days[-1]:%Y%m%d}".ljust(20),
        ctx_area_fk=f"{days[0]:%Y%m%d}".ljust(20),
    )


async def test_holidays_follow_the_pages_to_the_last_day_asked_for(client, broker):
    broker.on(HOLIDAY, holiday_page)
    first = date(2026, 9, 1)
    days = await client.holidays(first, date(2026, 10, 15))
    assert [day.day for day in days] == [first + timedelta(days=offset) for offset in range(48)]
    assert BrokerDay(date(2026, 9, 5), exchange_open=False) in days
    assert BrokerDay(date(2026, 9, 7), exchange_open=True) in days
    requests = [request for request in broker.requests if request.path == HOLIDAY]
    assert [request.headers["tr_cont"] for request in requests] == ["", "N"]
    assert requests[1].query == {"BASS_DT": "20260901", "CTX_AREA_NK": "20260924", "CTX_AREA_FK": "20260901"}
    assert requests[0].headers["tr_id"] == "CTCA0903R"


async def test_holidays_end_when_a_page_brings_no_new_day(client, broker):
    broker.on(HOLIDAY, lambda _: ok([day_row(date(2026, 9, 1))], code="KIOK0500"))
    assert len(await client.holidays(date(2026, 9, 1), date(2027, 1, 1))) == 1
    assert broker.count(HOLIDAY) == 2


async def test_holidays_end_with_the_last_page(client, broker):
    broker.on(HOLIDAY, lambda _: ok([day_row(date(2026, 9, 1))], code="KIOK0530"))
    await client.holidays(date(2026, 9, 1), date(2027, 1, 1))
    assert broker.count(HOLIDAY) == 1


@pytest.mark.parametrize("status", [200, 500])
async def test_too_many_requests_a_second_are_repeated(client, broker, status):
    broker.on(
        MULTI_PRICE, lambda _: failed("EGW00201", status) if broker.count(MULTI_PRICE) < 3 else ok([{}])
    )
    assert await client.multi_price(["005930"]) == [{}]
    assert broker.count(MULTI_PRICE) == 3


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (lambda _: failed("EGW00203", 500), "EGW00203"),
        (lambda _: web.Response(status=502, body=b"<html>"), "HTTP 502"),
        (lambda _: ok(["row"]), "no output"),
    ],
)
async def test_a_passing_fault_is_repeated_a_bounded_number_of_times(client, broker, response, code):
    broker.on(MULTI_PRICE, response)
    with pytest.raises(BrokerRetryableError) as caught:
        await client.multi_price(["005930"])
    assert caught.value.code == code
    assert broker.count(MULTI_PRICE) == 4


@pytest.mark.parametrize(
    "first",
    [
        lambda: web.json_response({"rt_cd": "0"}),
        lambda: ok({}),
        lambda: ok("rows"),
        lambda: web.Response(body=b"[]"),
        lambda: web.Response(body=b"<html>maintenance</html>"),
    ],
)
async def test_an_answer_without_rows_is_asked_for_again(client, broker, first):
    def respond(_):
        return first() if broker.count(MULTI_PRICE) == 1 else ok([{}])

    broker.on(MULTI_PRICE, respond)
    assert await client.multi_price(["005930"]) == [{}]


@pytest.mark.parametrize(
    ("response", "kind", "code"),
    [
        (lambda _: failed("OPSQ2001", 200), BrokerRequestError, "OPSQ2001"),
        (lambda _: failed("EGW00206", 403), BrokerRequestError, "EGW00206"),
        (lambda _: failed("EGW00304", 500), BrokerCredentialError, "EGW00304"),
        (lambda _: web.Response(status=404, body=b"\0"), BrokerRequestError, "HTTP 404"),
        (lambda _: web.Response(status=403, body=b"{}"), BrokerRequestError, "HTTP 403"),
    ],
)
async def test_a_lasting_fault_is_not_repeated(client, broker, response, kind, code):
    broker.on(MULTI_PRICE, response)
    with pytest.raises(BrokerError) as caught:
        await client.multi_price(["005930"])
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert broker.count(MULTI_PRICE) == 1


@pytest.mark.parametrize("code", ["EGW00121", "EGW00122", "EGW00123"])
async def test_a_refused_token_is_replaced_and_the_request_repeated(
    client, broker, tokens, code, shifted_clock
):
    broker.on(
        MULTI_PRICE,
        lambda request: (
            ok([{}]) if request.headers["authorization"] == "Bearer head.2.tail" else failed(code, 500)
        ),
    )
    await client.tokens.access_token()
    shifted_clock.shift(61)
    assert await client.multi_price(["005930"]) == [{}]
    assert tokens == ["head.1.tail", "head.2.tail"]
    assert broker.count(MULTI_PRICE) == 2


async def test_a_token_refused_again_ends_the_request(client, broker, tokens, shifted_clock):
    broker.on(MULTI_PRICE, lambda _: failed("EGW00123", 500))
    await client.tokens.access_token()
    shifted_clock.shift(61)
    with pytest.raises(BrokerCredentialError, match="EGW00123"):
        await client.multi_price(["005930"])
    assert broker.count(MULTI_PRICE) == 2
    assert len(tokens) == 2


async def test_tasks_whose_token_is_refused_together_replace_it_once(client, broker, tokens, shifted_clock):
    broker.on(
        MULTI_PRICE,
        lambda request: (
            ok([{}]) if request.headers["authorization"] != "Bearer head.1.tail" else failed("EGW00123", 500)
        ),
    )
    await client.tokens.access_token()
    shifted_clock.shift(61)
    await asyncio.gather(*(client.multi_price(["005930"]) for _ in range(10)))
    assert len(tokens) == 2


async def test_the_approval_key_comes_from_the_token_store(client, broker):
    key = str(uuid.uuid4())
    broker.on("/oauth2/Approval", lambda _: web.json_response({"approval_key": key}))
    assert (await client.approval_key()).get_secret_value() == key


async def test_no_error_shows_a_secret(client, broker, tokens):
    """Whatever fails, neither key nor secret nor token is in the error or in what it came from."""
    for response in (lambda _: failed("EGW00304", 500), lambda _: web.Response(status=404, body=b"x")):
        broker.on(MULTI_PRICE, response)
        with pytest.raises(BrokerError) as caught:
            await client.multi_price(["005930"])
        told = f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
        assert not any(secret in told for secret in (APP_KEY, APP_SECRET, tokens[0]))


async def test_a_host_that_cannot_be_reached_is_a_network_error(broker, tmp_path, unused_tcp_port):
    settings = broker.settings(**FAST, KIS_REST_URL=f"http://127.0.0.1:{unused_tcp_port}")
    async with KisRestClient.connect(settings, tmp_path / "cache.json", RealClock()) as client:
        with pytest.raises(NetworkError, match="KIS_REST_URL"):
            await client.multi_price(["005930"])


async def test_requests_are_spaced_on_the_clock_that_is_given(broker, tmp_path):
    """Under virtual time that stands, the second request waits; moved by its interval, it goes."""
    clock = StepClock(datetime(2026, 9, 15, 9, tzinfo=KST))
    broker.on(
        TOKEN_PATH,
        lambda _: web.json_response(
            {
                "access_token": "a.b.c",
                "access_token_token_expired": "2026-09-16 09:00:00",
                "token_type": "Bearer",
                "expires_in": 86400,
            }
        ),
    )
    broker.on(MULTI_PRICE, lambda _: ok([{}]))
    settings = broker.settings(KIS_REQUESTS_PER_SECOND="2")
    async with KisRestClient.connect(settings, tmp_path / "cache.json", clock) as client:
        await client.multi_price(["005930"])
        second = asyncio.create_task(client.multi_price(["005930"]))
        await asyncio.sleep(0.05)
        assert broker.count(MULTI_PRICE) == 1
        await clock.advance_to(clock.now() + timedelta(seconds=0.5))
        await second
    assert broker.count(MULTI_PRICE) == 2


async def test_each_refusal_is_told_also_of_a_request_that_is_repeated(client, broker):
    """What was asked for, and the broker's code; a success tells nothing."""
    heard = []
    client.on_refusal = lambda name, error: heard.append((name, error.code, error.status))
    answers = [failed("EGW00201", 500), failed("EGW99999", 500)]
    broker.on(MULTI_PRICE, lambda _: answers.pop(0))
    with pytest.raises(BrokerRequestError):
        await client.multi_price(["005930"])
    broker.on(MULTI_PRICE, lambda _: ok([{"inter_shrn_iscd": "005930"}]))
    await client.multi_price(["005930"])
    assert heard == [("intstock-multprice", "EGW00201", 500), ("intstock-multprice", "EGW99999", 500)]
