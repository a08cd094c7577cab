"""The simulator's variables."""

from __future__ import annotations

import pytest

from observer_core.errors import ConfigurationError
from observer_simulator.settings import SimulatorSettings


def test_the_default_credentials_have_the_documented_shape() -> None:
    """Broker reference, 2.1: 36 characters that begin with P, and 180 characters."""
    settings = SimulatorSettings.load({})
    assert len(settings.app_key.get_secret_value()) == 36
    assert settings.app_key.get_secret_value().startswith("P")
    assert len(settings.app_secret.get_secret_value()) == 180


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OBSERVER_SIMULATOR_APP_KEY", "short"),
        ("OBSERVER_SIMULATOR_APP_SECRET", "short"),
        ("OBSERVER_SIMULATOR_TRADE_WIDTH", "45"),
        ("OBSERVER_SIMULATOR_BOOK_WIDTH", "60"),
        ("OBSERVER_SIMULATOR_DENSITY", "0"),
    ],
)
def test_a_value_that_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        SimulatorSettings.load({name: value})
