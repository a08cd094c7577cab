"""The state of an emulated K3s, as in the specification: one ARM node, local-path, Sealed Secrets."""

import base64
import copy
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Object = dict[str, Any]

NODE = "obs-prod-arm"
NAMESPACE = "observer-prod"
STORAGE = "/var/lib/rancher/k3s/storage"
GIB = 2**30
STARTED = "2026-11-22T12:00:00Z"
APPLIED = "2026-11-22T11:59:00Z"

# Kind: group and version, plural, whether it lies in a namespace.
KINDS = {
    "Namespace": ("v1", "namespaces", False),
    "Node": ("v1", "nodes", False),
    "PersistentVolume": ("v1", "persistentvolumes", False),
    "StorageClass": ("storage.k8s.io/v1", "storageclasses", False),
    "Pod": ("v1", "pods", True),
    "Service": ("v1", "services", True),
    "ConfigMap": ("v1", "configmaps", True),
    "Secret": ("v1", "secrets", True),
    "Event": ("v1", "events", True),
    "ServiceAccount": ("v1", "serviceaccounts", True),
    "PersistentVolumeClaim": ("v1", "persistentvolumeclaims", True),
    "EndpointSlice": ("discovery.k8s.io/v1", "endpointslices", True),
    "Deployment": ("apps/v1", "deployments", True),
    "StatefulSet": ("apps/v1", "statefulsets", True),
    "DaemonSet": ("apps/v1", "daemonsets", True),
    "CronJob": ("batch/v1", "cronjobs", True),
    "Job": ("batch/v1", "jobs", True),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies", True),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets", True),
    "Role": ("rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings", True),
    "SealedSecret": ("bitnami.com/v1alpha1", "sealedsecrets", True),
}


@dataclass
class Cluster:
    """Objects, and what else the API leads to.

    Attributes:
        unsealed: What the controller finds in a SealedSecret: values by key.
        answers: What a pod answers on HTTP: status and body by path, given the pod's name.
        free_gib: Free space of the node's disk.
        replaces: Whether deleted pods get successors that become ready.
        logs: What the containers of a pod have printed, by the pod's name.
    """

    unsealed: dict[str, str]
    answers: Callable[[str, str], tuple[int, Any]] = lambda pod, path: (404, {})
    free_gib: float = 42.0
    replaces: bool = True
    objects: dict[str, list[Object]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    unknown_kinds: set[str] = field(default_factory=set)
    generation: int = 0
    logs: dict[str, Path] = field(default_factory=dict)

    def of(self, kind: str, name: str, namespace: str = NAMESPACE) -> Object:
        """Returns an object; an error where there is none."""
        found = self.find(kind, name, namespace)
        assert found is not None, f"no {kind} {name} in {namespace}"
        return found

    def find(self, kind: str, name: str, namespace: str = NAMESPACE) -> Object | None:
        lies_in = namespace if KINDS[kind][2] else None
        return next(
            (
                found
                for found in self.objects[kind]
                if found["metadata"]["name"] == name and found["metadata"].get("namespace") == lies_in
            ),
            None,
        )

    def put(self, kind: str, name: str, namespace: str | None = NAMESPACE, **fields: Any) -> Object:
        """Adds an object as the API server keeps it."""
        version, _, namespaced = KINDS[kind]
        metadata = {"name": name, "creationTimestamp": APPLIED, **fields.pop("metadata", {})}
        metadata["uid"] = hashlib.sha256(f"{kind}/{namespace}/{name}/{self.generation}".encode()).hexdigest()[
            :32
        ]
        if namespaced:
            metadata["namespace"] = namespace
        made = {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}
        self.objects[kind].append(made)
        return made

    def remove(self, kind: str, name: str, namespace: str = NAMESPACE) -> None:
        self.objects[kind].remove(self.of(kind, name, namespace))

    def apply(self, documents: Iterable[Object]) -> None:
        """Takes manifests as the API server does."""
        for document in copy.deepcopy(list(documents)):
            fields = {key: value for key, value in document.items() if key not in ("apiVersion", "kind")}
            metadata = fields.pop("metadata")
            name, namespace = metadata.pop("name"), metadata.pop("namespace", None)
            said = json.dumps(document)
            annotations = metadata.setdefault("annotations", {})
            annotations["kubectl.kubernetes.io/last-applied-configuration"] = said
            made = self.put(document["kind"], name, namespace, metadata=metadata, **fields)
            _fill_in(made)

    def install(self) -> None:
        """Adds what K3s and the operator have installed."""
        conditions = [
            {"type": name, "status": "False"} for name in ("MemoryPressure", "DiskPressure", "PIDPressure")
        ]
        self.put(
            "Node",
            NODE,
            status={
                "conditions": [*conditions, {"type": "Ready", "status": "True"}],
                "nodeInfo": {"kubeletVersion": "v1.34.3+k3s1", "architecture": "arm64"},
            },
        )
        default = {"storageclass.kubernetes.io/is-default-class": "true"}
        self.put(
            "StorageClass",
            "local-path",
            metadata={"annotations": default},
            provisioner="rancher.io/local-path",
        )
        self.put("Namespace", NAMESPACE, status={"phase": "Active"})
        self.put("ServiceAccount", "default")
        self.put("ConfigMap", "kube-root-ca.crt", data={"ca.crt": "-----BEGIN CERTIFICATE-----"})
        self._pod(
            "local-path-provisioner-7b7dc8d6f5-x2vqk", "kube-system", {"app": "local-path-provisioner"}, {}
        )
        self._pod("sealed-secrets-controller-6c8f9d-k9m2p", "sealed-secrets", {"name": "sealed-secrets"}, {})
        login = {"auths": {"https://ghcr.io": {"username": "robot", "password": "ghp_registry-password"}}}
        self.put(
            "Secret",
            "ghcr-secret",
            type="kubernetes.io/dockerconfigjson",
            data={".dockerconfigjson": _encoded(json.dumps(login))},
        )

    def settle(self) -> None:
        """Lets the controllers do their work once."""
        for sealed in self.objects["SealedSecret"]:
            self._unseal(sealed)
        for claim in self.objects["PersistentVolumeClaim"]:
            if claim.get("status", {}).get("phase") != "Bound":
                self._bind(claim)
        for kind in ("Deployment", "StatefulSet"):
            for workload in self.objects[kind]:
                self._run(workload)
        self._connect()

    def _unseal(self, sealed: Object) -> None:
        name = sealed["metadata"]["name"]
        sealed["status"] = {"conditions": [{"type": "Synced", "status": "True"}]}
        if self.find("Secret", name) is None:
            owner = [{"kind": "SealedSecret", "name": name, "controller": True}]
            keys = sealed["spec"]["encryptedData"]
            data = {key: _encoded(self.unsealed[key]) for key in keys}
            self.put("Secret", name, metadata={"ownerReferences": owner}, type="Opaque", data=data)

    def _bind(self, claim: Object) -> None:
        name, size = claim["metadata"]["name"], claim["spec"]["resources"]["requests"]["storage"]
        volume = f"pvc-{claim['metadata']['uid'][:8]}"
        claim["spec"] |= {"volumeName": volume, "storageClassName": "local-path", "volumeMode": "Filesystem"}
        claim["status"] = {"phase": "Bound", "capacity": {"storage": size}}
        terms = [
            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}
        ]
        self.put(
            "PersistentVolume",
            volume,
            spec={
                "capacity": {"storage": size},
                "hostPath": {"path": f"{STORAGE}/{volume}_{NAMESPACE}_{name}"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": "local-path",
            },
            status={"phase": "Bound"},
        )

    def pods(self, workload: str) -> list[Object]:
        """Returns the pods of a workload."""
        return [pod for pod in self.objects["Pod"] if pod["metadata"]["labels"].get("app") == workload]

    def _run(self, workload: Object) -> None:
        name, kind = workload["metadata"]["name"], workload["kind"]
        template = workload["spec"]["template"]
        for number in range(len(self.pods(name)), workload["spec"].get("replicas", 1)):
            self.generation += 1
            suffix = hashlib.sha256(f"{name}{number}{self.generation}".encode()).hexdigest()[:5]
            pod_name = f"{name}-{number}" if kind == "StatefulSet" else f"{name}-77cf5f5949-{suffix}"
            owner = {"kind": "ReplicaSet" if kind == "Deployment" else kind, "name": name}
            labels = template["metadata"]["labels"]
            self._pod(pod_name, NAMESPACE, labels, template["spec"], owner=owner)
        workload["status"] = {"replicas": len(self.pods(name)), "readyReplicas": len(self.pods(name))}

    def _pod(
        self, name: str, namespace: str, labels: Object, spec: Object, *, owner: Object | None = None
    ) -> Object:
        spec = copy.deepcopy(spec) | {"nodeName": NODE}
        containers = spec.setdefault(
            "containers", [{"name": "controller", "image": "example.org/controller:1"}]
        )
        statuses = [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": f"{container['image'].partition(':')[0]}@{_digest(container['image'])}",
                "ready": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": STARTED}},
            }
            for container in containers
        ]
        status = {
            "phase": "Running",
            "startTime": STARTED,
            "podIP": "10.42.0.182",
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": "True"},
            ],
            "containerStatuses": statuses,
        }
        metadata = {"labels": dict(labels)} | ({"ownerReferences": [owner]} if owner else {})
        return self.put("Pod", name, namespace, metadata=metadata, spec=spec, status=status)

    def _connect(self) -> None:
        self.objects["EndpointSlice"].clear()
        for service in self.objects["Service"]:
            name, selector = service["metadata"]["name"], service["spec"].get("selector") or {}
            chosen = [
                pod
                for pod in self.objects["Pod"]
                if pod["metadata"]["namespace"] == NAMESPACE
                and selector
                and selector.items() <= pod["metadata"]["labels"].items()
            ]
            endpoints = [
                {"addresses": ["10.42.0.182"], "conditions": {"ready": is_ready(pod)}} for pod in chosen
            ]
            labels = {"kubernetes.io/service-name": name}
            self.put("EndpointSlice", f"{name}-abcde", metadata={"labels": labels}, endpoints=endpoints)

    def summary(self) -> Object:
        """Returns the kubelet's figures about the node."""
        used = [
            {
                "name": "volume",
                "pvcRef": {"name": claim["metadata"]["name"], "namespace": NAMESPACE},
                "usedBytes": 64 * 2**20,
            }
            for claim in self.objects["PersistentVolumeClaim"]
        ]
        disk = {"capacityBytes": 100 * GIB, "availableBytes": int(self.free_gib * GIB)}
        return {"node": {"nodeName": NODE, "fs": disk}, "pods": [{"podRef": {}, "volume": used}]}

    def warn(self, kind: str, name: str, namespace: str, reason: str, message: str) -> None:
        """Adds a warning about an object to the events."""
        about = {"kind": kind, "name": name, "namespace": namespace}
        self.generation += 1
        self.put(
            "Event",
            f"{name}.{self.generation:x}",
            namespace,
            involvedObject=about,
            type="Warning",
            reason=reason,
            message=message,
            count=1,
        )

    def delete_pod(self, name: str, namespace: str) -> Object:
        """Deletes a pod as the API does; its controller makes another."""
        pod = self.of("Pod", name, namespace)
        self.objects["Pod"].remove(pod)
        if self.replaces:
            self.settle()
        return pod


def is_ready(pod: Object) -> bool:
    """Tells whether a pod has the condition `Ready`."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _digest(image: str) -> str:
    return f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def _fill_in(made: Object) -> None:
    """Adds defaults, and writes quantities as the API server does, for the kinds that have pods."""
    spec = made.get("spec", {})
    template = spec.get("template", {}).get("spec")
    if made["kind"] in ("Deployment", "StatefulSet") and template:
        spec |= {"revisionHistoryLimit": 10, **{key: spec[key] for key in spec}}
        template |= {
            "dnsPolicy": "ClusterFirst",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
        }
        for container in template["containers"]:
            container |= {"terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent"}
            for port in container.get("ports", []):
                port.setdefault("protocol", "TCP")
            limits = container.get("resources", {}).get("limits", {})
            if limits.get("cpu") == "1000m":
                limits["cpu"] = "1"
    if made["kind"] == "Service":
        spec.setdefault("clusterIP", "10.43.0.17")
        spec |= {"sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}
        for port in spec.get("ports", []):
            port.setdefault("protocol", "TCP")
    if made["kind"] == "ConfigMap":
        applied = {"manager": "argocd", "operation": "Update", "time": APPLIED, "fieldsV1": {"f:data": {}}}
        made["metadata"]["managedFields"] = [applied]
