"""Settings of every process: its folders, its database, its port, its pod.

Invariant: the defaults are the specification's values, so that a pod without any ConfigMap runs on
the same paths, database and port as one with it (path contract, database contract).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import SecretStr, model_validator

from observer_core.settings.declaration import Layer, setting
from observer_core.settings.group import SettingsGroup

_ROOT = Path("/opt/platform/runtime/observer")


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
