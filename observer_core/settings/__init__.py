"""Every setting of Observer, declared once.

Invariant: an environment variable that any program reads is a field here, with its default, its
unit and the layer that provides it. Manifests, `.env.example`, documents and contract rules are
derived from these declarations; nothing repeats them.
"""

from observer_core.settings.declaration import Layer, Variable, variables
from observer_core.settings.model import (
    CollectorSettings,
    ContractSettings,
    DatabaseSettings,
    KisSettings,
    PathSettings,
    PodSettings,
    ServiceSettings,
    Settings,
    SettingsGroup,
    StackSettings,
    UniverseSettings,
)
from observer_core.settings.paths import Mount, Paths

__all__ = [
    "CollectorSettings",
    "ContractSettings",
    "DatabaseSettings",
    "KisSettings",
    "Layer",
    "Mount",
    "PathSettings",
    "Paths",
    "PodSettings",
    "ServiceSettings",
    "Settings",
    "SettingsGroup",
    "StackSettings",
    "UniverseSettings",
    "Variable",
    "variables",
]
