"""Makes `observer_contracts/rules/data/kubernetes_shapes.json` from the official Kubernetes client.

Run it as a program to write the file; `test_shapes.py` compares the file with what it would write.
"""

import inspect
import json
import re
from pathlib import Path

from kubernetes import client

FILE = Path(__file__).resolve().parents[3] / "observer_contracts/rules/data/kubernetes_shapes.json"
KINDS = {
    "ConfigMap": "v1",
    "Secret": "v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "PersistentVolumeClaim": "v1",
    "PersistentVolume": "v1",
    "Namespace": "v1",
    "Pod": "v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "Ingress": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
}
_REQUIRED = re.compile(r"Invalid value for `(\w+)`, must not be `None`")
_TYPE = re.compile(r"V[0-9]\w+|CoreV1\w+|RbacV1\w+")


def shapes() -> dict:
    """Returns kinds, and for each type its fields and the required ones."""
    types: dict[str, dict] = {}
    waiting = [f"V1{kind}" for kind in KINDS]
    while waiting:
        name = waiting.pop()
        if name in types:
            continue
        model = getattr(client, name)
        fields = {model.attribute_map[field]: kind for field, kind in model.openapi_types.items()}
        required = [model.attribute_map[field] for field in _REQUIRED.findall(inspect.getsource(model))]
        types[name] = {"fields": dict(sorted(fields.items())), "required": sorted(set(required))}
        waiting += [found for kind in fields.values() for found in _TYPE.findall(kind)]
    kinds = {kind: [version, f"V1{kind}"] for kind, version in sorted(KINDS.items())}
    return {"kinds": kinds, "types": dict(sorted(types.items()))}


def text() -> str:
    """Returns the content of the file."""
    return json.dumps(shapes(), separators=(",", ":")) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
