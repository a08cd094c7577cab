"""Reads a cluster.

Invariant: at most three requests wait in vain before the rest is not asked for; a kind that could not be
read whole is in `refused`, and then no rule concludes anything from what is missing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from observer_contracts.declaration.facts import ClusterFact, Declaration
from observer_contracts.evidence.live import pods, secrets
from observer_contracts.evidence.live.access import Answer, ClusterAccess, Silence
from observer_contracts.evidence.live.cluster_objects import object_of
from observer_contracts.evidence.live.node_disks import node_disk
from observer_contracts.evidence.live.observations import Live, NodeDisk
from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.objects import KubernetesObject, value_at
from observer_contracts.evidence.seeing import Unseen

_PAGE = "250"
_MOST_PAGES = 40
_MOST_SILENCES = 3

_IN_NAMESPACE = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Event": "/api/v1/namespaces/{}/events",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "SealedSecret": "/apis/bitnami.com/v1alpha1/namespaces/{}/sealedsecrets",
}
_OF_THE_CLUSTER = {
    "Node": "/api/v1/nodes",
    "StorageClass": "/apis/storage.k8s.io/v1/storageclasses",
    "PersistentVolume": "/api/v1/persistentvolumes",
}


@dataclass(slots=True)
class Reading:
    """What has been read so far.

    Attributes:
        silences: Requests that got no answer.
    """

    access: ClusterAccess
    objects: list[KubernetesObject] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    missing_kinds: set[str] = field(default_factory=set)
    silences: int = 0

    def ask(self, path: str, query: Mapping[str, str] | None = None) -> Answer | Silence:
        """Asks the API, unless it has been silent too often."""
        if self.silences >= _MOST_SILENCES:
            return Silence("not asked any more: the API has stopped answering")
        answer = self.access.read(path, query)
        if isinstance(answer, Silence):
            self.silences += 1
        return answer


def read_live(declaration: Declaration, access: ClusterAccess | Silence) -> Live:
    """Reads the cluster that the access leads to."""
    if isinstance(access, Silence):
        return Live("", away=access.reason)
    reading = Reading(access)
    version = reading.ask("/version")
    if isinstance(version, Silence) or not version.good:
        return Live(access.server, away=version.reason)
    if not isinstance(value_at(version.content, "gitVersion"), str):
        return Live(access.server, away="something else than a Kubernetes API answers there")
    _read_objects(reading, declaration)
    registries = secrets.read_secrets(reading, declaration)
    live = Live(
        access.server,
        version=str(value_at(version.content, "gitVersion") or ""),
        objects=Manifests("cluster", tuple(reading.objects)),
        refused=reading.refused,
        missing_kinds=frozenset(reading.missing_kinds),
        registries=registries,
        disks=dict(_disks(reading, declaration)),
    )
    return replace(live, answers=pods.ask_pods(reading, declaration, live))


def _read_objects(reading: Reading, declaration: Declaration) -> None:
    namespace, cluster = declaration.namespace, declaration.cluster
    for kind, path in _IN_NAMESPACE.items():
        _list(reading, kind, path.format(namespace))
    for kind, path in _OF_THE_CLUSTER.items():
        _list(reading, kind, path)
    path = f"/api/v1/namespaces/{namespace}"
    answer = reading.ask(path)
    if isinstance(answer, Answer) and answer.good:
        _keep(reading, [answer.content], path, "Namespace", "v1")
    elif isinstance(answer, Silence) or not answer.missing:
        reading.refused["Namespace"] = answer.reason
    for name, other, label in _controllers(cluster):
        _list(reading, "Pod", f"/api/v1/namespaces/{other}/pods", name=name, selector=label)


def _controllers(cluster: ClusterFact) -> Iterator[tuple[str, str, str]]:
    """Yields name, namespace and label of what the cluster itself must run."""
    for fact in (cluster.provisioner_pods, cluster.sealing_pods):
        yield fact.name, fact.namespace, fact.label


def _list(reading: Reading, kind: str, path: str, *, name: str = "", selector: str = "") -> None:
    query = {"limit": _PAGE} | ({"labelSelector": selector} if selector else {})
    for _ in range(_MOST_PAGES):
        answer = reading.ask(path, query)
        if isinstance(answer, Answer) and answer.missing and kind == "SealedSecret":
            reading.missing_kinds.add(kind)
            return
        if isinstance(answer, Silence) or not answer.good:
            reading.refused[name or kind] = answer.reason
            return
        items = value_at(answer.content, "items")
        if not isinstance(items, list):
            reading.refused[name or kind] = "the answer is no list"
            return
        _keep(reading, items, path, kind, _version_of(path))
        more = value_at(answer.content, "metadata", "continue")
        if not more:
            return
        query = {**query, "continue": str(more)}
    reading.refused[name or kind] = "there are too many of them"


def _version_of(path: str) -> str:
    parts = path.split("/")
    return parts[2] if parts[1] == "api" else "/".join(parts[2:4])


def _keep(reading: Reading, items: Iterable[object], path: str, kind: str, version: str) -> None:
    for item in items:
        found = object_of(item, path, kind=kind, version=version)
        if found is not None and found.name:
            reading.objects.append(found)


def _disks(reading: Reading, declaration: Declaration) -> Iterator[tuple[str, NodeDisk | Unseen]]:
    for node in [found for found in reading.objects if found.kind == "Node"]:
        answer = reading.ask(f"/api/v1/nodes/{node.name}/proxy/stats/summary")
        if isinstance(answer, Silence) or not answer.good:
            yield node.name, Unseen(f"the node's own figures: {answer.reason}")
        else:
            yield node.name, node_disk(answer.content, declaration.namespace)
