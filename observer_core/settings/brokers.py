"""Settings of the access to the brokers.

Invariant: keys are secrets, and an address comes from the environment that it belongs to.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import SecretStr, field_validator

from observer_core.settings.declaration import Layer, setting
from observer_core.settings.group import SettingsGroup

# Fewer REST requests a second than this are none at all.
_FEWEST_REQUESTS = 0.01


class KisEnvironment(StrEnum):
    """Which of the broker's two environments a key belongs to."""

    REAL = "real"
    PAPER = "paper"


class KisSettings(SettingsGroup):
    """Access to the KIS Open API (broker reference, sections 1 to 3)."""

    app_key: SecretStr = setting("KIS_APP_KEY", SecretStr(""), "App key.", layer=Layer.SECRET)
    app_secret: SecretStr = setting("KIS_APP_SECRET", SecretStr(""), "App secret.", layer=Layer.SECRET)
    hts_id: SecretStr = setting("KIS_HTS_ID", SecretStr(""), "HTS user id.", layer=Layer.SECRET)
    reserve_app_key: SecretStr = setting(
        "KIS_RESERVE_APP_KEY",
        SecretStr(""),
        "Second app key, for the websocket only, while the session of the first one lingers at the broker.",
    )
    reserve_app_secret: SecretStr = setting("KIS_RESERVE_APP_SECRET", SecretStr(""), "Its app secret.")
    environment: KisEnvironment = setting("KIS_ENVIRONMENT", KisEnvironment.REAL, "`real` or `paper`.")
    rest_url: str = setting("KIS_REST_URL", "", "REST address; the environment's own where empty.")
    websocket_url: str = setting(
        "KIS_WEBSOCKET_URL", "", "Websocket address; the environment's own where empty."
    )
    master_url: str = setting(
        "KIS_MASTER_URL", "https://new.real.download.dws.co.kr/common/master/", "Folder of the master files."
    )
    requests_per_second: float = setting(
        "KIS_REQUESTS_PER_SECOND",
        0.0,
        "REST requests a second; a share of the documented rate where 0.",
        ge=0,
        le=1000,
    )
    rate_share: float = setting(
        "KIS_RATE_SHARE",
        0.8,
        "Share of the documented rate that Observer uses; the rest is for other programs of the app key.",
        ge=0.01,
        le=1,
    )

    @field_validator("requests_per_second", mode="after")
    @classmethod
    def _enough_requests(cls, value: float) -> float:
        if 0 < value < _FEWEST_REQUESTS:
            raise ValueError(f"Input should be 0, or {_FEWEST_REQUESTS} at least")
        return value

    @property
    def reserve(self) -> KisSettings | None:
        """The same access with the reserve key; None where there is none."""
        if not self.reserve_app_key.get_secret_value():
            return None
        return self.model_copy(
            update={"app_key": self.reserve_app_key, "app_secret": self.reserve_app_secret}
        )

    @field_validator("app_key", "app_secret", "hts_id", "reserve_app_key", "reserve_app_secret", mode="after")
    @classmethod
    def _strip(cls, value: SecretStr) -> SecretStr:
        """A newline at the end of a secret file gives EGW00105 (broker reference, 2.1)."""
        return SecretStr(value.get_secret_value().strip())


class KiwoomEnvironment(StrEnum):
    """Which of Kiwoom's two hosts a key belongs to (Kiwoom reference, section 1)."""

    REAL = "real"
    MOCK = "mock"


class KiwoomSettings(SettingsGroup):
    """Access to the Kiwoom REST API, the second source of symbols (Kiwoom reference, sections 1 and 2)."""

    app_key: SecretStr = setting(
        "KIWOOM_APP_KEY",
        SecretStr(""),
        "App key of Kiwoom's REST API; without it this source is skipped.",
        layer=Layer.SECRET,
    )
    app_secret: SecretStr = setting("KIWOOM_APP_SECRET", SecretStr(""), "Its secret key.", layer=Layer.SECRET)
    environment: KiwoomEnvironment = setting(
        "KIWOOM_ENVIRONMENT", KiwoomEnvironment.REAL, "`real` or `mock`."
    )
    rest_url: str = setting("KIWOOM_REST_URL", "", "REST address; the environment's own where empty.")

    @property
    def is_configured(self) -> bool:
        """Whether there is a key to ask with."""
        return bool(self.app_key.get_secret_value() and self.app_secret.get_secret_value())

    @field_validator("app_key", "app_secret", mode="after")
    @classmethod
    def _strip(cls, value: SecretStr) -> SecretStr:
        """A secret file often ends with a newline, which is no part of the key."""
        return SecretStr(value.get_secret_value().strip())
