"""One break of continuity: its session, its reason, what is missing of it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from observer_core.lake.hole_accounts import HoleAccount, reason_of, session_at
from observer_core.market.calendar import MarketCalendar

KST = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("venue", "hour", "minute", "session"),
    [
        ("KRX", 8, 40, "pre_market"),
        ("KRX", 9, 0, "regular"),
        ("KRX", 15, 25, "regular"),
        ("KRX", 15, 45, "closing_price"),
        ("KRX", 16, 0, "after_market"),
        ("NXT", 8, 30, "pre_market"),
        ("NXT", 15, 29, "regular"),
        ("NXT", 15, 45, "after_market"),
        ("UNIFIED", 19, 59, "after_market"),
    ],
)
def test_an_instant_has_the_session_of_its_venue(venue, hour, minute, session):
    """The after-market of the KRX since 2026-09-14 (broker reference, section 8)."""
    moment = datetime(2026, 9, 15, hour, minute, tzinfo=KST)
    assert session_at(moment, venue, MarketCalendar().session(moment.date())) == session


def test_what_was_filled_twice_over_is_not_less_than_nothing():
    """The lists of the broker may hold more than the hole."""
    moment = datetime(2026, 9, 15, 10, tzinfo=KST)
    account = HoleAccount("005930", "KRX", "regular", moment, moment, 10, 15, 2, "restart")
    assert (account.missing, account.explained) == (0, 0)


def row(began, ended, *, symbol="005930", shard="0", cause=None):
    """A row of `gaps`; times are minutes after 09:00 in Korea."""
    moments = [datetime(2026, 9, 15, 0, minute, tzinfo=UTC) for minute in (began, ended)]
    return {"symbol": symbol, "shard": shard, "cause": cause, "started_at": moments[0],
            "ended_at": moments[1], "received_at": moments[1]}  # fmt: skip


@pytest.mark.parametrize(
    ("outage", "reason"),
    [
        (row(4, 6, symbol="", cause="disconnect"), "disconnect"),
        (row(6, 9, symbol="005930", cause="disconnect"), "disconnect"),
        (row(7, 9, symbol="", cause="disconnect"), "unexplained"),
        (row(4, 6, symbol="000660", cause="disconnect"), "unexplained"),
        (row(4, 6, symbol="", shard="1", cause="disconnect"), "unexplained"),
    ],
    ids=["of the shard", "touches", "later", "of another symbol", "of another shard"],
)
def test_a_hole_is_explained_by_an_outage_that_touches_it(outage, reason):
    assert reason_of(row(5, 6), [outage]) == reason


def test_its_own_cause_comes_first():
    assert reason_of(row(5, 6, cause="restart"), [row(4, 6, symbol="", cause="disconnect")]) == "restart"
