"""The simulator's settings.

Invariant: everything that makes two runs differ is here; the same seed, density and clock give the
same market, byte for byte.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr, field_validator

from observer_core.settings import SettingsGroup
from observer_core.settings.brokers import KisEnvironment
from observer_core.settings.declaration import setting

# A pair of credentials of the documented shape (broker reference, 2.1); it opens nothing but a simulator.
SIMULATED_APP_KEY = "PSOBSERVERSIMULATEDAPPKEY00000000001"
SIMULATED_APP_SECRET = "SimulatedSecretOfTheLocalBroker+" * 5 + "OpensNothingButThis="

SIMULATED_KIWOOM_APP_KEY = "ObserverSimulatedKiwoomAppKeyThatOpensNothi"
SIMULATED_KIWOOM_APP_SECRET = "ObserverSimulatedKiwoomSecretThatOpensNothi"

_APP_KEY_LENGTH = 36
_APP_SECRET_LENGTH = 180


class SimulatorSettings(SettingsGroup):
    """Where the simulated broker listens, whom it lets in, and what its market looks like."""

    host: str = setting("OBSERVER_SIMULATOR_HOST", "127.0.0.1", "Address the simulator listens on.")
    http_port: int = setting(
        "OBSERVER_SIMULATOR_HTTP_PORT", 19443, "Port of its REST side; any free one where 0.", ge=0, le=65535
    )
    websocket_port: int = setting(
        "OBSERVER_SIMULATOR_WEBSOCKET_PORT",
        21000,
        "Port of its websocket side; any free one where 0.",
        ge=0,
        le=65535,
    )
    ready_file: Path | None = setting(
        "OBSERVER_SIMULATOR_READY_FILE", None, "JSON file with its addresses, written once it listens."
    )
    state_file: Path | None = setting(
        "OBSERVER_SIMULATOR_STATE_FILE",
        None,
        "JSON file with its account and the tokens it issued, continued at the next start; none where empty.",
    )
    environment: KisEnvironment = setting(
        "OBSERVER_SIMULATOR_ENVIRONMENT", KisEnvironment.REAL, "Which of the broker's environments it plays."
    )
    app_key: SecretStr = setting(
        "OBSERVER_SIMULATOR_APP_KEY", SecretStr(SIMULATED_APP_KEY), "The app key it accepts, 36 characters."
    )
    app_secret: SecretStr = setting(
        "OBSERVER_SIMULATOR_APP_SECRET", SecretStr(SIMULATED_APP_SECRET), "Its secret, 180 characters."
    )
    reserve_app_key: SecretStr = setting(
        "OBSERVER_SIMULATOR_RESERVE_APP_KEY",
        SecretStr(""),
        "A second app key, with a session of its own; none where empty.",
    )
    reserve_app_secret: SecretStr = setting(
        "OBSERVER_SIMULATOR_RESERVE_APP_SECRET", SecretStr(""), "Its secret, 180 characters."
    )
    kiwoom_app_key: SecretStr = setting(
        "OBSERVER_SIMULATOR_KIWOOM_APP_KEY",
        SecretStr(SIMULATED_KIWOOM_APP_KEY),
        "The app key that its Kiwoom side accepts.",
    )
    kiwoom_app_secret: SecretStr = setting(
        "OBSERVER_SIMULATOR_KIWOOM_APP_SECRET", SecretStr(SIMULATED_KIWOOM_APP_SECRET), "Its secret key."
    )
    kiwoom_page_rows: int = setting(
        "OBSERVER_SIMULATOR_KIWOOM_PAGE_ROWS", 500, "Rows of a page of Kiwoom's stock list.", ge=1
    )
    seed: int = setting("OBSERVER_SIMULATOR_SEED", 20260915, "Seed of the market.", ge=0)
    density: float = setting(
        "OBSERVER_SIMULATOR_DENSITY",
        1.0,
        "Trades relative to the default of about 3,000 a day for an active symbol.",
        gt=0,
        le=20,
    )
    trade_width: int = setting(
        "OBSERVER_SIMULATOR_TRADE_WIDTH",
        0,
        "Values of a trade record; as on the simulated day where 0.",
        ge=0,
    )
    book_width: int = setting(
        "OBSERVER_SIMULATOR_BOOK_WIDTH", 0, "Values of a book record; as on the simulated day where 0.", ge=0
    )
    after_market_restarts: bool = setting(
        "OBSERVER_SIMULATOR_AFTER_MARKET_RESTARTS",
        False,
        "1: the cumulative figures begin anew in the after-market.",
    )
    daily_includes_after_market: bool = setting(
        "OBSERVER_SIMULATOR_DAILY_INCLUDES_AFTER_MARKET",
        True,
        "0: the daily figures of the KRX end with the closing price, without its after-market.",
    )
    keep_alive_seconds: float = setting(
        "OBSERVER_SIMULATOR_KEEP_ALIVE_SECONDS", 110.0, "Seconds of the clock between two PINGPONG.", gt=0
    )
    lingering_slot_seconds: float = setting(
        "OBSERVER_SIMULATOR_LINGERING_SLOT_SECONDS",
        0.0,
        "Seconds of the clock for which the slot of a broken connection stays in use.",
        ge=0,
    )

    @field_validator("app_key")
    @classmethod
    def _key_shape(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) != _APP_KEY_LENGTH:
            raise ValueError(f"an app key has {_APP_KEY_LENGTH} characters")
        return value

    @field_validator("app_secret")
    @classmethod
    def _secret_shape(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) != _APP_SECRET_LENGTH:
            raise ValueError(f"an app secret has {_APP_SECRET_LENGTH} characters")
        return value

    @property
    def reserve(self) -> tuple[str, str] | None:
        """The second app key and its secret; None where there is none."""
        key = self.reserve_app_key.get_secret_value()
        return (key, self.reserve_app_secret.get_secret_value()) if key else None

    @field_validator("trade_width")
    @classmethod
    def _trade_width_known(cls, value: int) -> int:
        return _width_within(value, (0, 46, 47, 48))

    @field_validator("book_width")
    @classmethod
    def _book_width_known(cls, value: int) -> int:
        return _width_within(value, (0, 59, 62, 63, 64))


def _width_within(value: int, allowed: tuple[int, ...]) -> int:
    if value not in allowed:
        raise ValueError(f"must be one of {', '.join(map(str, allowed))}")
    return value
