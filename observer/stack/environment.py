"""What each process of a local stack finds in its environment.

Invariant: a child gets what it needs and nothing else; whatever else stands in the caller's
environment (another broker key, another database, options of libpq) cannot reach it. The simulated
broker's keys are made once for a stack and open nothing else.
"""

from __future__ import annotations

import json
import os
import secrets
import string
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from observer.stack.layout import StackFolder
from observer.stack.ports import LOOPBACK
from observer_core.files import write_atomically
from observer_core.settings import (
    CollectorSettings,
    DatabaseSettings,
    KisSettings,
    KiwoomSettings,
    ServiceSettings,
    UniverseSettings,
    variables,
)

# What any program may need of the machine: where programs are, the language, certificates and proxies.
_OF_THE_MACHINE = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy",
)  # fmt: skip

_FOREIGN = ("KIS_", "KIWOOM_", "DB_", "OBSERVER_", "DAGSTER_", "PG")

# Lengths as documented (broker reference, 2.1).
_APP_KEY_LENGTH = 36
_APP_SECRET_LENGTH = 180
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class SimulatedKeys:
    """Credentials that the simulated broker accepts."""

    app_key: str
    app_secret: str

    @classmethod
    def of_stack(cls, folder: StackFolder) -> SimulatedKeys:
        """Returns the stack's own pair, made at its first start."""
        path = folder.simulator_keys
        if path.exists():
            stored = json.loads(path.read_text())
            return cls(stored["app_key"], stored["app_secret"])
        keys = cls(
            "PS" + _random_text(_APP_KEY_LENGTH - 2),
            _random_text(_APP_SECRET_LENGTH),
        )
        text = json.dumps({"app_key": keys.app_key, "app_secret": keys.app_secret})
        write_atomically(path, text.encode(), mode=0o600)
        return keys


def cleanse(environment: MutableMapping[str, str]) -> list[str]:
    """Removes every variable that is meant for another broker, database or deployment.

    Returns:
        Their names.
    """
    declared = {variable.name for variable in variables(ServiceSettings, CollectorSettings, UniverseSettings)}
    foreign = [name for name in environment if name.startswith(_FOREIGN) or name in declared]
    for name in foreign:
        del environment[name]
    return sorted(foreign)


def of_the_machine(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that any child gets."""
    kept = {name: environment[name] for name in _OF_THE_MACHINE if name in environment}
    no_proxy = ",".join(filter(None, (environment.get("NO_PROXY") or environment.get("no_proxy"), LOOPBACK)))
    return {"PATH": os.defpath, **kept, "NO_PROXY": no_proxy, "PYTHONUNBUFFERED": "1", "TZ": "Asia/Seoul"}


def given_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns what the operator has set for collector, universe and logs."""
    groups = (CollectorSettings, UniverseSettings, ServiceSettings)
    names = [variable.name for variable in variables(*groups)]
    return {name: environment[name] for name in names if environment.get(name)}


def given_broker(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the access to the real brokers that the operator has set."""
    names = [variable.name for variable in variables(KisSettings, KiwoomSettings)]
    return {name: environment[name] for name in names if environment.get(name)}


def mounts(runtime: Path) -> dict[str, str]:
    """Returns the seven paths of the path contract, below the stack's folder."""
    return {
        "OBSERVER_DATA_DIR": str(runtime / "data"),
        "OBSERVER_LOG_DIR": str(runtime / "logs"),
        "OBSERVER_CONFIG_DIR": str(runtime / "config"),
        "OBSERVER_SNAPSHOT_DIR": str(runtime / "universe"),
        "OBSERVER_SYSTEM_LOG_DIR": str(runtime / "logs" / "system"),
        "OBSERVER_MAINTENANCE_LOG_DIR": str(runtime / "logs" / "maintenance"),
        "KIS_TOKEN_CACHE_DIR": str(runtime / "data" / "cache"),
    }


def caches(folder: StackFolder) -> dict[str, str]:
    """Returns where libraries keep what they have worked out, which would else be the user's home."""
    return {"MPLCONFIGDIR": str(folder.project / "var" / "cache" / "matplotlib")}


def simulated_broker(keys: SimulatedKeys, *, http_port: int, websocket_port: int) -> dict[str, str]:
    """Returns the access to the simulated broker, as its clients are given it."""
    return {
        "KIS_APP_KEY": keys.app_key,
        "KIS_APP_SECRET": keys.app_secret,
        "KIS_REST_URL": f"http://{LOOPBACK}:{http_port}",
        "KIS_WEBSOCKET_URL": f"ws://{LOOPBACK}:{websocket_port}",
        "KIS_MASTER_URL": f"http://{LOOPBACK}:{http_port}/common/master/",
        "KIWOOM_REST_URL": f"http://{LOOPBACK}:{http_port}",
        "KIWOOM_APP_KEY": keys.app_key,
        "KIWOOM_APP_SECRET": keys.app_secret,
    }


def simulator(
    keys: SimulatedKeys, folder: StackFolder, *, http_port: int, websocket_port: int
) -> dict[str, str]:
    """Returns the simulator's own settings."""
    return {
        "OBSERVER_SIMULATOR_APP_KEY": keys.app_key,
        "OBSERVER_SIMULATOR_APP_SECRET": keys.app_secret,
        "OBSERVER_SIMULATOR_KIWOOM_APP_KEY": keys.app_key,
        "OBSERVER_SIMULATOR_KIWOOM_APP_SECRET": keys.app_secret,
        "OBSERVER_SIMULATOR_HTTP_PORT": str(http_port),
        "OBSERVER_SIMULATOR_WEBSOCKET_PORT": str(websocket_port),
        "OBSERVER_SIMULATOR_STATE_FILE": str(folder.folder / "simulator.json"),
    }


def database(settings: DatabaseSettings) -> dict[str, str]:
    """Returns the database contract's variables."""
    return {
        "DB_HOST": settings.host,
        "DB_PORT": str(settings.port),
        "DB_NAME": settings.name,
        "DB_USER": settings.user,
        "DB_PASSWORD": settings.password.get_secret_value(),
    }


def dagster(folder: StackFolder, storage: DatabaseSettings) -> dict[str, str]:
    """Returns what `dagster_home/dagster.yaml` names, and where it is."""
    return {
        "DAGSTER_HOME": str(folder.dagster_home),
        "DAGSTER_PG_HOST": storage.host,
        "DAGSTER_PG_PORT": str(storage.port),
        "DAGSTER_PG_DB": storage.name,
        "DAGSTER_PG_USERNAME": storage.user,
        "DAGSTER_PG_PASSWORD": storage.password.get_secret_value(),
    }


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
