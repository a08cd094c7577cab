"""The settings, grouped by what they concern.

Invariant: the defaults are the specification's values, so that a pod without any ConfigMap runs on
the same paths, database and port as one with it (path contract, database contract).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from observer_core.errors import ConfigurationError
from observer_core.market.calendar import Phase
from observer_core.settings.declaration import Layer, setting

_ROOT = Path("/opt/platform/runtime/observer")

_DAY_SECONDS = 86_400
# Ten years.
_YEARS_HOURS = 87_600
# Fewer REST requests a second than this are none at all.
_FEWEST_REQUESTS = 0.01

# A tuple is written as text with commas, not as JSON.
_Names = Annotated[tuple[str, ...], NoDecode]


class SettingsGroup(BaseSettings):
    """A group of settings that one program reads from its environment."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,
        # A validation error would print the value it refuses, and that may be a secret.
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Reads the group from the environment.

        Args:
            environment: The variables; the process's own where None.

        Raises:
            ConfigurationError: A variable has a value that its field does not accept.
        """
        source = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for field in cls.model_fields.values():
            name = field.validation_alias
            if isinstance(name, str) and source.get(name, "") != "":
                values[name] = source[name]
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = str(first["loc"][0]) if first["loc"] else cls.__name__
            secret = isinstance(_default_of(cls, name), SecretStr)
            shown = "a secret" if secret else repr(source.get(name, ""))
            raise ConfigurationError(
                f"Environment variable {name} is {shown}: {first['msg']}.",
                remedy=f"Correct {name}; `.env.example` describes it.",
            ) from None


def _default_of(model: type[SettingsGroup], variable: str) -> Any:
    for field in model.model_fields.values():
        if field.validation_alias == variable:
            return field.default
    return None


class PathSettings(SettingsGroup):
    """The seven paths of the path contract, and what lies below the data mount."""

    data_dir: Path = setting(
        "OBSERVER_DATA_DIR", _ROOT / "data", "Mount of the data volume.", layer=Layer.CONFIG_MAP
    )
    log_dir: Path = setting(
        "OBSERVER_LOG_DIR", _ROOT / "logs", "Mount of the log volume.", layer=Layer.CONFIG_MAP
    )
    config_dir: Path = setting(
        "OBSERVER_CONFIG_DIR",
        _ROOT / "config",
        "Mount of the read-only configuration.",
        layer=Layer.CONFIG_MAP,
    )
    snapshot_dir: Path = setting(
        "OBSERVER_SNAPSHOT_DIR", _ROOT / "universe", "Mount of the universe volume.", layer=Layer.CONFIG_MAP
    )
    system_log_dir: Path = setting(
        "OBSERVER_SYSTEM_LOG_DIR", _ROOT / "logs/system", "Logs of the services.", layer=Layer.CONFIG_MAP
    )
    maintenance_log_dir: Path = setting(
        "OBSERVER_MAINTENANCE_LOG_DIR",
        _ROOT / "logs/maintenance",
        "Logs of compaction, retention and backup.",
        layer=Layer.CONFIG_MAP,
    )
    token_cache_dir: Path = setting(
        "KIS_TOKEN_CACHE_DIR", _ROOT / "data/cache", "Folder of the token cache.", layer=Layer.CONFIG_MAP
    )
    lake_dir: Path | None = setting(
        "OBSERVER_LAKE_DIR", None, "Folder of the lake; `lake` below the data mount where empty."
    )

    @model_validator(mode="before")
    @classmethod
    def _follow_parent(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Lets a folder follow the mount it lies in, when only the mount was set."""
        below = {
            "OBSERVER_SYSTEM_LOG_DIR": ("OBSERVER_LOG_DIR", "system"),
            "OBSERVER_MAINTENANCE_LOG_DIR": ("OBSERVER_LOG_DIR", "maintenance"),
            "KIS_TOKEN_CACHE_DIR": ("OBSERVER_DATA_DIR", "cache"),
        }
        for name, (parent, folder) in below.items():
            if name not in values and parent in values:
                values = {**values, name: Path(values[parent]) / folder}
        return values


class DatabaseSettings(SettingsGroup):
    """The PostgreSQL server (database contract) and the role that uses it."""

    host: str = setting("DB_HOST", "postgres", "Host name of PostgreSQL.", layer=Layer.CONFIG_MAP)
    port: int = setting("DB_PORT", 5432, "Port of PostgreSQL.", layer=Layer.CONFIG_MAP, ge=1, le=65535)
    name: str = setting("DB_NAME", "observer", "Database.", layer=Layer.CONFIG_MAP)
    user: str = setting("DB_USER", "", "Role that owns the tables.", layer=Layer.SECRET)
    password: SecretStr = setting("DB_PASSWORD", SecretStr(""), "Its password.", layer=Layer.SECRET)


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    CONSOLE = "console"


class ServiceSettings(SettingsGroup):
    """What every service has in common."""

    log_level: str = setting(
        "LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR.", layer=Layer.CONFIG_MAP,
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
    )  # fmt: skip
    log_format: LogFormat = setting(
        "LOG_FORMAT", LogFormat.JSON, "`json` for machines, `console` for people.", layer=Layer.CONFIG_MAP
    )
    host: str = setting(
        "SERVICE_HOST",
        "0.0.0.0",  # noqa: S104 - in a pod, the kubelet's probes come from outside
        "Address the collector's HTTP port listens on.",
    )
    port: int = setting(
        "SERVICE_PORT", 8000, "HTTP port of the collector.", layer=Layer.CONFIG_MAP, ge=0, le=65535
    )
    standalone: bool = setting(
        "OBSERVER_STANDALONE", True, "1: runs on its own, without a trading engine.", layer=Layer.CONFIG_MAP
    )
    unbuffered: bool = setting(
        "PYTHONUNBUFFERED", True, "1: Python writes logs at once.", layer=Layer.CONFIG_MAP
    )
    clock: str = setting(
        "OBSERVER_CLOCK",
        "real",
        "`real`, or `shared:PATH` for the virtual time of a local stack.",
        pattern="^(real|shared:.+)$",
    )


class PodSettings(SettingsGroup):
    """Who this process is, as the pod's environment tells it."""

    pod_name: str = setting("POD_NAME", "", "Name of the pod; the host's name where empty.", layer=Layer.POD)
    pod_namespace: str = setting("POD_NAMESPACE", "", "Namespace of the pod.", layer=Layer.POD)
    time_zone: str = setting("TZ", "Asia/Seoul", "Time zone of log lines read by people.", layer=Layer.POD)


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


class CollectorSettings(SettingsGroup):
    """What the collector records, and how."""

    shard: str = setting(
        "OBSERVER_SHARD", "0", "Name of this app key's shard of the journal.", pattern="^[a-z0-9]+$"
    )
    channels: _Names = setting(
        "OBSERVER_CHANNELS", ("H0STCNT0", "H0STASP0"), "Channels registered for each watched symbol."
    )
    pinned_symbols: _Names = setting(
        "OBSERVER_PINNED_SYMBOLS",
        (),
        "Symbols that always hold a slot: `005930`, or `005930:H0UNCNT0+H0STASP0` with channels of its own.",
    )
    fixed_registrations: _Names = setting(
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
    sweep_symbols: _Names = setting(
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
    hole_alarms: _Names = setting(
        "OBSERVER_HOLE_ALARMS",
        ("KRX:continuous", "NXT:continuous"),
        "Venue and market phase in which a hole is a fault; elsewhere it is only told.",
    )
    volume_restarts: _Names = setting(
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


class UniverseSettings(SettingsGroup):
    """The filters of the universe."""

    minimum_price: int = setting(
        "OBSERVER_UNIVERSE_MINIMUM_PRICE", 4000, "Smallest previous close in KRW.", ge=0
    )
    groups: _Names = setting("OBSERVER_UNIVERSE_GROUPS", ("ST",), "Security groups (broker reference, 5.4).")
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


class ContractSettings(SettingsGroup):
    """What `verify_contracts` looks at in this deployment."""

    sources: _Names = setting(
        "OBSERVER_CONTRACT_SOURCES",
        ("manifests", "repository"),
        "Evidence that the pipeline looks at: manifests, repository, runtime, live.",
    )
    manifests: Path | None = setting(
        "OBSERVER_CONTRACT_MANIFESTS",
        None,
        "Manifests of the deployment; `deploy/overlays/production` beside the program where empty.",
    )
    repository: Path | None = setting(
        "OBSERVER_CONTRACT_REPOSITORY", None, "Repository that is searched; that of the program where empty."
    )
    parameters: Path | None = setting(
        "OBSERVER_CONTRACT_PARAMETERS", None, "contracts.yaml; that of the repository where empty."
    )

    @field_validator("sources", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("sources", mode="after")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - {"manifests", "repository", "runtime", "live"})
        if unknown:
            raise ValueError(f"unknown evidence: {', '.join(unknown)}")
        return value


class BackupSettings(SettingsGroup):
    """Where copies of the data go, and how many dumps of the databases are kept there."""

    target: str = setting(
        "OBSERVER_BACKUP_TARGET",
        "",
        "Folder of a second volume, or s3://BUCKET/PREFIX; nothing leaves the node where empty.",
        pattern=r"^(|/.+|s3://[^/]+(/.*)?)$",
    )
    deployment: str = setting(
        "OBSERVER_BACKUP_DEPLOYMENT",
        "",
        "Name of the deployment that the target belongs to; POD_NAMESPACE where empty, outside of a cluster "
        "host and data folder.",
    )
    endpoint: str = setting(
        "OBSERVER_BACKUP_S3_ENDPOINT", "", "Address of an S3-compatible server; that of AWS where empty."
    )
    region: str = setting("OBSERVER_BACKUP_S3_REGION", "us-east-1", "Region of the bucket.")
    access_key: SecretStr = setting("OBSERVER_BACKUP_ACCESS_KEY", SecretStr(""), "Access key of the bucket.")
    secret_key: SecretStr = setting("OBSERVER_BACKUP_SECRET_KEY", SecretStr(""), "Its secret key.")
    other_databases: _Names = setting(
        "OBSERVER_BACKUP_OTHER_DATABASES",
        ("dagster",),
        "Databases of the same server that are dumped beside DB_NAME.",
    )
    dumps_daily: int = setting(
        "OBSERVER_BACKUP_DUMPS_DAILY", 7, "Days of which the last dump of each database is kept.", ge=1
    )
    dumps_weekly: int = setting(
        "OBSERVER_BACKUP_DUMPS_WEEKLY", 4, "Weeks of which the last dump of each database is kept.", ge=0
    )
    programs: Path | None = setting(
        "OBSERVER_BACKUP_POSTGRES_BIN", None, "Folder of pg_dump and pg_restore; looked for where empty."
    )

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Reads the group; a deployment without a name of its own has that of its namespace."""
        source = os.environ if environment is None else environment
        name = source.get("OBSERVER_BACKUP_DEPLOYMENT", "").strip() or PodSettings.load(source).pod_namespace
        return super().load({**source, "OBSERVER_BACKUP_DEPLOYMENT": name})

    @field_validator("other_databases", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("access_key", "secret_key", mode="after")
    @classmethod
    def _strip(cls, value: SecretStr) -> SecretStr:
        return SecretStr(value.get_secret_value().strip())


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


class StackSettings(SettingsGroup):
    """The local stack: what `make up` starts, and where it listens."""

    speed: float = setting("OBSERVER_UP_SPEED", 20.0, "Virtual seconds per real second in `make up`.", gt=0)
    start: datetime = setting(
        "OBSERVER_UP_START",
        datetime(2026, 9, 15, 8, 50),  # noqa: DTZ001 - Korean time, as the variable is written
        "Korean time at which the first `make up` begins.",
    )
    dagster_port: int | None = setting(
        "OBSERVER_UP_DAGSTER_PORT", None, "Port of the Dagster UI; the next free one from 3000 where empty."
    )
    postgres_port: int | None = setting(
        "OBSERVER_UP_POSTGRES_PORT",
        None,
        "Port of the PostgreSQL that is started; the next free one from 54320 where empty.",
    )
    postgres_programs: Path | None = setting(
        "OBSERVER_UP_POSTGRES_BIN", None, "Folder of initdb and postgres; looked for where empty."
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All groups of one process."""

    paths: PathSettings
    database: DatabaseSettings
    service: ServiceSettings
    pod: PodSettings
    kis: KisSettings
    collector: CollectorSettings
    alerts: AlertSettings
    universe: UniverseSettings

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Reads every group from the environment.

        Raises:
            ConfigurationError: A variable has a value that its field does not accept.
        """
        return cls(
            paths=PathSettings.load(environment),
            database=DatabaseSettings.load(environment),
            service=ServiceSettings.load(environment),
            pod=PodSettings.load(environment),
            kis=KisSettings.load(environment),
            collector=CollectorSettings.load(environment),
            alerts=AlertSettings.load(environment),
            universe=UniverseSettings.load(environment),
        )


GROUPS: tuple[type[SettingsGroup], ...] = (
    PathSettings,
    DatabaseSettings,
    ServiceSettings,
    PodSettings,
    KisSettings,
    KiwoomSettings,
    CollectorSettings,
    AlertSettings,
    UniverseSettings,
    ContractSettings,
    BackupSettings,
    RetentionSettings,
    StackSettings,
)
