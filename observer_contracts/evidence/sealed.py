"""The shape of sealed values, seen without any key.

Invariant: a blob is two bytes with the length of the encrypted session key, that key, and the value
with a tag of 16 bytes (Sealed Secrets, `HybridEncrypt`: RSA-OAEP and AES-GCM). Its length therefore
tells the length of the value, and nothing else.
"""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum

from observer_contracts.evidence.objects import KubernetesObject

_PREFIX = 2
_TAG = 16
_SESSION_KEYS = frozenset({256, 384, 512, 1024})

_CLUSTER_WIDE = "sealedsecrets.bitnami.com/cluster-wide"
_NAMESPACE_WIDE = "sealedsecrets.bitnami.com/namespace-wide"
PLACEHOLDER = "observer.contracts/placeholder"


class Scope(StrEnum):
    """To what a sealed value is bound."""

    STRICT = "strict"
    NAMESPACE_WIDE = "namespace-wide"
    CLUSTER_WIDE = "cluster-wide"


def scope_of(sealed: KubernetesObject) -> Scope:
    """Returns the scope that the annotations of a SealedSecret name."""
    annotations = sealed.mapping("metadata", "annotations")
    if str(annotations.get(_CLUSTER_WIDE, "")).lower() == "true":
        return Scope.CLUSTER_WIDE
    if str(annotations.get(_NAMESPACE_WIDE, "")).lower() == "true":
        return Scope.NAMESPACE_WIDE
    return Scope.STRICT


def sealed_length(blob: object) -> int | None:
    """Returns the length in bytes of a sealed value, or None where the blob is malformed."""
    if not isinstance(blob, str):
        return None
    try:
        content = base64.b64decode("".join(blob.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(content) < _PREFIX:
        return None
    key = int.from_bytes(content[:_PREFIX], "big")
    length = len(content) - _PREFIX - key - _TAG
    return length if key in _SESSION_KEYS and length >= 0 else None
