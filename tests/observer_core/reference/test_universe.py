"""The filters of the universe, and its file (architecture, "Universe, default")."""

import json
from datetime import date, datetime, timedelta

import pytest

from observer_core.clock import KST
from observer_core.errors import InputError
from observer_core.reference.instrument import Market
from observer_core.reference.listing import read_listing
from observer_core.reference.symbols import Symbols
from observer_core.reference.universe import (
    build_universe,
    earlier_universe,
    ensure_universe,
    exclusion,
    read_universe,
)
from observer_core.settings import UniverseSettings

DAY = date(2026, 9, 15)
DEFAULT = UniverseSettings.load({})


def symbols(*instruments) -> Symbols:
    return Symbols(DAY, "kis-master", datetime(2026, 9, 15, 7, 30, tzinfo=KST), (), instruments, DAY)


@pytest.mark.parametrize(
    ("changes", "reason", "setting"),
    [
        ({}, None, {}),
        ({"group": "EF"}, "group", {"OBSERVER_UNIVERSE_GROUPS": "ST,EF"}),
        ({"spac": True}, "spac", {"OBSERVER_UNIVERSE_EXCLUDE_SPAC": "0"}),
        ({"preferred_class": "1"}, "preferred", {"OBSERVER_UNIVERSE_COMMON_ONLY": "0"}),
        ({"preferred_class": "9"}, "preferred", {"OBSERVER_UNIVERSE_COMMON_ONLY": "0"}),
        ({"suspended": True}, "suspended", {"OBSERVER_UNIVERSE_EXCLUDE_SUSPENDED": "0"}),
        ({"liquidation": True}, "liquidation", {"OBSERVER_UNIVERSE_EXCLUDE_LIQUIDATION": "0"}),
        ({"base_price": 3999}, "price", {"OBSERVER_UNIVERSE_MINIMUM_PRICE": "3999"}),
        ({"base_price": 4000}, None, {}),
    ],
)
def test_each_filter_excludes_and_is_a_setting(instrument, changes, reason, setting):
    assert exclusion(instrument(**changes), DEFAULT) == reason
    assert exclusion(instrument(**changes), UniverseSettings.load(setting)) is None


def test_the_first_reason_in_order_counts(instrument):
    everything = {
        "group": "EF",
        "spac": True,
        "preferred_class": "1",
        "suspended": True,
        "liquidation": True,
        "base_price": 1,
    }
    reasons = []
    for name in list(everything):
        reasons.append(exclusion(instrument(**everything), DEFAULT))
        del everything[name]
    assert reasons == ["group", "spac", "preferred", "suspended", "liquidation", "price"]


def test_the_real_listing_gives_the_real_universe():
    """1,577 common shares of at least 4,000 KRW (platform facts); 18 are halted, one is in liquidation."""
    source = {"symbols_date": DAY, "source": "packaged-listing"}
    universe = build_universe(read_listing(), DEFAULT, DAY, **source)
    assert universe.rows == 4315
    assert universe.size == 1558
    assert sum(universe.excluded.values()) + universe.size == universe.rows
    relaxed = UniverseSettings.load(
        {"OBSERVER_UNIVERSE_EXCLUDE_SUSPENDED": "0", "OBSERVER_UNIVERSE_EXCLUDE_LIQUIDATION": "0"}
    )
    assert build_universe(read_listing(), relaxed, DAY, **source).size == 1577


def test_filters_that_leave_nothing_are_an_error() -> None:
    """A typing mistake in a variable must not look like a day without shares."""
    nothing = UniverseSettings.load({"OBSERVER_UNIVERSE_GROUPS": "XX"})
    with pytest.raises(InputError, match="No instrument of 4315 passes"):
        build_universe(read_listing(), nothing, DAY, symbols_date=DAY, source="packaged-listing")


def test_the_file_has_the_agreed_form(paths, instrument):
    made = symbols(
        instrument("005930"), instrument("000660", market=Market.KOSDAQ), instrument("1", spac=True)
    )
    universe = ensure_universe(paths, made, DEFAULT, DAY)
    assert paths.universe(DAY).name == "20260915_kr_stocks.json"
    assert json.loads(paths.universe(DAY).read_bytes()) == {
        "format": 1,
        "date": "2026-09-15",
        "symbols_date": "2026-09-15",
        "source": "kis-master",
        "rows": 3,
        "universe_size": 2,
        "excluded": {"group": 0, "spac": 1, "preferred": 0, "suspended": 0, "liquidation": 0, "price": 0},
        "filters": {
            "minimum_price": 4000,
            "groups": ["ST"],
            "common_only": True,
            "exclude_spac": True,
            "exclude_suspended": True,
            "exclude_liquidation": True,
        },
        "symbols": [
            {
                "code": "000660",
                "name": "이름",
                "market": "KOSDAQ",
                "base_price": 10000,
                "previous_volume": 1000,
            },
            {
                "code": "005930",
                "name": "이름",
                "market": "KOSPI",
                "base_price": 10000,
                "previous_volume": 1000,
            },
        ],
    }
    assert read_universe(paths.universe(DAY)) == universe


def test_a_written_day_is_never_written_again(paths, instrument):
    """Incident I-29: a universe rebuilt in mid-session from running prices."""
    first = ensure_universe(paths, symbols(instrument("005930")), DEFAULT, DAY)
    before = paths.universe(DAY).read_bytes()
    assert ensure_universe(paths, symbols(instrument("000660")), DEFAULT, DAY) == first
    assert paths.universe(DAY).read_bytes() == before


def test_an_empty_universe_is_refused_and_not_written(paths, instrument):
    with pytest.raises(InputError, match="No instrument of 1 passes the filters"):
        ensure_universe(paths, symbols(instrument(suspended=True)), DEFAULT, DAY)
    assert not paths.universe(DAY).exists()


def test_failover_takes_the_newest_earlier_day(paths, instrument):
    for days in (3, 9):
        ensure_universe(paths, symbols(instrument()), DEFAULT, DAY - timedelta(days=days))
    ensure_universe(paths, symbols(instrument()), DEFAULT, DAY)
    assert earlier_universe(paths, DAY).day == DAY - timedelta(days=3)
    with pytest.raises(InputError, match="no universe within 14 days"):
        earlier_universe(paths, DAY - timedelta(days=9))


@pytest.mark.parametrize("content", [None, "", "[]", '{"format":2}', '{"format":1,"date":"x"}'])
def test_a_missing_or_damaged_file_names_itself(paths, content):
    if content is not None:
        paths.universe(DAY).write_text(content)
    with pytest.raises(InputError, match="20260915_kr_stocks") as raised:
        read_universe(paths.universe(DAY))
    # Each remedy helps: what is missing cannot be moved away, and what is there is never written again.
    missing, later = content is None, content == '{"format":2}'
    wanted = "Run refresh_reference" if missing else "Deploy the release" if later else "Move the file away"
    assert raised.value.remedy.startswith(wanted)


def test_a_universe_file_nested_too_deeply_is_a_damaged_one(tmp_path):
    path = tmp_path / "universe.json"
    path.write_bytes(b"[" * 100_000)
    with pytest.raises(InputError, match="nested too deeply"):
        read_universe(path)
