"""What was seen in a cluster.

Invariant: immutable; of Secrets only names, types, keys and lengths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.objects import KubernetesObject
from observer_contracts.evidence.seeing import HttpAnswer, Unseen

# Objects that somebody applies, as opposed to what the cluster makes of them.
_APPLIED = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "CronJob", "Service", "ConfigMap", "PersistentVolumeClaim",
     "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget", "Role", "RoleBinding", "Secret"}
)  # fmt: skip
_SEALED = "SealedSecret"


@dataclass(frozen=True, slots=True)
class NodeDisk:
    """The file system of a node that holds its volumes.

    Attributes:
        total_bytes: Its size.
        free_bytes: What is free for everybody.
        claims: Bytes in use of each claim of the namespace, by name.
    """

    total_bytes: int
    free_bytes: int
    claims: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Persistence:
    """The outcome of deleting the collector's pods.

    Attributes:
        deleted: The pods that were deleted.
        successors: The pods that took their place and became ready.
        seconds: How long it took from the first deletion until all were ready.
        files: How many files there were before.
        bytes: Their bytes.
        lost: Files that were there before and are not, or are shorter.
    """

    deleted: tuple[str, ...]
    successors: tuple[str, ...]
    seconds: float
    files: int
    bytes: int
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Live:
    """Everything that was seen in one cluster.

    Attributes:
        server: Address of the API.
        away: Why the API gives no answer at all; empty where it does.
        version: Version of the API server.
        objects: Everything that could be read.
        refused: Why a kind could not be read, by kind; `Secret/NAME` for a single Secret.
        missing_kinds: Kinds that the cluster does not know.
        registries: Hosts of each registry Secret.
        answers: Answers of the collector's pods, by pod and path.
        disks: Disks of the nodes, by node.
        persistence: The outcome of the persistence test; None where it was not asked for.
    """

    server: str
    away: str = ""
    version: str = ""
    objects: Manifests = field(default_factory=lambda: Manifests("cluster"))
    refused: Mapping[str, str] = field(default_factory=dict)
    missing_kinds: frozenset[str] = frozenset()
    registries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    answers: Mapping[tuple[str, str], HttpAnswer | Unseen] = field(default_factory=dict)
    disks: Mapping[str, NodeDisk | Unseen] = field(default_factory=dict)
    persistence: Persistence | Unseen | None = None

    @cached_property
    def applied(self) -> Manifests:
        """The objects as if they were manifests; a Secret is there only if it is really there."""
        return self._view(_APPLIED)

    @cached_property
    def applied_and_sealed(self) -> Manifests:
        """The same with the SealedSecrets."""
        return self._view(_APPLIED | {_SEALED})

    def _view(self, kinds: frozenset[str]) -> Manifests:
        found = tuple(thing for thing in self.objects.objects if thing.kind in kinds)
        return Manifests(self.objects.name, found)

    def of(self, kind: str) -> list[KubernetesObject]:
        """Returns the objects of a kind."""
        return self.objects.of(kind)

    def find(self, kind: str, name: str) -> KubernetesObject | None:
        """Returns an object, or None."""
        return self.objects.find(kind, name)

    def unseen(self, *kinds: str) -> str:
        """Returns why one of the kinds could not be read; empty where all could."""
        if self.away:
            return self.away
        for kind in kinds:
            for refused, reason in self.refused.items():
                if refused.partition("/")[0] == kind:
                    return f"{refused}: {reason}"
        return ""
