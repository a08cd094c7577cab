"""Which target this deployment has.

Invariant: the library that talks to buckets is loaded only where the target is one.
"""

from __future__ import annotations

from pathlib import Path

from observer_core.backup.folder import FolderTarget
from observer_core.backup.target import Target
from observer_core.errors import ConfigurationError
from observer_core.settings import BackupSettings

_REMEDY = "Set OBSERVER_BACKUP_TARGET to the folder of a second volume, or to s3://BUCKET/PREFIX."


def open_target(settings: BackupSettings) -> Target | None:
    """Returns the configured target, None where there is none; nothing is asked of it yet."""
    if not settings.target:
        return None
    if settings.target.startswith("s3://"):
        from observer_core.backup.bucket import BucketTarget  # noqa: PLC0415 - loads pyarrow

        return BucketTarget(settings)
    return FolderTarget(Path(settings.target), settings.deployment)


def require_target(settings: BackupSettings) -> Target:
    """Returns the configured target.

    Raises:
        ConfigurationError: There is none.
    """
    target = open_target(settings)
    if target is None:
        raise ConfigurationError("No backup target is configured.", remedy=_REMEDY)
    return target
