"""`contracts.yaml`: what a deployment may choose, and what it is exempted from.

Invariant: the file can change names and add exemptions, and nothing else; an exemption always has an
owner, a reason and an end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from observer_contracts.declaration.facts import Exemption, Producer
from observer_contracts.evidence.kustomize import read_text
from observer_contracts.evidence.yaml_documents import Fields, Items, read_documents
from observer_core.errors import ConfigurationError, InputError
from observer_core.settings.brokers import KisEnvironment

DEFAULT_FILE = "contracts.yaml"
FORMAT = 1

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_EXEMPTION_KEYS = {"rule", "object", "owner", "reason", "expires"}


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a deployment may choose; the defaults are the specification's.

    Attributes:
        namespace: Namespace of everything.
        secret: Secret with the credentials.
        secret_producer: `sealed`, or `manual` where somebody makes it by hand.
        pull_secret: Secret for the image registry.
        config_map: ConfigMap with the configuration.
        image: Image of the collector without tag; `*` stands for anything but a slash.
        storage_class: Storage class of the claims.
        node_memory_gib: Memory of the node; the specification's has 24 GiB.
        broker_environment: `real`, or `paper` for the broker's paper trading.
        external_secrets: Other Secrets that exist although no manifest makes them.
        external_config_maps: Other ConfigMaps that exist although no manifest makes them.
        exemptions: Accepted findings.
    """

    namespace: str = "observer-prod"
    secret: str = "observer-secrets"
    secret_producer: Producer = Producer.SEALED
    pull_secret: str = "ghcr-secret"
    config_map: str = "observer-config"
    image: str = "ghcr.io/*/observer"
    storage_class: str = "local-path"
    node_memory_gib: int = 24
    broker_environment: KisEnvironment = KisEnvironment.REAL
    external_secrets: tuple[str, ...] = ()
    external_config_maps: tuple[str, ...] = ("kube-root-ca.crt",)
    exemptions: tuple[Exemption, ...] = ()


def read_parameters(path: Path) -> Parameters:
    """Reads and validates a parameters file.

    Raises:
        ConfigurationError: The file, a field or a value is wrong.
    """
    try:
        documents = list(read_documents(read_text(path), str(path)))
    except InputError as error:
        raise ConfigurationError(f"The contract parameters cannot be read: {error}") from None
    if len(documents) != 1 or not isinstance(documents[0], Fields):
        raise ConfigurationError(f"{path} must hold one mapping.", remedy="See the tracked contracts.yaml.")
    return _parameters(path, documents[0])


def _parameters(path: Path, document: Fields) -> Parameters:
    known = {field.name for field in fields(Parameters)}
    values: dict[str, Any] = {}
    for key, value in document.items():
        line = document.lines[key]
        if key == "format":
            if value != FORMAT:
                raise _wrong(path, line, "format", f"must be {FORMAT}")
        elif key not in known:
            raise _wrong(path, line, key, f"is not known; known are format, {', '.join(sorted(known))}")
        elif key == "exemptions":
            values[key] = tuple(_exemption(path, item, line) for item in _items(path, value, key, line))
        elif key.startswith("external_"):
            values[key] = tuple(_name(path, item, key, line) for item in _items(path, value, key, line))
        elif key == "secret_producer":
            values[key] = _chosen(path, value, key, line, Producer)
        elif key == "broker_environment":
            values[key] = _chosen(path, value, key, line, KisEnvironment)
        elif key == "node_memory_gib":
            values[key] = _whole_number(path, value, key, line)
        elif key == "image":
            values[key] = _text(path, value, key, line)
        else:
            values[key] = _name(path, value, key, line)
    return Parameters(**values)


def _wrong(path: Path, line: int, field: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path}:{line}: `{field}` {problem}.", remedy="Correct the contract parameters."
    )


def _items(path: Path, value: object, field: str, line: int) -> Items:
    if not isinstance(value, Items):
        raise _wrong(path, line, field, "must be a list")
    return value


def _text(path: Path, value: object, field: str, line: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(path, line, field, "must be a text")
    return value.strip()


def _name(path: Path, value: object, field: str, line: int) -> str:
    name = _text(path, value, field, line)
    if not _NAME.fullmatch(name):
        raise _wrong(path, line, field, "must be a name as Kubernetes accepts it")
    return name


def _whole_number(path: Path, value: object, field: str, line: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _wrong(path, line, field, "must be a whole number above zero")
    return value


def _chosen(path: Path, value: object, field: str, line: int, choices: type[StrEnum]) -> StrEnum:
    try:
        return choices(str(value))
    except ValueError:
        raise _wrong(path, line, field, f"must be {' or '.join(choices)}") from None


def _exemption(path: Path, item: object, line: int) -> Exemption:
    if not isinstance(item, Fields):
        raise _wrong(path, line, "exemptions", "must hold mappings")
    unknown = sorted(set(item) ^ _EXEMPTION_KEYS)
    if unknown:
        raise _wrong(
            path, item.line, "exemptions", f"need exactly rule, object, owner, reason, expires; see {unknown}"
        )
    texts = {key: _text(path, item[key], key, item.lines[key]) for key in _EXEMPTION_KEYS}
    try:
        expires = date.fromisoformat(texts["expires"])
    except ValueError:
        raise _wrong(path, item.lines["expires"], "expires", "must be a day as YYYY-MM-DD") from None
    return Exemption(texts["rule"], texts["object"], texts["owner"], texts["reason"], expires)
