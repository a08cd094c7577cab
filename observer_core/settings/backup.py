"""Settings of the backup."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import SecretStr, field_validator

from observer_core.settings.declaration import Names, setting
from observer_core.settings.group import SettingsGroup
from observer_core.settings.process import PodSettings


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
    other_databases: Names = setting(
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
