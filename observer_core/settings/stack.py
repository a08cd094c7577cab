"""Settings of the local stack."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from observer_core.settings.declaration import setting
from observer_core.settings.group import SettingsGroup


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
