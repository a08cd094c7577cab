"""Values as Helm sees them: the chart's defaults, then each file over it."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# The defaults of the chart's values.yaml that the mirrored templates read and that our files may leave out.
_DEFAULTS: dict[str, Any] = {
    "global": {"serviceAccountName": "", "celeryConfigSecretName": "dagster-celery-config-secret"},
    "scheduler": {"type": "DagsterDaemonScheduler"},
    "dagsterWebserver": {
        "nameOverride": "",
        "enableReadOnly": False,
        "env": [],
        "checkDbReadyInitContainer": True,
    },
    "dagsterDaemon": {
        "env": [],
        "checkDbReadyInitContainer": True,
        "sensors": {"useThreads": True, "numWorkers": 4},
        "schedules": {"useThreads": True, "numWorkers": 4},
    },
    "postgresql": {"postgresqlParams": {}},
}


@dataclass(frozen=True)
class Release:
    """A release: its name and where it goes."""

    name: str
    namespace: str = "observer-prod"


def merged(*files: Path | Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Returns the values of files and mappings, later over earlier: maps merge, lists and null replace."""
    values = copy.deepcopy(dict(_DEFAULTS if defaults is None else defaults))
    for file in files:
        given = yaml.safe_load(file.read_text()) if isinstance(file, Path) else file
        values = _over(values, copy.deepcopy(given))
    return values


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        result[key] = _over(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return result
