"""Settings of the jobs, of the universe, and of how long what is verified is kept."""

from __future__ import annotations

from pydantic import field_validator

from observer_core.settings.declaration import Names, setting
from observer_core.settings.group import SettingsGroup


class PipelineSettings(SettingsGroup):
    """Which jobs the code location has."""

    wide_backfills: bool = setting(
        "OBSERVER_WIDE_BACKFILLS",
        False,
        "1: the job `backfill_days`, a pod for each step; set by the component `wide-backfills`.",
    )


class UniverseSettings(SettingsGroup):
    """The filters of the universe."""

    minimum_price: int = setting(
        "OBSERVER_UNIVERSE_MINIMUM_PRICE", 4000, "Smallest previous close in KRW.", ge=0
    )
    groups: Names = setting("OBSERVER_UNIVERSE_GROUPS", ("ST",), "Security groups (broker reference, 5.4).")
    common_only: bool = setting("OBSERVER_UNIVERSE_COMMON_ONLY", True, "1: no preferred shares.")
    exclude_spac: bool = setting("OBSERVER_UNIVERSE_EXCLUDE_SPAC", True, "1: no special purpose companies.")
    exclude_suspended: bool = setting("OBSERVER_UNIVERSE_EXCLUDE_SUSPENDED", True, "1: no halted symbols.")
    exclude_liquidation: bool = setting(
        "OBSERVER_UNIVERSE_EXCLUDE_LIQUIDATION", True, "1: no symbols in liquidation trading."
    )

    @field_validator("groups", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


class RetentionSettings(SettingsGroup):
    """How long what has been verified is kept on the node."""

    journal_days: int = setting(
        "OBSERVER_RETENTION_JOURNAL_DAYS",
        10,
        "Days that the journal of a day is kept; longer while its close is not verified or not shipped.",
        ge=1,
    )
    lake_days: int | None = setting(
        "OBSERVER_RETENTION_LAKE_DAYS",
        None,
        "Days that the lake's files are kept once they have left the node; for ever where empty.",
        ge=1,
    )
    trades_days: int = setting(
        "OBSERVER_RETENTION_TRADES_DAYS", 5, "Trading days of trades that PostgreSQL keeps.", ge=1
    )
    swing_days: int = setting(
        "OBSERVER_RETENTION_SWING_DAYS", 20, "Trading days of sweep rows that PostgreSQL keeps.", ge=1
    )
    runs_days: int = setting(
        "OBSERVER_RETENTION_RUNS_DAYS",
        30,
        "Days that Dagster keeps runs whose results a later run has replaced.",
        ge=14,
    )
    log_days: int = setting("OBSERVER_RETENTION_LOG_DAYS", 30, "Days that rotated log files are kept.", ge=1)
    free_percent: int = setting(
        "OBSERVER_RETENTION_FREE_PERCENT",
        15,
        "Free space in percent below which a volume is reported; nothing goes earlier because of it.",
        ge=1,
        le=90,
    )
