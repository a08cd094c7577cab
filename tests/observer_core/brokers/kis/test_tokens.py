"""The token store against a real HTTP server, in one process and in several (broker reference, 2.2)."""

import asyncio
import json
import stat
import sys
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from observer_core.brokers.kis.oauth import KisOAuth
from observer_core.brokers.kis.tokens import TokenPauseError, TokenStore
from observer_core.clock import KST, StepClock
from observer_core.errors import (
    BrokerCredentialError,
    BrokerRequestError,
    BrokerRetryableError,
    ConfigurationError,
    NetworkError,
    StorageError,
)
from observer_core.logs import redact
from observer_core.settings import KisSettings

from .conftest import APP_KEY, APP_SECRET

TOKEN_PATH = "/oauth2/tokenP"
APPROVAL_PATH = "/oauth2/Approval"
START = datetime(2026, 9, 15, 7, 30, tzinfo=KST)


class Issuer:
    """The broker's token rules: the same token for six hours, valid for a day."""

    def __init__(self, clock: StepClock) -> None:
        self.clock = clock
        self.issued_at: datetime | None = None
        self.number = 0
        self.refusal: tuple[int, str] | None = None

    def token(self, _request) -> web.Response:
        if self.refusal is not None:
            status, code = self.refusal
            return web.json_response({"error_code": code, "error_description": "refused"}, status=status)
        now = self.clock.now()
        if self.issued_at is None or now >= self.issued_at + timedelta(hours=6):
            self.issued_at, self.number = now, self.number + 1
        return web.json_response(
            {
                "access_token": f"header.payload{self.number}.signature",
                "access_token_token_expired": f"{self.issued_at + timedelta(days=1):%Y-%m-%d %H:%M:%S}",
                "token_type": "Bearer",
                "expires_in": 86400,
            }
        )


@pytest.fixture
def clock() -> StepClock:
    return StepClock(START)


@pytest.fixture
def issuer(broker, clock) -> Issuer:
    issuer = Issuer(clock)
    broker.on(TOKEN_PATH, issuer.token)
    broker.on(APPROVAL_PATH, lambda _: web.json_response({"approval_key": str(uuid.uuid4())}))
    return issuer


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "cache" / "token_cache.json"


@pytest.fixture
async def store(broker, issuer, clock, path):
    async with httpx.AsyncClient(base_url=broker.url) as http:
        yield TokenStore(path, broker.settings(), KisOAuth(http, broker.settings(), clock), clock)


async def later(clock: StepClock, **delta: float) -> None:
    await clock.advance_to(clock.now() + timedelta(**delta))


async def test_a_token_is_asked_for_once_and_then_read_from_the_cache(store, broker):
    first = await store.access_token()
    assert first.get_secret_value() == "header.payload1.signature"
    assert await store.access_token() == first
    [request] = broker.requests
    assert request.body == {"grant_type": "client_credentials", "appkey": APP_KEY, "appsecret": APP_SECRET}


async def test_the_approval_key_is_asked_for_with_its_own_field_name(store, broker):
    key = await store.approval_key()
    assert await store.approval_key() == key
    [request] = broker.requests
    assert request.body == {"grant_type": "client_credentials", "appkey": APP_KEY, "secretkey": APP_SECRET}


async def test_many_tasks_share_one_request(store, broker):
    tokens = await asyncio.gather(*(store.access_token() for _ in range(20)))
    assert len(set(tokens)) == 1
    assert broker.count(TOKEN_PATH) == 1


async def test_the_expiry_is_korean_time_and_renewal_goes_ten_minutes_ahead(store, broker, clock):
    first = await store.access_token()
    assert store.token_state().expires_at == START + timedelta(days=1)
    await later(clock, hours=23, minutes=49)
    assert await store.access_token() == first
    await later(clock, minutes=2)
    assert await store.access_token() != first
    assert broker.count(TOKEN_PATH) == 2


async def test_the_cache_is_for_its_owner_only_and_names_no_key(store, path):
    await store.access_token()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert APP_KEY not in text
    assert APP_SECRET not in text
    assert list(json.loads(text)["entries"]) == [store.fingerprint]


async def test_a_token_of_another_key_or_environment_is_not_used(broker, issuer, clock, path, store):
    await store.access_token()
    for more in ({"KIS_APP_KEY": "P" + "0" * 35}, {"KIS_ENVIRONMENT": "paper"}):
        settings = broker.settings(**more)
        async with httpx.AsyncClient(base_url=broker.url) as http:
            other = TokenStore(path, settings, KisOAuth(http, settings, clock), clock)
            assert other.token_state() is None
            await other.access_token()
    assert broker.count(TOKEN_PATH) == 3
    assert len(json.loads(path.read_text())["entries"]) == 3


async def test_what_the_store_knows_never_reaches_a_log_line(store):
    token, key = await store.access_token(), await store.approval_key()
    for secret in (token.get_secret_value(), key.get_secret_value(), APP_KEY, APP_SECRET):
        assert secret not in redact(f"some text with {secret} in it")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format":9}', b'{"format":1,"entries":[]}']
)
async def test_an_unreadable_cache_is_asked_for_anew(store, path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    await store.access_token()
    assert store.token_state() is not None


async def test_an_unreadable_entry_is_asked_for_anew(store, path):
    path.parent.mkdir()
    entry = {"access_token": {"value": 7}}
    path.write_text(json.dumps({"format": 1, "entries": {store.fingerprint: entry}}))
    await store.access_token()
    assert store.token_state() is not None


async def test_a_refused_key_fails_at_once_and_is_not_repeated_within_61_seconds(
    store, issuer, broker, clock
):
    issuer.refusal = (403, "EGW00103")
    for _ in range(5):
        with pytest.raises(BrokerCredentialError, match="EGW00103") as caught:
            await store.access_token()
    assert broker.count(TOKEN_PATH) == 1
    assert APP_KEY not in str(caught.value)
    await later(clock, seconds=60)
    with pytest.raises(BrokerCredentialError):
        await store.access_token()
    assert broker.count(TOKEN_PATH) == 1
    await later(clock, seconds=1)
    issuer.refusal = None
    await store.access_token()
    assert broker.count(TOKEN_PATH) == 2


async def test_asked_too_often_is_retryable_and_waits_its_minute(store, issuer, broker, clock):
    issuer.refusal = (403, "EGW00133")
    for _ in range(3):
        with pytest.raises(BrokerRetryableError, match="EGW00133"):
            await store.access_token()
    assert broker.count(TOKEN_PATH) == 1
    issuer.refusal = None
    await later(clock, seconds=61)
    await store.access_token()


async def test_a_request_without_an_answer_counts_as_one(store, issuer, broker, clock):
    broker.on(TOKEN_PATH, lambda _: web.Response(status=502, body=b"bad gateway"))
    with pytest.raises(BrokerRetryableError, match="HTTP 502"):
        await store.access_token()
    with pytest.raises(BrokerRetryableError, match="HTTP 502"):
        await store.access_token()
    assert broker.count(TOKEN_PATH) == 1


async def test_a_process_that_died_in_its_request_blocks_the_next_one_for_a_minute(
    store, broker, clock, path
):
    """The attempt is on disk before the request goes."""
    await store.access_token()
    content = json.loads(path.read_text())
    content["entries"][store.fingerprint]["access_token"]["value"] = None
    path.write_text(json.dumps(content))
    with pytest.raises(TokenPauseError, match=r"the next request may go at 07:31:01"):
        await store.access_token()
    await later(clock, seconds=61)
    await store.access_token()
    assert broker.count(TOKEN_PATH) == 2


async def test_a_host_that_cannot_be_reached_may_be_tried_again_at_once(clock, path, unused_tcp_port, broker):
    settings = broker.settings()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{unused_tcp_port}") as http:
        store = TokenStore(path, settings, KisOAuth(http, settings, clock), clock)
        for _ in range(3):
            with pytest.raises(NetworkError, match="KIS_REST_URL"):
                await store.access_token()


async def test_a_token_that_still_lives_is_used_when_renewal_fails(store, issuer, clock):
    first = await store.access_token()
    issuer.refusal = (500, "EGW00002")
    await later(clock, hours=23, minutes=55)
    assert await store.access_token() == first
    await later(clock, minutes=6)
    with pytest.raises(BrokerRetryableError):
        await store.access_token()


async def test_a_refused_token_is_replaced_once_after_six_hours(store, broker, clock):
    first = await store.access_token()
    await later(clock, hours=7)
    second = await store.replace_access_token(first)
    assert second != first
    assert await store.replace_access_token(first) == second
    assert await store.access_token() == second
    assert broker.count(TOKEN_PATH) == 2


async def test_the_same_dead_token_is_not_asked_for_again_before_six_hours_are_over(store, broker, clock):
    """Broker reference, 2.2: within six hours a re-issue returns the same dead token."""
    dead = await store.access_token()
    await later(clock, minutes=30)
    with pytest.raises(BrokerCredentialError, match=r"asked again at 13:30"):
        await store.replace_access_token(dead)
    for _ in range(10):
        await later(clock, minutes=30)
        assert await store.access_token() == dead
        with pytest.raises(BrokerCredentialError, match="EGW00121"):
            await store.replace_access_token(dead)
    assert broker.count(TOKEN_PATH) == 2
    await later(clock, minutes=31)
    assert await store.access_token() != dead
    assert broker.count(TOKEN_PATH) == 3


async def test_a_refused_token_that_was_given_again_is_tried_a_minute_after_each_refusal(
    store, broker, clock
):
    """A broker that refused it for some seconds takes it again; no other token could be had."""
    token = await store.access_token()
    await later(clock, minutes=30)
    for _ in range(3):
        with pytest.raises(BrokerCredentialError, match="tried each minute"):
            await store.replace_access_token(token)
        for seconds in (0, 59):
            await later(clock, seconds=seconds)
            with pytest.raises(BrokerCredentialError, match="EGW00121"):
                await store.access_token()
            assert store.token_state() is None
        await later(clock, seconds=1)
        assert await store.access_token() == token
        assert store.token_state() is not None
    await later(clock, hours=2)
    assert await store.access_token() == token
    assert broker.count(TOKEN_PATH) == 2


async def test_the_rest_of_a_refused_token_holds_for_all_processes_and_one_clock(store, broker, clock, path):
    token = await store.access_token()
    await later(clock, minutes=30)
    with pytest.raises(BrokerCredentialError):
        await store.replace_access_token(token)
    async with httpx.AsyncClient(base_url=broker.url) as http:
        other = TokenStore(path, broker.settings(), KisOAuth(http, broker.settings(), clock), clock)
        with pytest.raises(BrokerCredentialError, match="EGW00121"):
            await other.access_token()
        content = json.loads(path.read_text())
        content["entries"][store.fingerprint]["access_token"]["rests_until"] = "2026-12-01T08:00:00+09:00"
        path.write_text(json.dumps(content))
        assert await other.access_token() == token
    assert broker.count(TOKEN_PATH) == 2


async def test_a_cache_of_an_earlier_version_is_read(store, broker, path):
    """It knows no rest; nobody is asked for a token that it holds."""
    token = await store.access_token()
    content = json.loads(path.read_text())
    del content["entries"][store.fingerprint]["access_token"]["rests_until"]
    path.write_text(json.dumps(content))
    assert await store.access_token() == token
    assert broker.count(TOKEN_PATH) == 1


async def test_a_token_that_is_issued_expired_is_refused(store, broker, clock):
    broker.on(
        TOKEN_PATH,
        lambda _: web.json_response(
            {
                "access_token": "a.b.c",
                "access_token_token_expired": "2026-09-15 07:29:59",
                "token_type": "Bearer",
                "expires_in": 86400,
            }
        ),
    )
    for _ in range(2):
        with pytest.raises(BrokerCredentialError, match="EGW00121"):
            await store.access_token()
    assert broker.count(TOKEN_PATH) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": ""},
        {"access_token": "a.b.c", "access_token_token_expired": "tomorrow", "expires_in": 86400},
        {"access_token": "a.b.c", "access_token_token_expired": "2026-09-16 07:30:00"},
        {"access_token": 7, "access_token_token_expired": "2026-09-16 07:30:00", "expires_in": 86400},
    ],
)
async def test_an_answer_without_a_usable_token_is_a_passing_fault(store, broker, answer):
    broker.on(TOKEN_PATH, lambda _: web.json_response(answer))
    with pytest.raises(BrokerRetryableError, match="without a usable"):
        await store.access_token()


async def test_an_approval_key_is_renewed_before_its_day_is_over_or_when_refused(store, broker, clock):
    first = await store.approval_key()
    await later(clock, seconds=2)
    second = await store.replace_approval_key(first)
    assert second != first
    await later(clock, hours=23, minutes=51)
    assert await store.approval_key() != second
    assert broker.count(APPROVAL_PATH) == 3


async def test_missing_keys_name_the_variables(broker, clock, path):
    settings = KisSettings.load({"KIS_REST_URL": broker.url})
    async with httpx.AsyncClient(base_url=broker.url) as http:
        store = TokenStore(path, settings, KisOAuth(http, settings, clock), clock)
        with pytest.raises(ConfigurationError, match="KIS_APP_KEY or KIS_APP_SECRET is not set"):
            await store.access_token()
    assert not broker.requests


async def test_a_missing_mount_is_not_created(broker, clock, tmp_path):
    settings = broker.settings()
    async with httpx.AsyncClient(base_url=broker.url) as http:
        folder = tmp_path / "absent" / "cache"
        store = TokenStore(folder / "token_cache.json", settings, KisOAuth(http, settings, clock), clock)
        with pytest.raises(ConfigurationError, match="KIS_TOKEN_CACHE_DIR"):
            await store.access_token()
    assert not (tmp_path / "absent").exists()


async def test_no_token_is_asked_for_when_it_could_not_be_kept(store, broker, path):
    path.mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be written"):
        await store.access_token()
    assert not broker.requests


CONTENDER = """
import asyncio, hashlib, sys
from pathlib import Path
import httpx
from observer_core.brokers.kis.oauth import KisOAuth
from observer_core.brokers.kis.tokens import TokenStore
from observer_core.clock import RealClock
from observer_core.settings import KisSettings

async def main():
    settings, clock = KisSettings.load(), RealClock()
    async with httpx.AsyncClient(base_url=settings.rest_url) as http:
        store = TokenStore(Path(sys.argv[1]), settings, KisOAuth(http, settings, clock), clock)
        token = await store.access_token()
    print(hashlib.sha256(token.get_secret_value().encode()).hexdigest())

asyncio.run(main())
"""


async def test_processes_that_start_together_make_one_request(broker, path):
    path.parent.mkdir()
    issued = iter(range(100))
    broker.on(
        TOKEN_PATH,
        lambda _: web.json_response(
            {
                "access_token": f"token.number.{next(issued)}",
                "access_token_token_expired": "2099-01-01 00:00:00",
                "token_type": "Bearer",
                "expires_in": 86400,
            }
        ),
    )
    environment = {"KIS_APP_KEY": APP_KEY, "KIS_APP_SECRET": APP_SECRET, "KIS_REST_URL": broker.url}
    contenders = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", CONTENDER, str(path), stdout=asyncio.subprocess.PIPE, env=environment
        )
        for _ in range(3)
    ]
    outputs = [(await contender.communicate())[0] for contender in contenders]
    assert all(contender.returncode == 0 for contender in contenders)
    assert len(set(outputs)) == 1
    assert broker.count(TOKEN_PATH) == 1


def test_a_pause_is_an_error_of_the_broker_that_is_retried():
    error = TokenPauseError("access token", START)
    assert isinstance(error, BrokerRetryableError)
    assert str(error).startswith(
        "The access token was asked for a moment ago; the next request may go at 07:30:00"
    )


async def test_a_token_that_would_end_in_the_day_is_renewed_before_it(store, issuer, clock):
    """Issued at 13:00, it is renewed at 07:30 of the next day and not in the session."""
    await clock.advance_to(START.replace(hour=13))
    await store.access_token()
    await clock.advance_to(START + timedelta(days=1))
    evening = START.replace(hour=20, minute=0) + timedelta(days=1)
    assert (await store.access_token()).get_secret_value() == "header.payload1.signature"
    assert await store.renew_ahead(evening) is True
    assert (await store.access_token()).get_secret_value() == "header.payload2.signature"
    assert await store.renew_ahead(evening) is True
    assert issuer.number == 2


async def test_a_young_token_is_not_asked_for_again(store, issuer, broker, clock):
    """Within six hours the broker returns the same one: asking would only send a message to a phone."""
    await store.access_token()
    await clock.advance_to(clock.now() + timedelta(hours=5, minutes=59))
    assert await store.renew_ahead(clock.now() + timedelta(days=2)) is True
    assert broker.count(TOKEN_PATH) == 1


async def test_a_renewal_that_fails_leaves_the_living_token(store, issuer, clock):
    await store.access_token()
    await clock.advance_to(clock.now() + timedelta(hours=20))
    issuer.refusal = (500, "EGW00002")
    with pytest.raises(BrokerRetryableError):
        await store.renew_ahead(clock.now() + timedelta(hours=12))
    assert (await store.access_token()).get_secret_value() == "header.payload1.signature"


async def test_each_refusal_of_the_broker_is_told_and_a_remembered_one_is_not(store, issuer):
    """Five callers within the minute are one question to the broker, and one refusal."""
    heard = []
    store.on_refusal = lambda name, error: heard.append((name, error.code, error.status))
    issuer.refusal = (403, "EGW99999")
    for _ in range(5):
        with pytest.raises(BrokerRequestError):
            await store.access_token()
    assert heard == [("access_token", "EGW99999", 403)]
