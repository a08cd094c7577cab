"""A list speaks of the session it was packed for: the freshest plausible one wins, and says its day."""

from datetime import date, datetime, timedelta

import pytest

from observer_core.clock import KST, StepClock
from observer_core.errors import NetworkError, StaleListError
from observer_core.reference.choosing import build_symbols
from observer_core.reference.stages import LastGoodStage, session_listed
from observer_core.reference.symbols import Loaded, Outcome, read_symbols
from observer_core.reference.universe import ensure_universe
from observer_core.settings import UniverseSettings

DAY = date(2026, 9, 15)
YESTERDAY = date(2026, 9, 14)
NOW = datetime(2026, 9, 15, 8, 5, tzinfo=KST)


class Source:
    """A stage that lists a day, as a test tells it."""

    def __init__(self, name, instruments, as_of=None):
        self.name, self.instruments, self.as_of, self.asked = name, instruments, as_of, 0

    async def load(self, day):
        self.asked += 1
        if isinstance(self.instruments, Exception):
            raise self.instruments
        return Loaded(tuple(self.instruments), "packed as told", as_of=self.as_of)


@pytest.fixture
def clock():
    return StepClock(NOW)


@pytest.fixture
def market(instrument):
    """Makes a market of so many instruments."""

    def make(count):
        return tuple(instrument(f"{number:06d}") for number in range(count))

    return make


def outcomes(symbols):
    return [report.outcome for report in symbols.stages]


@pytest.mark.parametrize(
    ("packed_at", "listed"),
    [
        # The two archives of the real recording: Monday 2026-03-09, 07:35:06 and 07:55:06.
        ("2026-03-09 07:35:06", date(2026, 3, 9)),
        ("2026-03-09 07:55:06", date(2026, 3, 9)),
        # While the session runs the list is still that of its morning; once it is over, of the next one.
        ("2026-09-14 19:59:00", date(2026, 9, 14)),
        ("2026-09-14 20:00:00", date(2026, 9, 15)),
        # Friday's files are not Monday's; what is packed over the weekend has Friday's closes.
        ("2026-09-11 07:55:00", date(2026, 9, 11)),
        ("2026-09-12 07:55:00", date(2026, 9, 14)),
        # Thursday 2026-09-24 and Friday are Chuseok; the exchange is open again on Monday.
        ("2026-09-24 07:55:00", date(2026, 9, 28)),
        # What a program writes that knows no time; the calendar knows no holidays of then.
        ("1980-01-01 00:00:00", date(1980, 1, 1)),
    ],
)
def test_a_list_is_of_the_session_that_is_not_over_when_it_is_packed(packed_at, listed):
    assert session_listed(datetime.fromisoformat(f"{packed_at}+09:00")) == listed


async def test_a_stale_list_is_waited_for_like_a_busy_server(paths, clock, market):
    stages = (Source("kis-master", market(1200), YESTERDAY), Source("packaged-listing", market(1000)))
    with pytest.raises(StaleListError, match=r"stale: of 2026-09-14 and not of 2026-09-15; packed as told"):
        await build_symbols(paths, DAY, stages, clock, try_again=lambda error: True)
    assert not paths.symbols(DAY).exists()
    assert stages[1].asked == 0


async def test_a_stale_list_gives_way_to_a_broker_that_lists_the_day(paths, clock, market):
    stages = (Source("kis-master", market(1200), YESTERDAY), Source("kiwoom", market(1300)))
    symbols = await build_symbols(paths, DAY, stages, clock)
    assert (symbols.source, symbols.as_of) == ("kiwoom", DAY)
    assert outcomes(symbols) == [Outcome.FAILED, Outcome.USED]
    assert symbols.stages[0].reason == "stale: of 2026-09-14 and not of 2026-09-15; packed as told"


async def test_a_stale_list_is_used_where_nothing_is_fresher_and_says_its_day(paths, clock, market):
    """The last good file is of the same day, the listing of an earlier one."""
    await build_symbols(paths, YESTERDAY, (Source("kis-master", market(1200)),), clock)
    stages = (
        Source("kis-master", market(1210), YESTERDAY),
        Source("kiwoom", NetworkError("no route")),
        LastGoodStage(paths),
        Source("packaged-listing", market(1100), date(2026, 3, 9)),
    )
    symbols = await build_symbols(paths, DAY, stages, clock)
    assert read_symbols(paths.symbols(DAY)) == symbols
    assert (symbols.source, symbols.as_of, len(symbols.instruments)) == ("kis-master", YESTERDAY, 1210)
    assert outcomes(symbols) == [Outcome.USED, Outcome.FAILED, Outcome.NOT_NEEDED, Outcome.NOT_NEEDED]
    assert "stale: of 2026-09-14" in symbols.stages[0].reason
    universe = ensure_universe(paths, symbols, UniverseSettings.load({}), DAY)
    assert universe.symbols_date == YESTERDAY


async def test_a_list_of_last_month_loses_to_the_last_good_file(paths, clock, market):
    await build_symbols(paths, YESTERDAY, (Source("kis-master", market(1200)),), clock)
    stages = (Source("kis-master", market(1210), date(2026, 8, 14)), LastGoodStage(paths))
    symbols = await build_symbols(paths, DAY, stages, clock)
    assert (symbols.source, symbols.as_of, len(symbols.instruments)) == ("last-good", YESTERDAY, 1200)
    assert outcomes(symbols) == [Outcome.FAILED, Outcome.USED]


async def test_a_list_of_a_later_day_is_the_last_choice(paths, clock, market):
    """It would tell what was not known on the day."""
    stages = (
        Source("kis-master", market(1200), date(2026, 9, 16)),
        Source("packaged-listing", market(1000), date(2026, 3, 9)),
    )
    symbols = await build_symbols(paths, DAY, stages, clock)
    assert (symbols.source, symbols.as_of) == ("packaged-listing", date(2026, 3, 9))


async def test_before_the_session_the_days_own_list_takes_the_place_of_a_stale_one(paths, clock, market):
    """From the very source that was stale before; a stale one takes nobody's place."""
    stages = (Source("kis-master", market(1200), YESTERDAY), Source("kiwoom", ()))
    await build_symbols(paths, DAY, stages, clock)
    assert (await build_symbols(paths, DAY, stages, clock)).replaces == ""
    stages[0].as_of = DAY
    await clock.advance_to(NOW + timedelta(minutes=10))
    symbols = await build_symbols(paths, DAY, stages, clock)
    assert (symbols.source, symbols.as_of, symbols.replaces) == (
        "kis-master",
        DAY,
        "kis-master of 2026-09-15T08:05:00+09:00",
    )
    assert outcomes(symbols) == [Outcome.USED, Outcome.NOT_NEEDED]


async def test_a_stale_list_takes_the_place_of_no_list_of_the_day(paths, clock, market):
    stages = (Source("kis-master", NetworkError("no route")), Source("kiwoom", market(1300)))
    known = await build_symbols(paths, DAY, stages, clock)
    stages[0].instruments, stages[0].as_of = market(1200), YESTERDAY
    assert await build_symbols(paths, DAY, stages, clock) == known


@pytest.mark.parametrize("repeated", [1, 1500])
async def test_a_code_that_stands_twice_is_implausible_however_many_rows_there_are(
    paths, clock, market, repeated
):
    """Rows are no symbols: two codes 1,500 times over are no market, nor is a market twice."""
    instruments = market(1500)
    doubled = instruments[:2] * 1500 if repeated == 1500 else (*instruments, instruments[0])
    stages = (Source("kis-master", doubled), Source("packaged-listing", market(1000)))
    symbols = await build_symbols(paths, DAY, stages, clock)
    assert symbols.source == "packaged-listing"
    assert "codes stand more than once, 000000 for one" in symbols.stages[0].reason


@pytest.mark.parametrize(("count", "wins"), [(6000, True), (6001, False)])
async def test_more_than_six_thousand_symbols_are_implausible(paths, clock, market, count, wins):
    """Both markets list 4,315 instruments (platform notes: 2,493 and 1,822 rows on 2026-03-09)."""
    stages = (Source("kis-master", market(count)), Source("packaged-listing", market(1000)))
    symbols = await build_symbols(paths, DAY, stages, clock)
    assert (symbols.source == "kis-master") is wins
