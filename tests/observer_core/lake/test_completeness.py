"""What is there of a day, by session: received, filled in, explained, missing."""

from datetime import datetime, timedelta, timezone

import polars as pl
import pytest

from observer_core.accounting.compared import Outcome, Reason
from observer_core.brokers.kis.catalogue import Venue
from observer_core.brokers.kis.daily import DailyFigures
from observer_core.journal.departed import keep_manifests, manifests_of
from observer_core.lake.compaction import close_day
from observer_core.lake.completeness import build_completeness
from observer_core.lake.official import Answer, OfficialRow, write_official
from observer_core.lake.parquet import TableWriter
from observer_core.lake.readers import scan
from observer_core.lake.reconciling import pairs_to_compare, reconcile_day
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.settings.paths import Track

KST = timezone(timedelta(hours=9))


def at(day, hour, minute=0, second=0):
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=KST)


def write(paths, table, day, values):
    """Writes an hour of a table from what matters; identity and receive time are made up."""
    schema = SCHEMAS[table].polars
    base = {"trading_day": day, "venue": "KRX", "provider": "kis", "shard": "0", "epoch": 1, "record": 0,
            "received_at": at(day, 9), "segment": "0_09_000001.jsonl"}  # fmt: skip
    made = [base | {"frame": number} | value for number, value in enumerate(values)]
    frame = pl.DataFrame([{name: row.get(name) for name in schema.names()} for row in made], schema=schema)
    path = paths.lake_hour(table, day, 9)
    path.parent.mkdir(parents=True)
    with TableWriter(path, SCHEMAS[table]) as writer:
        writer.write(frame)
        writer.name_sources([])


def trade(moment, volume, cumulative, session="2", symbol="005930"):
    return {"symbol": symbol, "time": moment, "price": 70_000, "volume": volume, "side": "1",
            "cumulative_volume": cumulative, "market_session": session}  # fmt: skip


def hole(began, ended, first, last, *, cause=None, channel="H0STCNT0"):
    return {"symbol": "005930", "kind": "hole", "channel": channel, "started_at": began, "ended_at": ended,
            "from_cumulative_volume": first, "to_cumulative_volume": last, "missing_volume": last - first,
            "cause": cause}  # fmt: skip


def filled(moment, volume, cumulative, first, last):
    return {"symbol": "005930", "session": "regular", "time": moment, "price": 70_000, "volume": volume,
            "cumulative_volume": cumulative, "hole_from_cumulative_volume": first,
            "hole_to_cumulative_volume": last}  # fmt: skip


@pytest.fixture
def day(journal):
    return journal.day


def test_a_day_is_accounted_for_by_session(paths, day):
    """A hole of the morning was filled in part, one of the evening has a reason and was not."""
    write(paths, Table.SCALP_TRADES, day, [
        trade(at(day, 9, 30), 10, 10), trade(at(day, 9, 30), 10, 10), trade(at(day, 10), 5, 65),
        trade(at(day, 16, 30), 5, 70, "3"), trade(at(day, 17), 5, 95, "3"),
        trade(at(day, 9, 31), 7, 7, symbol="000660"),
    ])  # fmt: skip
    write(paths, Table.BACKFILL_TRADES, day, [
        filled(at(day, 9, 40), 20, 30, 10, 60), filled(at(day, 9, 41), 10, 40, 10, 60),
    ])  # fmt: skip
    write(paths, Table.GAPS, day, [
        hole(at(day, 9, 30), at(day, 10), 10, 60),
        hole(at(day, 16, 30), at(day, 17), 70, 90, cause="disconnect"),
    ])  # fmt: skip
    found = build_completeness(paths, day)
    kept = found.rows.select(
        "symbol", "session", "trades", "volume", "holes", "hole_volume", "backfilled_trades",
        "backfilled_volume", "missing_volume", "explained_volume", "reasons",
    )  # fmt: skip
    # The trade that was sent twice counts once.
    assert kept.rows() == [
        ("000660", "regular", 1, 7, 0, 0, 0, 0, 0, 0, ""),
        ("005930", "after_market", 2, 10, 1, 20, 0, 0, 20, 20, "disconnect 1"),
        ("005930", "regular", 2, 15, 1, 50, 2, 30, 20, 0, "unexplained 1"),
    ]
    assert found.rows["coverage"].to_list() == [1.0, 1 - 20 / 30, 1 - 20 / 65]
    assert found.rows["first_hole_at"].to_list() == [None, at(day, 16, 30), at(day, 9, 30)]
    assert scan(paths, Table.COMPLETENESS, day).collect().equals(found.rows)


def test_a_hole_without_a_trade_around_it_has_its_row(paths, day):
    """Nothing of the session was received at all."""
    write(paths, Table.GAPS, day, [hole(at(day, 10), at(day, 11), 0, 100, channel="H0NXCNT0")])
    [row] = build_completeness(paths, day).rows.to_dicts()
    assert (row["venue"], row["volume"], row["missing_volume"], row["coverage"]) == ("NXT", 0, 100, 0.0)


def test_the_same_day_gives_the_same_bytes_and_an_empty_one_none(paths, day):
    assert build_completeness(paths, day).path is None
    write(paths, Table.SCALP_TRADES, day, [trade(at(day, 9, 30), 10, 10)])
    first = build_completeness(paths, day).path
    content = first.read_bytes()
    assert build_completeness(paths, day).path == first
    assert first.read_bytes() == content


def test_the_account_of_a_closed_day_moves_to_its_files(paths, journal):
    journal.segment([journal.trade()], hour=9)
    close_day(paths, journal.day)
    found = build_completeness(paths, journal.day)
    assert found.path == paths.lake_day(Table.COMPLETENESS, journal.day)
    assert found.rows["trades"].sum() == 1
    assert not paths.lake_open_day(Table.COMPLETENESS, journal.day).exists()


def told(journal, *records, hour):
    """Writes the control records of a process: hour, minute, kind and what it tells."""
    lines = []
    for (at_hour, minute), kind, payload in records:
        line = journal.control(kind, **payload)
        line["wall_ns"] = journal.at(at_hour, minute)
        lines.append(line)
    journal.segment(lines, hour=hour)


def registered(moment, symbol):
    channel = {"channel": "H0STCNT0", "symbol": symbol}
    return [
        (moment, "slot", {"symbol": symbol, "action": "enter", "channels": ["H0STCNT0"]}),
        (moment, "subscribe", {**channel, "action": "register"}),
        (moment, "acknowledge", {**channel, "action": "register", "code": "OPSP0000"}),
    ]


def stated(paths, day, **volumes):
    """Lets the broker state the day's volume of a symbol on the KRX."""
    rows = [
        OfficialRow(
            symbol[1:], Venue.KRX, Answer.STATED, at(day, 20, 10), DailyFigures(1, 1, 1, 1, volume, 1)
        )
        for symbol, volume in volumes.items()
    ]
    write_official(paths, day, rows)


def account(found):
    columns = ("symbol", "session", "volume", "hole_volume", "missing_volume", "explained_volume", "reasons")
    return found.rows.select(columns).rows()


def test_a_collector_that_began_late_lacks_what_was_traded_before(paths, journal, day):
    """Up from 09:50 only: the first trades of 10 shares each tell of 22 and 100 more. Of a symbol that was
    selected at 12:00 nothing was for us to record before."""
    began = [((9, 50), "start", {}), *registered((9, 50), "005930"), *registered((12, 0), "000660")]
    told(journal, *began, hour=9)
    write(paths, Table.SCALP_TRADES, day, [
        trade(at(day, 9, 51), 10, 32), trade(at(day, 15, 30), 10, 42),
        trade(at(day, 12, 1), 10, 110, symbol="000660"),
    ])  # fmt: skip
    found = build_completeness(paths, day)
    assert account(found) == [
        ("000660", "regular", 10, 0, 0, 0, ""),
        ("005930", "regular", 20, 22, 22, 22, "outage 1"),
    ]
    assert found.rows["coverage"].to_list() == [1.0, 1 - 22 / 42]
    assert found.rows["first_hole_at"].to_list() == [None, at(day, 9)]
    assert found.rows["last_hole_at"].to_list() == [None, at(day, 9, 51)]
    assert (found.missing_by_reason, found.apart) == ({"outage": 22}, {"before_watch": 100})
    assert not found.measured


def test_a_collector_that_ended_early_lacks_what_the_broker_states_beyond_it(paths, journal, day):
    """Dead from 19:05; the symbol that was released at 18:00 by choice lacks nothing of ours."""
    released = {"channel": "H0STCNT0", "symbol": "000660", "action": "release", "code": "OPSP0001"}
    told(
        journal,
        ((7, 30), "start", {}),
        *registered((7, 30), "005930"),
        *registered((7, 31), "000660"),
        ((18, 0), "acknowledge", released),
        ((19, 5), "stop", {}),
        hour=7,
    )
    write(paths, Table.SCALP_TRADES, day, [
        trade(at(day, 9), 10, 10), trade(at(day, 19, 4), 10, 20, "3"),
        trade(at(day, 9), 10, 10, symbol="000660"),
    ])  # fmt: skip
    assert build_completeness(paths, day).rows["missing_volume"].sum() == 0, "nobody can know it yet"
    stated(paths, day, _005930=50, _000660=17)
    found = build_completeness(paths, day)
    assert account(found) == [
        ("000660", "regular", 10, 0, 0, 0, ""),
        ("005930", "after_market", 10, 30, 30, 30, "outage 1"),
        ("005930", "regular", 10, 0, 0, 0, ""),
    ]
    assert (found.missing_by_reason, found.apart) == ({"outage": 30}, {"after_watch": 7})
    assert found.measured


def test_shares_before_the_first_trade_of_a_watched_symbol_are_unexplained(paths, journal, day):
    told(journal, ((7, 30), "start", {}), *registered((7, 30), "005930"), hour=7)
    write(paths, Table.SCALP_TRADES, day, [trade(at(day, 9, 5), 10, 15)])
    assert account(build_completeness(paths, day)) == [("005930", "regular", 10, 5, 5, 0, "unexplained 1")]


def test_a_hole_at_the_begin_is_counted_once(paths, day):
    """The collector has measured a part of it itself."""
    write(paths, Table.SCALP_TRADES, day, [trade(at(day, 10), 10, 60)])
    write(paths, Table.GAPS, day, [hole(at(day, 9), at(day, 10), 20, 50, cause="restart")])
    [row] = build_completeness(paths, day).rows.to_dicts()
    assert (row["hole_volume"], row["missing_volume"]) == (50, 50)
    assert row["reasons"] == "restart 1, unexplained 1"


def test_a_symbol_of_which_nothing_came_has_its_row_once_the_broker_states_its_day(paths, journal, day):
    """Registered all day and no trade: what looks like a quiet symbol is a loss, or is one indeed."""
    told(
        journal,
        ((7, 30), "start", {}),
        *registered((7, 30), "005930"),
        *registered((7, 30), "000660"),
        ((7, 30), "slot", {"symbol": "035720", "action": "stay", "channels": ["H0STCNT0"]}),
        ((8, 0), "slot", {"symbol": "035720", "action": "leave", "channels": ["H0STCNT0"]}),
        hour=7,
    )
    assert pairs_to_compare(paths, day) == [("000660", Venue.KRX), ("005930", Venue.KRX)]
    nothing = build_completeness(paths, day)
    assert (nothing.path, nothing.measured) == (None, False)
    stated(paths, day, _005930=50, _000660=0)
    found = build_completeness(paths, day)
    assert account(found) == [("005930", "regular", 0, 50, 50, 0, "unexplained 1")]
    assert found.rows["coverage"].to_list() == [0.0]
    assert (found.rows["first_hole_at"][0], found.rows["last_hole_at"][0]) == (at(day, 9), at(day, 20))
    assert found.measured
    assert [(one.symbol, one.outcome, one.unexplained) for one in reconcile_day(paths, day)] == [
        ("000660", Outcome.AGREES, 0),
        ("005930", Outcome.UNEXPLAINED, 50),
    ]


def test_a_symbol_that_was_never_registered_lacks_its_day_in_an_outage(paths, journal, day):
    """Selected in time and never confirmed; of the one that the broker has no row of, nothing is missing."""
    told(
        journal,
        ((7, 30), "start", {}),
        *registered((7, 30), "005930")[:2],
        *registered((7, 30), "000660"),
        hour=7,
    )
    stated(paths, day, _005930=50)
    write_official(paths, day, [OfficialRow("000660", Venue.KRX, Answer.NO_ROW, at(day, 20, 10))])
    found = build_completeness(paths, day)
    assert account(found) == [("005930", "regular", 0, 50, 50, 50, "outage 1")]
    assert (found.missing_by_reason, found.measured) == ({"outage": 50}, True)


@pytest.mark.parametrize(
    "payload", ["{}", "[]", '{"action":"enter","symbol":"000660","channels":5}', '{"action":"swap"}', "no"]
)
def test_a_slot_of_another_form_counts_for_nothing_and_stops_no_day(paths, journal, day, payload):
    """Another version wrote it: its checksum fits."""
    odd = journal.line("_control", "slot", payload)
    stays = journal.control("slot", symbol="005930", action="stay", channels=["H0STCNT0"])
    journal.segment([odd, stays], hour=9)
    assert pairs_to_compare(paths, day) == [("005930", Venue.KRX)]


def test_a_loss_is_still_told_when_the_segments_have_left(paths, journal, day):
    """Who was selected stood in them; that the broker was asked stands in the lake."""
    told(journal, ((7, 30), "start", {}), *registered((7, 30), "005930"), hour=7)
    stated(paths, day, _005930=50)
    assert build_completeness(paths, day).missing_by_reason == {"unexplained": 50}
    keep_manifests(paths, Track.SCALP, day, manifests_of(paths, Track.SCALP, day))
    for path in paths.journal(Track.SCALP, day).iterdir():
        path.unlink()
    [compared] = reconcile_day(paths, day)
    assert compared.reasons == {Reason.JOURNAL_DEPARTED: 50}
    assert build_completeness(paths, day).apart == {"journal_departed": 50}


def test_shares_of_a_recorded_hole_are_counted_once_where_no_trade_is_there(paths, journal, day):
    told(journal, ((7, 30), "start", {}), *registered((7, 30), "005930"), hour=7)
    write(paths, Table.GAPS, day, [hole(at(day, 9), at(day, 10), 0, 20, cause="restart")])
    stated(paths, day, _005930=50)
    found = build_completeness(paths, day)
    assert found.missing_by_reason == {"restart": 20, "unexplained": 30}
    assert found.rows["hole_volume"].sum() == 50


def test_a_day_that_the_broker_says_nobody_traded_is_measured(paths, journal, day):
    told(journal, ((7, 30), "start", {}), *registered((7, 30), "005930"), hour=7)
    stated(paths, day, _005930=0)
    found = build_completeness(paths, day)
    assert (found.path, found.measured) == (None, True)
