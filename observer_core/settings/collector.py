"""Settings of the collector and of the alerts that it sends itself.

Invariant: the thresholds' defaults are the original system's figures.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from observer_core.market.calendar import Phase
from observer_core.settings.declaration import Names, setting
from observer_core.settings.group import SettingsGroup

_DAY_SECONDS = 86_400


# Ten years.
_YEARS_HOURS = 87_600


class CollectorSettings(SettingsGroup):
    """What the collector records, and how."""

    shard: str = setting(
        "OBSERVER_SHARD", "0", "Name of this app key's shard of the journal.", pattern="^[a-z0-9]+$"
    )
    channels: Names = setting(
        "OBSERVER_CHANNELS", ("H0STCNT0", "H0STASP0"), "Channels registered for each watched symbol."
    )
    pinned_symbols: Names = setting(
        "OBSERVER_PINNED_SYMBOLS",
        (),
        "Symbols that always hold a slot: `005930`, or `005930:H0UNCNT0+H0STASP0` with channels of its own.",
    )
    fixed_registrations: Names = setting(
        "OBSERVER_FIXED_REGISTRATIONS",
        ("H0UPCNT0:0001", "H0UPCNT0:1001", "H0UPCNT0:2001"),
        "Registrations beside the symbols, `CHANNEL:KEY`: the indices KOSPI, KOSDAQ and KOSPI 200.",
    )
    market_operation: bool = setting(
        "OBSERVER_MARKET_OPERATION",
        True,
        "1: the market operation channel of the leading symbol of each market (circuit breaker, sidecar).",
    )
    trigger_symbols: int = setting(
        "OBSERVER_TRIGGER_SYMBOLS", 6, "Symbols that triggers may bring in at a time; 0: no triggers.", ge=0
    )
    trigger_volume_ratio: float = setting(
        "OBSERVER_TRIGGER_VOLUME_RATIO",
        5.0,
        "Volume of a minute, relative to the mean of the ten before, that is a trigger.",
        gt=1,
        le=1_000_000,
    )
    trigger_price_move: float = setting(
        "OBSERVER_TRIGGER_PRICE_MOVE",
        0.05,
        "Change of the price within a minute that is a trigger.",
        gt=0,
        le=1000,
    )
    trigger_minimum_value: int = setting(
        "OBSERVER_TRIGGER_MINIMUM_VALUE",
        100_000_000,
        "Value in KRW that has to trade in a minute before it can be a trigger.",
        ge=0,
    )
    trigger_seconds: float = setting(
        "OBSERVER_TRIGGER_SECONDS",
        300.0,
        "Seconds for which a trigger keeps its symbol interesting.",
        gt=0,
        le=_DAY_SECONDS,
    )
    dwell_seconds: float = setting(
        "OBSERVER_DWELL_SECONDS",
        120.0,
        "Seconds for which a symbol holds its slot at least.",
        ge=0,
        le=_DAY_SECONDS,
    )
    slot_margin: float = setting(
        "OBSERVER_SLOT_MARGIN",
        1.2,
        "How many times a holder's score a newcomer needs to take its slot.",
        ge=1,
        le=1_000_000,
    )
    vi_poll_seconds: float = setting(
        "OBSERVER_VI_POLL_SECONDS",
        10.0,
        "Seconds between two looks at active VI; 0: none.",
        ge=0,
        le=_DAY_SECONDS,
    )
    ranking_poll_seconds: float = setting(
        "OBSERVER_RANKING_POLL_SECONDS",
        120.0,
        "Seconds between two looks at the broker's ranking of volume increase; 0: none.",
        ge=0,
        le=_DAY_SECONDS,
    )
    sweep_symbols: Names = setting(
        "OBSERVER_SWEEP_SYMBOLS", (), "Symbols swept beside the universe, ETFs for example."
    )
    registrations: int = setting("OBSERVER_REGISTRATIONS", 41, "Registrations of one app key.", ge=1, le=41)
    connects_per_hour: int = setting(
        "OBSERVER_CONNECTS_PER_HOUR",
        20,
        "Attempts to connect in an hour, restarts included: the broker blocks keys that loop.",
        ge=1,
        le=1_000_000,
    )
    swing_interval_seconds: int = setting(
        "OBSERVER_SWING_INTERVAL_SECONDS",
        60,
        "Seconds between two sweeps over the universe.",
        ge=1,
        le=_DAY_SECONDS,
    )
    fsync_interval_ms: int = setting(
        "OBSERVER_FSYNC_INTERVAL_MS",
        500,
        "Durability window: longest time in milliseconds for which a line is not on the disk.",
        ge=1,
        le=3_600_000,
    )
    segment_megabytes: int = setting(
        "OBSERVER_SEGMENT_MEGABYTES",
        64,
        "Size in megabytes at which a segment is sealed.",
        ge=1,
        le=1_048_576,
    )
    reserve_megabytes: int = setting(
        "OBSERVER_RESERVE_MEGABYTES",
        24,
        "Megabytes that each track keeps back for a full disk; more than 16, what may wait in memory.",
        ge=0,
        le=1_048_576,
    )
    hole_alarms: Names = setting(
        "OBSERVER_HOLE_ALARMS",
        ("KRX:continuous", "NXT:continuous"),
        "Venue and market phase in which a hole is a fault; elsewhere it is only told.",
    )
    volume_restarts: Names = setting(
        "OBSERVER_VOLUME_RESTARTS",
        ("after_market",),
        "Sessions at whose begin cumulative volumes may begin anew: pre_market, regular, after_market.",
    )
    backfill: bool = setting(
        "OBSERVER_BACKFILL", True, "1: holes are filled from the broker's list of executions."
    )
    compress_after_hours: float = setting(
        "OBSERVER_COMPRESS_AFTER_HOURS",
        24.0,
        "Age in hours at which sealed segments are compressed; 0 for at once.",
        ge=0,
        le=_YEARS_HOURS,
    )

    stop_seconds: float = setting(
        "OBSERVER_STOP_SECONDS",
        10.0,
        "Real seconds from SIGTERM to the end of the process, whatever hangs; 80 % of them are for the seal.",
        ge=1,
        le=50,
    )
    contract_interval_seconds: int | None = setting(
        "OBSERVER_CONTRACT_INTERVAL_SECONDS",
        None,
        "Real seconds between two verifications of the execution contracts by the collector, 0 for none. "
        "Where empty: 60 in a pod on the real clock, else none, as the contracts describe a pod.",
        ge=0,
        le=_DAY_SECONDS,
    )

    @field_validator(
        "channels",
        "pinned_symbols",
        "fixed_registrations",
        "sweep_symbols",
        "hole_alarms",
        "volume_restarts",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("hole_alarms", mode="after")
    @classmethod
    def _known_alarms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        venues, phases = {"KRX", "NXT", "UNIFIED"}, {phase.value for phase in Phase}
        for name in value:
            venue, _, phase = name.partition(":")
            if venue not in venues or phase not in phases:
                raise ValueError(f"{name!r} is not VENUE:phase; phases are {', '.join(sorted(phases))}")
        return value

    @field_validator("volume_restarts", mode="after")
    @classmethod
    def _known_sessions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - {"pre_market", "regular", "after_market", "closing_price"})
        if unknown:
            raise ValueError(f"unknown sessions: {', '.join(unknown)}")
        return value


class AlertSettings(SettingsGroup):
    """Where collector and pipeline report what is wrong, and the collector that it is well.

    Both addresses let everybody who knows them speak there, so they are secrets.
    """

    webhook_url: SecretStr = setting(
        "OBSERVER_ALERT_WEBHOOK_URL",
        SecretStr(""),
        "Webhook that takes Slack's JSON; collector and pipeline send their alerts there.",
    )
    dead_man_url: SecretStr = setting(
        "OBSERVER_DEAD_MAN_URL",
        SecretStr(""),
        "Address of an outside watcher, asked while the collector is well (healthchecks.io and alike).",
    )
    dead_man_interval_seconds: int = setting(
        "OBSERVER_DEAD_MAN_INTERVAL_SECONDS", 60, "Seconds between two signs of life.", ge=1, le=_DAY_SECONDS
    )
    runbook_url: str = setting(
        "OBSERVER_RUNBOOK_URL",
        "https://github.com/observer/observer/blob/main/docs/operations/alerts.md",
        "Where `docs/operations/alerts.md` can be read; alerts link to it.",
    )
    dagster_url: str = setting(
        "OBSERVER_DAGSTER_URL",
        "http://127.0.0.1:3000",
        "Where people open Dagster; alerts about checks and runs link to it.",
    )

    @field_validator("webhook_url", "dead_man_url", mode="after")
    @classmethod
    def _is_address(cls, value: SecretStr) -> SecretStr:
        plain = value.get_secret_value().strip()
        parts = urlsplit(plain)
        if plain and (parts.scheme not in ("https", "http") or not parts.hostname):
            raise ValueError("it must be an address that begins with https://")
        return SecretStr(plain)
