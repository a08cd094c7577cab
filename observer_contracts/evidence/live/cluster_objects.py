"""Objects of the API's JSON.

Invariant: a Secret leaves this module without values, annotations and managed fields, which may repeat its
values; of a registry Secret the names of the hosts are kept.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any
from urllib.parse import urlsplit

from observer_contracts.evidence.hidden import conceal
from observer_contracts.evidence.objects import KubernetesObject, mapping_at
from observer_contracts.evidence.yaml_documents import Fields, Items
from observer_contracts.model import Source

REGISTRY_KEY = ".dockerconfigjson"
_KEPT_OF_A_SECRET = ("name", "namespace", "creationTimestamp", "ownerReferences", "labels")
_NO_LINE = 0


def object_of(content: Any, path: str, *, kind: str = "", version: str = "") -> KubernetesObject | None:
    """Returns an object of the API; None where the JSON is none.

    Args:
        content: The JSON.
        path: What was asked for, as the place of the evidence.
        kind: Its kind where the JSON does not say it, as in a list.
        version: Likewise its `apiVersion`.
    """
    fields = as_fields(content)
    if not isinstance(fields, Fields):
        return None
    fields.setdefault("kind", kind)
    fields.setdefault("apiVersion", version)
    if fields["kind"] == "Secret":
        _put_away(fields)
    return KubernetesObject(fields, path, source=Source.LIVE)


def _put_away(secret: Fields) -> None:
    conceal(secret)
    metadata = mapping_at(secret, "metadata")
    for key in list(metadata):
        if key not in _KEPT_OF_A_SECRET:
            del metadata[key]


def as_fields(value: Any) -> Any:
    """Returns JSON with mappings and lists as the readers of objects expect them; it has no lines."""
    if isinstance(value, dict):
        fields = Fields(_NO_LINE)
        for key, item in value.items():
            fields[key] = as_fields(item)
        return fields
    if isinstance(value, list):
        items = Items(_NO_LINE)
        items.extend(as_fields(item) for item in value)
        items.lines.extend([_NO_LINE] * len(value))
        return items
    return value


def registry_hosts(secret: Any) -> tuple[str, ...]:
    """Returns the hosts that a registry Secret has a login for, from its JSON."""
    try:
        blob = secret["data"][REGISTRY_KEY]
        logins = json.loads(base64.b64decode(blob, validate=True))["auths"]
        return tuple(
            sorted(urlsplit(f"//{name.partition('://')[2] or name}").hostname or "" for name in logins)
        )
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error):
        return ()
