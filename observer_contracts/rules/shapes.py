"""The fields and types of the Kubernetes objects that a deployment uses.

Invariant: the table is made from the official Kubernetes client by a program beside the tests, and a
test compares the two; only the custom resource of Sealed Secrets is written here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

_LIST = "list["
_MAP = "dict["
# Quantities are texts in the schema, and the API server takes numbers for them as well.
QUANTITIES = frozenset({"limits", "requests", "capacity", "sizeLimit", "divisor", "overhead"})

_SEALED_SECRET = {
    "SealedSecret": {
        "apiVersion": "str",
        "kind": "str",
        "metadata": "V1ObjectMeta",
        "spec": "SealedSpec",
        "status": "object",
    },
    "SealedSpec": {"encryptedData": "dict[str, str]", "template": "SealedTemplate", "data": "str"},
    "SealedTemplate": {
        "metadata": "V1ObjectMeta",
        "type": "str",
        "immutable": "bool",
        "data": "dict[str, str]",
    },
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A type: its fields with their types, and the fields that it must have."""

    fields: dict[str, str]
    required: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shapes:
    """All types, and the API version and type of each kind."""

    types: dict[str, Shape]
    kinds: dict[str, tuple[str, str]]


@cache
def load_shapes() -> Shapes:
    """Reads the packaged table."""
    table = resources.files("observer_contracts.rules").joinpath("data/kubernetes_shapes.json")
    content = json.loads(table.read_text(encoding="utf-8"))
    types = {name: Shape(item["fields"], tuple(item["required"])) for name, item in content["types"].items()}
    types |= {name: Shape(fields, ()) for name, fields in _SEALED_SECRET.items()}
    kinds = {kind: (version, name) for kind, (version, name) in content["kinds"].items()}
    return Shapes(types, kinds | {"SealedSecret": ("bitnami.com/v1alpha1", "SealedSecret")})


def item_type(name: str) -> str | None:
    """Returns the type of the items of a list type, or None where it is no list."""
    return name[len(_LIST) : -1] if name.startswith(_LIST) else None


def value_type(name: str) -> str | None:
    """Returns the type of the values of a mapping type, or None where it is no mapping."""
    return name[len(_MAP) : -1].partition(", ")[2] if name.startswith(_MAP) else None
