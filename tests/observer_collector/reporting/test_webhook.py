"""Delivery to a webhook that fails in every way a webhook fails."""

import asyncio
import contextlib
from random import Random

import httpx
import pytest
from pydantic import SecretStr

from observer_collector.reporting import webhook as module
from observer_collector.reporting.alerts import Condition, Notice
from observer_collector.reporting.webhook import Delivery, Webhook, slack_message
from observer_core.clock.base import RealClock

SECRET_PATH = "/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"
# 2026-09-15 09:10:00 in Korea.
SINCE = 1_789_431_000 * 10**9


def notice(condition=Condition.DISK_FULL, *, resolved=False, detail="journal not writable: disk_full"):
    return Notice(condition, resolved, detail, SINCE, SINCE + 65 * 10**9)


@contextlib.asynccontextmanager
async def delivering(address):
    delivered = []

    async def note(one):
        delivered.append(one)

    async with httpx.AsyncClient(timeout=0.5, follow_redirects=False) as http:
        hook = Webhook(
            SecretStr(address),
            http,
            render=lambda one: slack_message(
                one, place="prod/observer-1", runbook="https://docs.test/alerts.md"
            ),
            delivered=note,
            clock=RealClock(),
            random=Random(1),
        )
        task = asyncio.ensure_future(hook.run())
        try:
            yield hook, delivered
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pauses of milliseconds, so that the test does not wait; their growth is tested by itself."""
    monkeypatch.setattr(module, "_FIRST_SECONDS", 0.01)


async def test_a_notice_is_slacks_json(receiver):
    """Title, what, since when, where, remedy and link, in the shape of an incoming webhook."""
    async with delivering(receiver.origin + SECRET_PATH) as (hook, delivered):
        hook.offer(notice())
        await receiver.until(lambda found: found.accepted)
        await asyncio.sleep(0.05)
        assert delivered == [notice()]
    assert receiver.requests == [("POST", SECRET_PATH)]
    assert receiver.accepted == [
        {
            "text": "CRITICAL: The data volume is full and intake is paused (prod/observer-1)",
            "attachments": [
                {
                    "fallback": "CRITICAL: The data volume is full and intake is paused (prod/observer-1)",
                    "color": "danger",
                    "title": "ObserverDiskFull",
                    "title_link": "https://docs.test/alerts.md#observerdiskfull",
                    "text": "journal not writable: disk_full",
                    "fields": [
                        {"title": "Since", "value": "2026-09-15 09:10:00+09:00", "short": True},
                        {"title": "Where", "value": "prod/observer-1", "short": True},
                        {
                            "title": "Remedy",
                            "value": "Free space on OBSERVER_DATA_DIR; recording goes on by itself.",
                            "short": False,
                        },
                    ],
                    "ts": 1_789_431_065,
                }
            ],
        }
    ]


def test_a_resolved_notice_says_so():
    message = slack_message(notice(resolved=True), place="observer-1", runbook="r.md")
    assert message["text"].startswith("RESOLVED: ")
    (attachment,) = message["attachments"]
    assert attachment["color"] == "good"
    assert [field["title"] for field in attachment["fields"]] == ["Since", "Where", "Until"]


def test_a_text_of_the_broker_mentions_nobody():
    """Slack reads `<!channel>` as a call to everybody."""
    found = slack_message(notice(detail="EGW00103 <!channel> & more"), place="p", runbook="r")
    assert found["attachments"][0]["text"] == "EGW00103 &lt;!channel&gt; &amp; more"


@pytest.mark.parametrize("fault", [500, 503, 429, 408, "drop", "slow", (429, {"Retry-After": "0"})])
async def test_a_passing_fault_is_tried_again(receiver, fault):
    """An error of the server, too many requests, a broken connection, an answer that does not come."""
    receiver.script.extend([fault, fault])
    async with delivering(receiver.origin + SECRET_PATH) as (hook, _):
        hook.offer(notice())
        await receiver.until(lambda found: found.accepted)
        await asyncio.sleep(0.05)
        assert hook.attempts == {
            Delivery.DELIVERED: 1, Delivery.FAILED: 2, Delivery.REFUSED: 0, Delivery.DROPPED: 0,
        }  # fmt: skip
        assert hook.waiting == 0
    assert len(receiver.requests) == 3


async def test_a_webhook_that_asks_for_patience_gets_it(receiver, monkeypatch):
    """Retry-After is waited for, whatever our own pause is."""
    waited = []
    real_sleep = asyncio.sleep

    async def sleep(seconds):
        waited.append(seconds)
        await real_sleep(0)

    receiver.script.append((429, {"Retry-After": "7"}))
    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    async with delivering(receiver.origin + SECRET_PATH) as (hook, delivered):
        hook.offer(notice())
        while not delivered:
            await real_sleep(0.01)
    assert 7.0 in waited


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_refusal_is_not_repeated(receiver, status):
    """A wrong address stays wrong; the next notice is tried all the same."""
    receiver.script.append(status)
    async with delivering(receiver.origin + SECRET_PATH) as (hook, delivered):
        hook.offer(notice())
        hook.offer(notice(Condition.BROKER_REFUSES))
        await receiver.until(lambda found: found.accepted)
        await asyncio.sleep(0.05)
        assert hook.attempts[Delivery.REFUSED] == 1
        assert [one.condition for one in delivered] == [Condition.BROKER_REFUSES]
    assert len(receiver.requests) == 2


async def test_a_redirect_is_not_followed(receiver, another_receiver):
    """The notice goes to the configured address or nowhere."""
    async with another_receiver() as elsewhere:
        receiver.script.append((307, {"Location": elsewhere.origin + "/stolen"}))
        async with delivering(receiver.origin + SECRET_PATH) as (hook, _):
            hook.offer(notice())
            while not hook.attempts[Delivery.REFUSED]:
                await asyncio.sleep(0.01)
        assert elsewhere.requests == []


async def test_an_absent_webhook_is_waited_for(receiver):
    """Nobody listens at first; what was offered arrives in order, once somebody does."""
    receiver.script.extend(["drop"] * 5)
    async with delivering(receiver.origin + SECRET_PATH) as (hook, _):
        hook.offer(notice())
        hook.offer(notice(resolved=True))
        await receiver.until(lambda found: len(found.accepted) == 2)
    assert [one["attachments"][0]["color"] for one in receiver.accepted] == ["danger", "good"]


async def test_the_queue_is_bounded_and_offering_never_waits():
    """With nobody listening, the newest 64 are kept, and 136 are counted as dropped."""
    async with delivering("http://127.0.0.1:9/nobody") as (hook, _):
        for _ in range(200):
            hook.offer(notice())
        assert hook.waiting == 64
        assert hook.attempts[Delivery.DROPPED] == 136


async def test_a_notice_of_yesterday_is_dropped(receiver, monkeypatch):
    """Half a day later nobody is helped by it; what comes after it is still tried."""
    monkeypatch.setattr(module, "_OLDEST_SECONDS", 0.05)
    receiver.script.extend([500] * 4)
    async with delivering(receiver.origin + SECRET_PATH) as (hook, _):
        monkeypatch.setattr(module, "_FIRST_SECONDS", 0.2)
        hook.offer(notice())
        while not hook.attempts[Delivery.DROPPED]:
            await asyncio.sleep(0.01)
        receiver.script.clear()
        hook.offer(notice(Condition.BROKER_REFUSES))
        await receiver.until(lambda found: found.accepted)
    assert [one["attachments"][0]["title"] for one in receiver.accepted] == ["ObserverBrokerRefuses"]


def test_pauses_grow_to_a_minute(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_SECONDS", 1.0)
    hook = Webhook(
        SecretStr(""), None, render=dict, delivered=None, clock=RealClock(), random=Random(1)
    )  # fmt: skip
    pauses = [hook._pause(failures) for failures in range(1, 12)]
    assert 0.5 <= pauses[0] <= 1.0
    assert 16 <= pauses[5] <= 32
    assert all(30 <= pause <= 60 for pause in pauses[6:])
