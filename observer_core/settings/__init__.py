"""Every setting of Observer, declared once.

Invariant: an environment variable that any program reads is a field here, with its default, its
unit and the layer that provides it. Manifests, `.env.example`, documents and contract rules are
derived from these declarations; nothing repeats them.
"""

from observer_core.settings.declaration import Layer, Variable, variables
from observer_core.settings.model import (
    AlertSettings,
    BackupSettings,
    CollectorSettings,
    ContractSettings,
    DatabaseSettings,
    KisSettings,
    KiwoomSettings,
    PathSettings,
    PodSettings,
    RetentionSettings,
    ServiceSettings,
    Settings,
    SettingsGroup,
    StackSettings,
    UniverseSettings,
)
from observer_core.settings.paths import Mount, Paths

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
