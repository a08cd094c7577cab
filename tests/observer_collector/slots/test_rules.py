"""From settings to rules; what is wrong is named."""

import pytest

from observer_collector.slots.registrations import Pair
from observer_collector.slots.rules import check_addresses, records_nxt, slot_rules, sweep_symbols
from observer_core.errors import ConfigurationError
from observer_core.settings import CollectorSettings, KisSettings

REAL, PAPER = KisSettings.load({}), KisSettings.load({"KIS_ENVIRONMENT": "paper"})


def rules(kis=REAL, **variables):
    return slot_rules(CollectorSettings.load(variables), kis)


def test_the_defaults_watch_indices_and_market_operations_beside_the_symbols():
    found = rules()
    assert found.fixed == tuple(Pair("H0UPCNT0", code) for code in ("0001", "1001", "2001"))
    assert (found.market_operation, found.channels) == ("H0STMKO0", ("H0STCNT0", "H0STASP0"))
    assert (found.registrations, found.dwell_seconds) == (41, 120)


def test_the_paper_environment_is_not_asked_for_what_it_does_not_have():
    """Broker reference, 7.0: trades and books of the KRX."""
    found = rules(PAPER)
    assert (found.fixed, found.market_operation) == ((), None)


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("OBSERVER_CHANNELS", "H0STCNT0,nonsense", "is no channel"),
        ("OBSERVER_CHANNELS", ",", "names no channel"),
        ("OBSERVER_PINNED_SYMBOLS", "삼성전자", "is no stock key"),
        ("OBSERVER_PINNED_SYMBOLS", "005930:H0STCNT", "is no channel"),
        ("OBSERVER_PINNED_SYMBOLS", ",".join(f"{n:06d}" for n in range(19)), "43 registrations"),
        ("OBSERVER_FIXED_REGISTRATIONS", "H0UPCNT0", "is no index key"),
        ("OBSERVER_SWEEP_SYMBOLS", "69500", "is no stock key"),
    ],
)
def test_what_is_wrong_is_named_with_variable_value_and_remedy(variable, value, why):
    settings = CollectorSettings.load({variable: value})
    with pytest.raises(ConfigurationError, match=variable) as caught:
        (slot_rules(settings, REAL), sweep_symbols(settings))
    assert why in caught.value.message
    assert variable in caught.value.remedy


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KIS_REST_URL", "openapi.koreainvestment.com"),
        ("KIS_REST_URL", "ws://openapi.koreainvestment.com"),
        ("KIS_REST_URL", "https://"),
        ("KIS_REST_URL", "https://host:port"),
        ("KIS_WEBSOCKET_URL", "http://ops.koreainvestment.com:21000"),
        ("KIS_MASTER_URL", "nonsense"),
    ],
)
def test_an_address_of_the_wrong_kind_is_named(variable, value):
    with pytest.raises(ConfigurationError, match=variable):
        check_addresses(KisSettings.load({variable: value}))


def test_the_brokers_own_addresses_are_right():
    check_addresses(REAL)
    check_addresses(KisSettings.load({"KIS_REST_URL": "http://127.0.0.1:19443"}))


def test_nxt_lengthens_the_day_only_where_it_is_recorded():
    assert not records_nxt(rules())
    assert records_nxt(rules(OBSERVER_CHANNELS="H0UNCNT0"))
    assert records_nxt(rules(OBSERVER_PINNED_SYMBOLS="005930:H0NXCNT0"))


@pytest.mark.parametrize("value", ["http://user:pass1@h:notaport", "user:pass1@h", "http://user:p/ass1@h"])
def test_an_address_that_is_refused_shows_no_login(value):
    with pytest.raises(ConfigurationError, match="KIS_REST_URL") as caught:
        check_addresses(KisSettings.load({"KIS_REST_URL": value}))
    assert "ass1" not in str(caught.value)
    assert "user" not in str(caught.value)
