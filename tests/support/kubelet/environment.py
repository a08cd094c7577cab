"""The environment that a container gets.

Invariant: `env` wins over a later `envFrom`, that over an earlier one, and each over the image's ENV; a
reference that finds nothing keeps the container from being created, unless it is optional.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from kubelet.manifests import Fields, NotTranslatedError, Objects, only

_REFERENCE = re.compile(r"\$(\$|\((\w[\w.-]*)\))")
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class CreateContainerConfigError(Exception):
    """The kubelet cannot put the container together; it tries again until somebody repairs it."""


def effective_environment(container: Fields, facts: Mapping[str, Any], objects: Objects) -> dict[str, str]:
    """Returns the variables that the kubelet gives to the container runtime.

    Args:
        container: The container of the pod spec.
        facts: The pod as the downward API shows it: `metadata`, `spec`, `status`.
        objects: Where ConfigMaps and Secrets are looked up.

    Raises:
        CreateContainerConfigError: A ConfigMap, Secret or key that is not optional is missing.
    """
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        only(source, "envFrom", "configMapRef", "secretRef", "prefix")
        found |= _all_of(source, objects)
    # `makeEnvironmentVariables` puts both into one map: a reference sees `envFrom` and what stands before it.
    for variable in container.get("env", ()):
        only(variable, f"env {variable['name']}", "name", "value", "valueFrom")
        value = _value_of(variable, found, facts, objects)
        if value is not None:
            found[variable["name"]] = value
    return found


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `$(NAME)`; an unknown name stays as it is, and `$$` is a dollar sign."""
    return _REFERENCE.sub(
        lambda match: "$" if match[1] == "$" else variables.get(match[2], match[0]),
        text,
    )


def _all_of(source: Fields, objects: Objects) -> dict[str, str]:
    kind, reference = (
        ("ConfigMap", source["configMapRef"]) if "configMapRef" in source else ("Secret", source["secretRef"])
    )
    values = values_of(kind, reference["name"], objects)
    if values is None:
        if reference.get("optional"):
            return {}
        raise CreateContainerConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    prefix = source.get("prefix", "")
    return {prefix + key: value for key, value in values.items() if _NAME.fullmatch(prefix + key)}


def values_of(kind: str, name: str, objects: Objects) -> dict[str, str] | None:
    """Returns keys and values of a ConfigMap or Secret; None where there is none."""
    found = objects.get(kind, name)
    if found is None:
        return None
    values = dict(found.get("data") or {})
    if kind == "Secret":
        values = {key: base64.b64decode(value).decode() for key, value in values.items()}
        values |= found.get("stringData") or {}
    return values


def _value_of(
    variable: Fields, known: Mapping[str, str], facts: Mapping[str, Any], objects: Objects
) -> str | None:
    origin = variable.get("valueFrom")
    if origin is None:
        return expand(variable.get("value", ""), known)
    only(origin, f"env {variable['name']}", "fieldRef", "secretKeyRef", "configMapKeyRef")
    if "fieldRef" in origin:
        return _field(origin["fieldRef"]["fieldPath"], facts)
    kind, reference = (
        ("Secret", origin["secretKeyRef"])
        if "secretKeyRef" in origin
        else ("ConfigMap", origin["configMapKeyRef"])
    )
    values = values_of(kind, reference["name"], objects)
    if values is not None and reference["key"] in values:
        return values[reference["key"]]
    if reference.get("optional"):
        return None
    if values is None:
        raise CreateContainerConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    raise CreateContainerConfigError(f"couldn't find key {reference['key']} in {kind} {reference['name']}")


def _field(path: str, facts: Mapping[str, Any]) -> str:
    keyed = _KEYED.fullmatch(path)
    if keyed:
        return str(facts["metadata"].get(keyed[1], {}).get(keyed[2], ""))
    value: Any = facts
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise NotTranslatedError(f"fieldRef {path}")
        value = value[part]
    return str(value)
