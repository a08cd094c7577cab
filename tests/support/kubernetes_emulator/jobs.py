"""Jobs as their controller keeps them: one pod, no second try.

The status follows the pod as with `backoffLimit: 0`: a pod that ended well counts as succeeded, one that
ended badly or was deleted while the Job was there counts as failed.
"""

import copy
from typing import Any

from kubernetes_emulator.cluster import APPLIED, STARTED, Cluster, Object

JOB_LABEL = "job-name"


def create_job(cluster: Cluster, document: Object, namespace: str) -> Object:
    """Takes a Job, and makes its pod."""
    given = copy.deepcopy(document)
    name, spec = given["metadata"].pop("name"), given["spec"]
    spec.setdefault("backoffLimit", 6)
    assert spec["backoffLimit"] == 0, "a second pod is not emulated"
    cluster.generation += 1
    job = cluster.put("Job", name, namespace, metadata=given["metadata"], spec=spec)
    job["status"] = {"active": 1, "startTime": STARTED, "ready": 0}
    template = copy.deepcopy(spec["template"])
    labels = template["metadata"].get("labels", {}) | {
        JOB_LABEL: name,
        "controller-uid": job["metadata"]["uid"],
    }
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": name,
        "uid": job["metadata"]["uid"],
        "controller": True,
    }
    cluster.put(
        "Pod",
        f"{name}-{job['metadata']['uid'][:5]}",
        namespace,
        metadata={"labels": labels, "ownerReferences": [owner]},
        spec=_with_defaults(template["spec"]),
        status={"phase": "Pending"},
    )
    return job


def _with_defaults(spec: Object) -> Object:
    defaults = {
        "terminationGracePeriodSeconds": 30,
        "serviceAccountName": "default",
        "enableServiceLinks": True,
    }
    return defaults | spec


def delete_job(cluster: Cluster, job: Object, policy: str) -> Object:
    """Deletes a Job; its pods stay without an owner, or are deleted as well."""
    namespace, name = job["metadata"]["namespace"], job["metadata"]["name"]
    cluster.remove("Job", name, namespace)
    for pod in cluster.objects["Pod"]:
        if pod["metadata"].get("labels", {}).get(JOB_LABEL) == name:
            pod["metadata"]["ownerReferences"] = []
            if policy != "Orphan":
                delete_pod_of_job(pod)
    return job


def is_pod_of_job(pod: Object) -> bool:
    """Tells whether a Job made the pod, whether or not it is still there."""
    return pod["kind"] == "Pod" and JOB_LABEL in pod["metadata"].get("labels", {})


def delete_pod_of_job(pod: Object) -> Object:
    """Asks for the end of a pod: its kubelet ends the processes, then it is gone."""
    pod["metadata"].setdefault("deletionTimestamp", APPLIED)
    return pod


def follow_pod(cluster: Cluster, pod: Object, *, gone: bool = False) -> None:
    """Brings the Job of a pod up to date, once the pod has ended or is gone."""
    name, namespace = pod["metadata"]["labels"][JOB_LABEL], pod["metadata"]["namespace"]
    job = cluster.find("Job", name, namespace)
    if job is None or not job["status"].get("active"):
        return
    phase = "Failed" if gone else pod["status"]["phase"]
    if phase not in ("Succeeded", "Failed"):
        return
    ended: dict[str, Any] = {"startTime": STARTED, "ready": 0}
    if phase == "Succeeded":
        job["status"] = ended | {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
        return
    reason = "Job has reached the specified backoff limit"
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": reason}
    job["status"] = ended | {"failed": 1, "conditions": [failed]}
    cluster.warn("Job", name, namespace, "BackoffLimitExceeded", reason)
