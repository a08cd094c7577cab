"""The stages of the symbols: order, plausibility, fallbacks, and what is written."""

import json
from datetime import date, datetime, timedelta

import pytest

from observer_core.clock import KST, StepClock
from observer_core.errors import InputError, NetworkError
from observer_core.reference.choosing import build_symbols
from observer_core.reference.listing import LISTING_DATE, read_listing
from observer_core.reference.stages import (
    KisMasterStage,
    KiwoomStage,
    LastGoodStage,
    PackagedListingStage,
    default_stages,
)
from observer_core.reference.symbols import Loaded, Outcome, last_good_symbols, read_symbols
from observer_core.reference.universe import ensure_universe
from observer_core.settings import KisSettings, KiwoomSettings, UniverseSettings

DAY = date(2026, 9, 15)
NOW = datetime(2026, 9, 15, 7, 30, tzinfo=KST)


class Source:
    """A stage that answers what a test gives it."""

    def __init__(self, name, answer):
        self.name = name
        self.answer = answer
        self.asked = 0

    async def load(self, day):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return Loaded(tuple(self.answer), "as told")


@pytest.fixture
def clock():
    return StepClock(NOW)


@pytest.fixture
def market(instrument):
    """Makes a market of so many instruments."""

    def make(count):
        return tuple(instrument(f"{number:06d}") for number in range(count))

    return make


async def test_the_first_plausible_source_wins_and_the_others_are_not_asked(paths, clock, market):
    first, second = Source("kis-master", market(1200)), Source("packaged-listing", market(1100))
    symbols = await build_symbols(paths, DAY, (first, second), clock)
    assert (symbols.source, len(symbols.instruments), symbols.is_live) == ("kis-master", 1200, True)
    assert [report.outcome for report in symbols.stages] == [Outcome.USED, Outcome.NOT_NEEDED]
    assert second.asked == 0


async def test_the_file_has_the_agreed_form(paths, clock, market):
    await build_symbols(paths, DAY, (Source("kis-master", market(1000)),), clock)
    content = json.loads(paths.symbols(DAY).read_bytes())
    assert paths.symbols(DAY).name == "symbols_20260915.json"
    assert {name: content[name] for name in ("format", "date", "source", "created")} == {
        "format": 1,
        "date": "2026-09-15",
        "source": "kis-master",
        "created": "2026-09-15T07:30:00+09:00",
    }
    assert content["stages"] == [
        {"name": "kis-master", "outcome": "used", "reason": "as told", "seconds": 0.0, "count": 1000}
    ]
    assert content["symbols"][0] == {
        "code": "000000",
        "isin": "KR7005930003",
        "name": "이름",
        "market": "KOSPI",
        "group": "ST",
        "preferred_class": "0",
        "spac": False,
        "suspended": False,
        "liquidation": False,
        "base_price": 10000,
        "previous_volume": 1000,
        "listed_shares": 1000000,
    }


async def test_a_written_day_is_never_written_again(paths, clock, market):
    first = await build_symbols(paths, DAY, (Source("kis-master", market(1000)),), clock)
    before = paths.symbols(DAY).read_bytes()
    later = Source("kis-master", market(1100))
    assert await build_symbols(paths, DAY, (later,), clock) == first
    assert later.asked == 0
    assert paths.symbols(DAY).read_bytes() == before


async def test_a_failed_source_is_followed_by_the_next_with_its_reason(paths, clock, market):
    failed = Source("kis-master", NetworkError("no route", remedy="Wait."))
    symbols = await build_symbols(paths, DAY, (failed, Source("packaged-listing", market(1000))), clock)
    assert symbols.source == "packaged-listing"
    assert not symbols.is_live
    assert symbols.stages[0].outcome is Outcome.FAILED
    assert symbols.stages[0].reason == "no route Remedy: Wait."


async def test_a_bug_is_not_taken_for_a_failed_source(paths, clock, market):
    with pytest.raises(KeyError):
        await build_symbols(paths, DAY, (Source("kis-master", KeyError("bug")),), clock)
    assert not paths.symbols(DAY).exists()


async def test_a_source_without_symbols_is_skipped(paths, clock, market):
    symbols = await build_symbols(
        paths, DAY, (LastGoodStage(paths), Source("packaged-listing", market(1000))), clock
    )
    assert symbols.stages[0].outcome is Outcome.SKIPPED
    assert symbols.stages[0].reason == "this deployment has no earlier file from a broker"


@pytest.mark.parametrize(("count", "wins"), [(999, False), (1000, True)])
async def test_fewer_than_a_thousand_symbols_are_implausible(paths, clock, market, count, wins):
    fallback = Source("packaged-listing", market(1500))
    symbols = await build_symbols(paths, DAY, (Source("kis-master", market(count)), fallback), clock)
    assert (symbols.source == "kis-master") is wins


@pytest.mark.parametrize(("count", "wins"), [(1599, False), (1600, True), (2400, True), (2401, False)])
async def test_more_than_a_fifth_away_from_the_last_good_file_is_implausible(
    paths, clock, market, count, wins
):
    yesterday = DAY - timedelta(days=1)
    await build_symbols(paths, yesterday, (Source("kis-master", market(2000)),), clock)
    stages = (Source("kis-master", market(count)), LastGoodStage(paths))
    symbols = await build_symbols(paths, DAY, stages, clock)
    assert (symbols.source == "kis-master") is wins
    if not wins:
        assert f"implausible: {count} symbols after 2000 in the last good file" in symbols.stages[0].reason
        assert symbols.source == "last-good"
        assert symbols.stages[1].reason == "symbols of 2026-09-14 from kis-master"


async def test_a_fallback_file_is_not_a_good_one(paths, clock, market):
    """Else a copy of a copy would keep a deployment on its first listing for ever."""
    await build_symbols(paths, DAY - timedelta(days=2), (Source("kis-master", market(1300)),), clock)
    await build_symbols(paths, DAY - timedelta(days=1), (Source("packaged-listing", market(1400)),), clock)
    assert last_good_symbols(paths, DAY).day == DAY - timedelta(days=2)
    assert last_good_symbols(paths, DAY - timedelta(days=2)) is None


async def test_a_damaged_earlier_file_is_passed_over(paths, clock, market):
    await build_symbols(paths, DAY - timedelta(days=2), (Source("kis-master", market(1300)),), clock)
    paths.symbols(DAY - timedelta(days=1)).write_text("{")
    assert last_good_symbols(paths, DAY).day == DAY - timedelta(days=2)


async def test_a_damaged_last_good_file_is_a_failure_of_its_stage(paths, clock, market):
    """And not a file that never was: somebody can restore it."""
    stages = (LastGoodStage(paths), Source("packaged-listing", market(1400)))
    earlier = paths.symbols(DAY - timedelta(days=1))
    earlier.parent.mkdir(parents=True, exist_ok=True)
    earlier.write_text("{")
    symbols = await build_symbols(paths, DAY, stages, clock)
    assert symbols.stages[0].outcome is Outcome.FAILED
    assert earlier.name in symbols.stages[0].reason


async def test_the_last_good_file_tells_what_was_passed_over(paths, clock, market):
    await build_symbols(paths, DAY - timedelta(days=2), (Source("kis-master", market(1300)),), clock)
    paths.symbols(DAY - timedelta(days=1)).write_text("{")
    symbols = await build_symbols(paths, DAY, (LastGoodStage(paths),), clock)
    assert "symbols of 2026-09-13 from kis-master; passed over: " in symbols.stages[0].reason


async def test_without_any_source_the_error_tells_what_each_said(paths, clock, market):
    stages = (Source("kis-master", NetworkError("no route")), Source("packaged-listing", market(5)))
    with pytest.raises(InputError, match=r"kis-master: no route; packaged-listing: implausible: 5 symbols"):
        await build_symbols(paths, DAY, stages, clock)
    assert not paths.symbols(DAY).exists()
    health = json.loads(paths.symbol_health.read_bytes())["stages"]
    assert health["kis-master"]["outcome"] == "failed"


async def test_health_keeps_the_last_outcome_of_each_stage(paths, clock, market):
    failing = (Source("kis-master", NetworkError("no route")), Source("packaged-listing", market(1000)))
    await build_symbols(paths, DAY, failing, clock)
    await clock.advance_to(NOW + timedelta(days=1))
    working = (Source("kis-master", market(1000)), Source("packaged-listing", market(1000)))
    await build_symbols(paths, DAY + timedelta(days=1), working, clock)
    stages = json.loads(paths.symbol_health.read_bytes())["stages"]
    assert (stages["kis-master"]["outcome"], stages["kis-master"]["at"]) == (
        "used",
        "2026-09-16T07:30:00+09:00",
    )
    # It was not needed the second time and keeps what it did the first.
    assert (stages["packaged-listing"]["outcome"], stages["packaged-listing"]["count"]) == ("used", 1000)
    assert stages["packaged-listing"]["at"] == "2026-09-15T07:30:00+09:00"


@pytest.mark.parametrize("content", ["", "[]", '{"stages":[]}'])
async def test_a_damaged_health_file_is_begun_anew(paths, clock, market, content):
    paths.symbol_health.write_text(content)
    await build_symbols(paths, DAY, (Source("kis-master", market(1000)),), clock)
    assert list(json.loads(paths.symbol_health.read_bytes())["stages"]) == ["kis-master"]


@pytest.mark.parametrize("content", ["", "[]", '{"format":1,"date":"x"}'])
def test_a_damaged_file_names_itself(paths, content):
    path = paths.symbols(DAY)
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(InputError, match=r"symbols_20260915.* Remedy: Move the file away, then run"):
        read_symbols(path)


def test_a_missing_file_is_written_by_a_refresh_and_one_of_a_later_release_by_none(paths):
    """Each remedy is one that helps: nothing can be moved away that is not there."""
    path = paths.symbols(DAY)
    with pytest.raises(InputError, match=r"There is no symbols file .* Remedy: Run refresh_reference"):
        read_symbols(path)
    path.parent.mkdir()
    path.write_text('{"format":2}')
    with pytest.raises(InputError, match=r"format 2 instead of 1\. Remedy: Deploy the release"):
        read_symbols(path)


async def test_a_failure_that_the_caller_waits_for_leaves_the_day_open(paths, clock, market):
    """Nothing is settled by one bad minute; what the source said is kept all the same."""
    stages = (Source("kis-master", NetworkError("no route")), Source("packaged-listing", market(1000)))
    with pytest.raises(NetworkError, match="no route"):
        await build_symbols(paths, DAY, stages, clock, try_again=lambda error: True)
    assert not paths.symbols(DAY).exists()
    assert stages[1].asked == 0
    health = json.loads(paths.symbol_health.read_bytes())["stages"]
    assert (health["kis-master"]["outcome"], health["kis-master"]["reason"]) == ("failed", "no route")
    stages[0].answer = market(1200)
    symbols = await build_symbols(paths, DAY, stages, clock, try_again=lambda error: True)
    assert (symbols.source, symbols.replaces) == ("kis-master", "")


@pytest.fixture
async def degraded(paths, clock, market):
    """The day's symbols came from the third of four sources."""
    stages = (
        Source("kis-master", NetworkError("no route")),
        Source("kiwoom", ()),
        Source("last-good", market(1100)),
        Source("packaged-listing", market(1000)),
    )
    await build_symbols(paths, DAY, stages, clock)
    return stages


async def test_before_the_session_a_better_source_takes_the_place_of_a_worse_one(
    paths, clock, market, degraded
):
    degraded[0].answer = market(1200)
    await clock.advance_to(NOW + timedelta(minutes=50))
    symbols = await build_symbols(paths, DAY, degraded, clock)
    assert (symbols.source, len(symbols.instruments)) == ("kis-master", 1200)
    assert symbols.replaces == "last-good of 2026-09-15T07:30:00+09:00"
    assert [(one.name, one.outcome) for one in symbols.stages] == [
        ("kis-master", Outcome.USED),
        ("kiwoom", Outcome.NOT_NEEDED),
        ("last-good", Outcome.NOT_NEEDED),
        ("packaged-listing", Outcome.NOT_NEEDED),
    ]
    assert read_symbols(paths.symbols(DAY)) == symbols
    assert json.loads(paths.symbols(DAY).read_bytes())["replaces"] == symbols.replaces


async def test_symbols_stay_as_they_are_where_nothing_better_is_had(paths, clock, degraded):
    before = paths.symbols(DAY).read_bytes()
    assert (await build_symbols(paths, DAY, degraded, clock)).source == "last-good"
    assert paths.symbols(DAY).read_bytes() == before
    # The two that would be better were asked again, those that would not were not.
    assert [source.asked for source in degraded] == [2, 2, 1, 0]


@pytest.mark.parametrize("used_by", ["a universe", "the session"])
async def test_symbols_that_are_in_use_are_never_written_again(paths, clock, market, degraded, used_by):
    """A universe is immutable, and what it was made from with it; so is the day once it has begun."""
    before = paths.symbols(DAY).read_bytes()
    if used_by == "a universe":
        ensure_universe(paths, read_symbols(paths.symbols(DAY)), UniverseSettings.load({}), DAY)
    else:
        await clock.advance_to(NOW + timedelta(hours=1))
    degraded[0].answer = market(1200)
    assert (await build_symbols(paths, DAY, degraded, clock)).source == "last-good"
    assert paths.symbols(DAY).read_bytes() == before
    assert degraded[0].asked == 1


async def test_without_network_a_new_deployment_has_the_packaged_listing(paths, clock, unused_tcp_port):
    settings = KisSettings.load({"KIS_MASTER_URL": f"http://127.0.0.1:{unused_tcp_port}/"})
    stages = default_stages(settings, KiwoomSettings.load({}), paths, clock)
    symbols = await build_symbols(paths, DAY, stages, clock)
    assert symbols.source == "packaged-listing"
    assert symbols.instruments == read_listing()
    assert [(report.name, report.outcome) for report in symbols.stages] == [
        ("kis-master", Outcome.FAILED),
        ("kiwoom", Outcome.SKIPPED),
        ("last-good", Outcome.SKIPPED),
        ("packaged-listing", Outcome.USED),
    ]
    assert symbols.stages[1].reason == "KIWOOM_APP_KEY and KIWOOM_APP_SECRET are not set"
    assert read_symbols(paths.symbols(DAY)) == symbols


def test_the_sources_come_in_the_order_of_preference(paths, clock):
    stages = default_stages(KisSettings.load({}), KiwoomSettings.load({}), paths, clock)
    kinds = [type(stage) for stage in stages]
    assert kinds == [KisMasterStage, KiwoomStage, LastGoodStage, PackagedListingStage]


async def test_nothing_is_written_for_a_day_to_come(paths, clock, market):
    """It would stand on the day itself, when the broker knows better."""
    source = Source("kis-master", market(1200))
    with pytest.raises(InputError, match="2026-09-16 cannot be known on 2026-09-15"):
        await build_symbols(paths, date(2026, 9, 16), (source,), clock)
    assert not source.asked
    assert not paths.symbols(date(2026, 9, 16)).exists()


async def test_for_an_earlier_day_no_broker_is_asked(paths, clock, unused_tcp_port):
    """Today's list would be that day's symbols for ever; the next stages say whose day theirs is of."""
    day = date(2026, 9, 1)
    settings = KisSettings.load({"KIS_MASTER_URL": f"http://127.0.0.1:{unused_tcp_port}/"})
    kiwoom = KiwoomSettings.load({"KIWOOM_APP_KEY": "k" * 43, "KIWOOM_APP_SECRET": "s" * 43})
    symbols = await build_symbols(paths, day, default_stages(settings, kiwoom, paths, clock), clock)
    told = f"it lists what is traded today, 2026-09-15, and not on {day}"
    assert [(report.outcome, report.reason) for report in symbols.stages[:2]] == [(Outcome.SKIPPED, told)] * 2
    assert (symbols.source, symbols.as_of) == ("packaged-listing", LISTING_DATE)
    universe = ensure_universe(paths, symbols, UniverseSettings.load({}), day)
    assert universe.symbols_date == LISTING_DATE


async def test_on_a_day_without_trading_the_list_is_that_of_the_last_trading_day(paths, unused_tcp_port):
    """On Saturday the broker is asked for Friday; nobody answers here."""
    saturday = StepClock(datetime(2026, 9, 19, 10, 0, tzinfo=KST))
    settings = KisSettings.load({"KIS_MASTER_URL": f"http://127.0.0.1:{unused_tcp_port}/"})
    stages = default_stages(settings, KiwoomSettings.load({}), paths, saturday)
    symbols = await build_symbols(paths, date(2026, 9, 18), stages, saturday)
    assert symbols.stages[0].outcome is Outcome.FAILED


async def test_the_last_good_file_tells_the_day_it_speaks_of(paths, clock, market):
    """Through any number of days on which nothing better is had, and through the file."""
    good = await build_symbols(paths, date(2026, 9, 11), (Source("kis-master", market(1200)),), clock)
    assert good.as_of == date(2026, 9, 11)
    symbols = await build_symbols(paths, DAY, (LastGoodStage(paths),), clock)
    assert read_symbols(paths.symbols(DAY)).as_of == symbols.as_of == date(2026, 9, 11)
