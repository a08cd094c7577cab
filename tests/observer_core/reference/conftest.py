"""A deployment's folders, and instruments to fill them with."""

from pathlib import Path

import pytest

from observer_core.reference.instrument import ListedInstrument, Market
from observer_core.settings import Paths, PathSettings


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    for mount in ("data", "logs", "config", "universe"):
        (tmp_path / mount).mkdir()
    return Paths(
        PathSettings.load(
            {
                "OBSERVER_DATA_DIR": str(tmp_path / "data"),
                "OBSERVER_LOG_DIR": str(tmp_path / "logs"),
                "OBSERVER_CONFIG_DIR": str(tmp_path / "config"),
                "OBSERVER_SNAPSHOT_DIR": str(tmp_path / "universe"),
            }
        )
    )


@pytest.fixture
def instrument():
    """Makes an ordinary share that every filter lets through, with what a test changes."""

    def make(code: str = "005930", **changes: object) -> ListedInstrument:
        values: dict[str, object] = {
            "isin": "KR7005930003",
            "name": "이름",
            "market": Market.KOSPI,
            "group": "ST",
            "preferred_class": "0",
            "spac": False,
            "suspended": False,
            "liquidation": False,
            "base_price": 10_000,
            "previous_volume": 1_000,
            "listed_shares": 1_000_000,
        }
        return ListedInstrument(code=code, **{**values, **changes})

    return make
