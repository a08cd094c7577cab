"""The kubelet's figures about a node's disk (`/stats/summary`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from observer_contracts.evidence.live.observations import NodeDisk
from observer_contracts.evidence.objects import value_at
from observer_contracts.evidence.seeing import Unseen


def node_disk(summary: Any, namespace: str) -> NodeDisk | Unseen:
    """Reads a summary.

    Args:
        summary: The kubelet's answer.
        namespace: Whose claims are of interest.
    """
    total = value_at(summary, "node", "fs", "capacityBytes")
    free = value_at(summary, "node", "fs", "availableBytes")
    if not isinstance(total, int) or not isinstance(free, int):
        return Unseen("the node does not tell the size of its disk")
    return NodeDisk(total, free, dict(_claims(summary, namespace)))


def _claims(summary: Any, namespace: str) -> Iterator[tuple[str, int]]:
    for pod in value_at(summary, "pods") or []:
        for volume in value_at(pod, "volume") or []:
            name, used = value_at(volume, "pvcRef", "name"), value_at(volume, "usedBytes")
            if value_at(volume, "pvcRef", "namespace") == namespace and isinstance(used, int):
                yield str(name), used
