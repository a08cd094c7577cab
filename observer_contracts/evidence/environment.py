"""The environment that a container starts with.

Invariant: the precedence is the kubelet's (`makeEnvironmentVariables`): the image's variables, then
`envFrom` in its order, then `env` in its order, each over what came before; `$(NAME)` in `env` sees
what is known by then; names that are no variable names are dropped. Values of Secrets are unknown
here, only that they exist.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from observer_contracts.evidence.dockerfile import Image
from observer_contracts.evidence.hidden import Length
from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.objects import (
    KubernetesObject,
    Place,
    as_text,
    items_at,
    mapping_at,
    text_at,
)
from observer_contracts.evidence.sealed import sealed_length
from observer_contracts.evidence.workloads import Container
from observer_contracts.evidence.yaml_documents import Fields
from observer_contracts.model import Location, Source

_VALID_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_REFERENCE = re.compile(r"\$(\$|\(([-._a-zA-Z0-9]*)\))")


class Layer(StrEnum):
    """Which layer of a container's environment a value comes from."""

    IMAGE = "image ENV"
    ENV_FROM = "envFrom"
    ENV = "env"


@dataclass(frozen=True, slots=True)
class Value:
    """One variable with one of its sources.

    Attributes:
        name: The variable.
        text: Its value; None where it is secret or known only when the pod runs.
        length: Length in bytes of a secret value, where it can be seen.
        origin: The object that holds the value, as `Kind/name`.
        where: Where the value stands.
        field: The pod's field it is taken from.
    """

    name: str
    text: str | None
    layer: Layer
    origin: str
    where: Location
    length: int | None = None
    field: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference from a workload to a ConfigMap or Secret.

    Attributes:
        key: The key that is asked for; empty for all of them.
        place: Where the reference stands in the workload.
        missing: What is not there: `object`, `key`, or empty.
    """

    kind: str
    name: str
    key: str
    optional: bool
    place: Place
    missing: str


@dataclass(slots=True)
class Environment:
    """What a container starts with, and what was lost on the way.

    Attributes:
        effective: The winning value of each variable.
        shadowed: Values of the pod's own layers that lost, with the winner.
        references: Every reference that was followed.
        dropped: Keys that are no variable names.
    """

    effective: dict[str, Value] = field(default_factory=dict)
    shadowed: list[tuple[Value, Value]] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    dropped: list[Value] = field(default_factory=list)

    def put(self, value: Value) -> None:
        if not _VALID_NAME.fullmatch(value.name):
            self.dropped.append(value)
            return
        loser = self.effective.get(value.name)
        if loser is not None and loser.layer is not Layer.IMAGE:
            self.shadowed.append((value, loser))
        self.effective[value.name] = value

    @property
    def has_unresolved_objects(self) -> bool:
        return any(reference.missing and not reference.optional for reference in self.references)


def producer_of(manifests: Manifests, kind: str, name: str) -> KubernetesObject | None:
    """Returns the object that makes a ConfigMap or Secret, or None."""
    found = manifests.find(kind, name)
    if found is not None or kind != "Secret":
        return found
    for sealed in manifests.of("SealedSecret"):
        if secret_name(sealed) == name:
            return sealed
    for external in manifests.of("ExternalSecret"):
        if (external.text("spec", "target", "name") or external.name) == name:
            return external
    return None


def secret_name(sealed: KubernetesObject) -> str:
    """Returns the name of the Secret that a SealedSecret makes: always its own."""
    return sealed.name


def keys_of(producer: KubernetesObject) -> dict[str, tuple[Place, int | None]] | None:
    """Returns the keys that a producer of a Secret provides, with place and length of each.

    Returns:
        None where the keys cannot be seen (an ExternalSecret that takes everything).
    """
    if producer.kind == "SealedSecret":
        sealed = producer.mapping("spec", "encryptedData")
        keys: dict[str, tuple[Place, int | None]] = {
            key: (("spec", "encryptedData", key), sealed_length(blob)) for key, blob in sealed.items()
        }
        template = producer.mapping("spec", "template", "data")
        return keys | {key: (("spec", "template", "data", key), None) for key in template}
    if producer.kind == "ExternalSecret":
        named = {text_at(item, "secretKey"): (place, None) for place, item in producer.items("spec", "data")}
        return None if producer.items("spec", "dataFrom") else dict(named)
    found: dict[str, tuple[Place, int | None]] = {}
    for block in ("data", "stringData"):
        for key, value in producer.mapping(block).items():
            found[key] = ((block, key), int(value) if isinstance(value, Length) else None)
    return found


def environment_of(container: Container, manifests: Manifests, image: Image | None = None) -> Environment:
    """Computes the environment of a container."""
    environment = Environment()
    for variable in image.variables if image else ():
        where = Location(
            Source.MANIFESTS, image.file if image else "", variable.line, "image", f"ENV {variable.name}"
        )
        environment.put(Value(variable.name, variable.value, Layer.IMAGE, "image", where))
    for index, source in items_at(container.fields, "envFrom"):
        _add_env_from(environment, container, manifests, index, source)
    for index, entry in items_at(container.fields, "env"):
        _add_env(environment, container, manifests, index, entry)
    return environment


def _add_env_from(
    environment: Environment, container: Container, manifests: Manifests, index: int, source: Fields
) -> None:
    for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if not isinstance(source.get(key), Fields):
            continue
        name = text_at(source, key, "name")
        place = (*container.place, "envFrom", index, key, "name")
        producer = producer_of(manifests, kind, name)
        optional = mapping_at(source, key).get("optional") is True
        missing = "" if producer else "object"
        environment.references.append(Reference(kind, name, "", optional, place, missing))
        if producer is not None:
            for value in _values(producer, text_at(source, "prefix")):
                environment.put(value)


def _values(producer: KubernetesObject, prefix: str) -> list[Value]:
    if producer.kind == "ConfigMap":
        return [
            Value(prefix + key, as_text(text), Layer.ENV_FROM, producer.label, producer.where("data", key))
            for key, text in producer.mapping("data").items()
        ]
    return [
        Value(prefix + key, None, Layer.ENV_FROM, producer.label, producer.where(*place), length, secret=True)
        for key, (place, length) in (keys_of(producer) or {}).items()
    ]


def _add_env(
    environment: Environment, container: Container, manifests: Manifests, index: int, entry: Fields
) -> None:
    name, place = text_at(entry, "name"), (*container.place, "env", index)
    owner, where = container.workload.label, container.where("env", index)
    source = mapping_at(entry, "valueFrom")
    text = as_text(entry.get("value"))
    if text or not source:
        environment.put(Value(name, _expand(text, environment), Layer.ENV, owner, where))
        return
    for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if isinstance(source.get(key), Fields):
            value = _follow(environment, manifests, kind, mapping_at(source, key), (*place, "valueFrom", key))
            if value is not None:
                environment.put(
                    Value(name, value.text, Layer.ENV, value.origin, where, value.length, secret=value.secret)
                )
            return
    field_path = text_at(source, "fieldRef", "fieldPath")
    environment.put(Value(name, None, Layer.ENV, owner, where, field=field_path))


def _follow(
    environment: Environment, manifests: Manifests, kind: str, reference: Fields, place: Place
) -> Value | None:
    name, key = text_at(reference, "name"), text_at(reference, "key")
    optional = reference.get("optional") is True
    producer = producer_of(manifests, kind, name)
    values = {value.name: value for value in _values(producer, "")} if producer else {}
    unseen = producer is not None and kind == "Secret" and keys_of(producer) is None
    missing = "object" if producer is None else "" if key in values or unseen else "key"
    environment.references.append(Reference(kind, name, key, optional, place, missing))
    return values.get(key)


def _expand(text: str, environment: Environment) -> str | None:
    """Expands `$(NAME)`; `$$` is a dollar sign, and an unknown name stays as it is written."""
    unknown = False

    def replaced(match: re.Match[str]) -> str:
        nonlocal unknown
        if match[1] == "$":
            return "$"
        value = environment.effective.get(match[2])
        if value is None or value.layer is Layer.IMAGE:
            return match[0]
        unknown = unknown or value.text is None
        return value.text or ""

    expanded = _REFERENCE.sub(replaced, text)
    return None if unknown else expanded
