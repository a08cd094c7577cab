"""All groups of settings, in the order in which they are documented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from observer_core.settings.backup import BackupSettings
from observer_core.settings.brokers import KisSettings, KiwoomSettings
from observer_core.settings.collector import AlertSettings, CollectorSettings
from observer_core.settings.contracts import ContractSettings
from observer_core.settings.group import SettingsGroup
from observer_core.settings.pipeline import PipelineSettings, RetentionSettings, UniverseSettings
from observer_core.settings.process import DatabaseSettings, PathSettings, PodSettings, ServiceSettings
from observer_core.settings.stack import StackSettings


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
    PipelineSettings,
    UniverseSettings,
    ContractSettings,
    BackupSettings,
    RetentionSettings,
    StackSettings,
)
