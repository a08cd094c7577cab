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

from pydantic import SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from observer_core.errors import ConfigurationError
from observer_core.settings.declaration import Layer, setting

_ROOT = Path("/opt/platform/runtime/observer")

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
        "OBSERVER_CLOCK", "real", "`real`, or `shared:PATH` for the virtual time of a local stack."
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
    environment: KisEnvironment = setting("KIS_ENVIRONMENT", KisEnvironment.REAL, "`real` or `paper`.")
    rest_url: str = setting("KIS_REST_URL", "", "REST address; the environment's own where empty.")
    websocket_url: str = setting(
        "KIS_WEBSOCKET_URL", "", "Websocket address; the environment's own where empty."
    )
    master_url: str = setting(
        "KIS_MASTER_URL", "https://new.real.download.dws.co.kr/common/master/", "Folder of the master files."
    )
    requests_per_second: float = setting(
        "KIS_REQUESTS_PER_SECOND", 0.0, "REST requests a second; 80 % of the documented rate where 0.", ge=0
    )

    @field_validator("app_key", "app_secret", "hts_id", mode="after")
    @classmethod
    def _strip(cls, value: SecretStr) -> SecretStr:
        """A newline at the end of a secret file gives EGW00105 (broker reference, 2.1)."""
        return SecretStr(value.get_secret_value().strip())


class CollectorSettings(SettingsGroup):
    """What the collector records, and how."""

    shard: str = setting(
        "OBSERVER_SHARD", "0", "Name of this app key's shard of the journal.", pattern="^[a-z0-9]+$"
    )
    channels: _Names = setting(
        "OBSERVER_CHANNELS", ("H0STCNT0", "H0STASP0"), "Channels registered for each watched symbol."
    )
    pinned_symbols: _Names = setting("OBSERVER_PINNED_SYMBOLS", (), "Symbols that always hold a slot.")
    registrations: int = setting("OBSERVER_REGISTRATIONS", 41, "Registrations of one app key.", ge=1, le=41)
    swing_interval_seconds: int = setting(
        "OBSERVER_SWING_INTERVAL_SECONDS", 60, "Seconds between two sweeps over the universe.", ge=1
    )
    fsync_interval_ms: int = setting(
        "OBSERVER_FSYNC_INTERVAL_MS",
        500,
        "Longest time in milliseconds that a line waits for the disk.",
        ge=1,
    )
    segment_megabytes: int = setting(
        "OBSERVER_SEGMENT_MEGABYTES", 64, "Size in megabytes at which a segment is sealed.", ge=1
    )

    @field_validator("channels", "pinned_symbols", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


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
            universe=UniverseSettings.load(environment),
        )


GROUPS: tuple[type[SettingsGroup], ...] = (
    PathSettings,
    DatabaseSettings,
    ServiceSettings,
    PodSettings,
    KisSettings,
    CollectorSettings,
    UniverseSettings,
    ContractSettings,
    StackSettings,
)
