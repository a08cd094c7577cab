"""Every setting of Observer, declared once.

Invariant: an environment variable that any program reads is a field here, with its default, its
unit and the layer that provides it. Manifests, `.env.example`, documents and contract rules are
derived from these declarations; nothing repeats them.
"""

from observer_core.settings.all_groups import Settings
from observer_core.settings.backup import BackupSettings
from observer_core.settings.brokers import KisSettings, KiwoomSettings
from observer_core.settings.collector import AlertSettings, CollectorSettings
from observer_core.settings.contracts import ContractSettings
from observer_core.settings.declaration import Layer, Variable, variables
from observer_core.settings.group import SettingsGroup
from observer_core.settings.paths import Mount, Paths
from observer_core.settings.pipeline import PipelineSettings, RetentionSettings, UniverseSettings
from observer_core.settings.process import DatabaseSettings, PathSettings, PodSettings, ServiceSettings
from observer_core.settings.stack import StackSettings

__all__ = [
    "AlertSettings",
    "BackupSettings",
    "CollectorSettings",
    "ContractSettings",
    "DatabaseSettings",
    "KisSettings",
    "KiwoomSettings",
    "Layer",
    "Mount",
    "PathSettings",
    "Paths",
    "PipelineSettings",
    "PodSettings",
    "RetentionSettings",
    "ServiceSettings",
    "Settings",
    "SettingsGroup",
    "StackSettings",
    "UniverseSettings",
    "Variable",
    "variables",
]
