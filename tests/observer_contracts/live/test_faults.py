"""A healthy cluster passes; each fault of a cluster is found by its rule, at its object, and by no other."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes_emulator import Cluster

from observer_contracts.model import Status

Change = Callable[[Cluster, Any], object]
Objects = dict[str, set[str]]

NODE, COLLECTOR, DATABASE = "Node/obs-prod-arm", "Deployment/observer", "StatefulSet/postgres"
MAINTENANCE = "CronJob/observer-maintenance"
CLAIM = "PersistentVolumeClaim/observer-data-pvc"
SECRET, SEALED = "Secret/observer-secrets", "SealedSecret/observer-secrets"
# The pod sets PYTHONUNBUFFERED as the specification lists it, and the ConfigMap as well.
ALWAYS_WARNED = {"ENV-002": {COLLECTOR}}


def _container(cluster: Cluster, kind: str = "Deployment", name: str = "observer") -> dict[str, Any]:
    return cluster.of(kind, name)["spec"]["template"]["spec"]["containers"][0]


def _pod(cluster: Cluster, number: int = 0, app: str = "observer") -> dict[str, Any]:
    return cluster.pods(app)[number]


def _label(cluster: Cluster, number: int = 0) -> str:
    return f"Pod/{_pod(cluster, number)['metadata']['name']}"


def _condition(thing: dict[str, Any], kind: str, status: str, message: str = "") -> None:
    conditions = thing["status"]["conditions"]
    conditions[:] = [found for found in conditions if found["type"] != kind]
    conditions.append({"type": kind, "status": status, "message": message})


def _unready(cluster: Cluster, app: str, number: int = 0) -> None:
    _condition(_pod(cluster, number, app), "Ready", "False")
    cluster.settle()


def _waiting(cluster: Cluster, reason: str, message: str) -> None:
    state = {"waiting": {"reason": reason, "message": message}}
    _pod(cluster)["status"]["containerStatuses"][0] |= {"ready": False, "state": state}
    _unready(cluster, "observer")


def _restarted(cluster: Cluster, count: int, reason: str) -> None:
    ended = {"terminated": {"reason": reason, "exitCode": 137}}
    _pod(cluster)["status"]["containerStatuses"][0] |= {"restartCount": count, "lastState": ended}


def _config_map(cluster: Cluster) -> dict[str, Any]:
    return next(
        c for c in cluster.objects["ConfigMap"] if c["metadata"]["name"].startswith("observer-config")
    )


def _config_label(cluster: Cluster) -> str:
    return f"ConfigMap/{_config_map(cluster)['metadata']['name']}"


def _pod_of(cluster: Cluster, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.of(kind, name)["spec"]["template"]["spec"]
    return found


def _volume_of(cluster: Cluster, claim: str) -> dict[str, Any]:
    return cluster.of("PersistentVolume", cluster.of("PersistentVolumeClaim", claim)["spec"]["volumeName"])


def _elsewhere(cluster: Cluster) -> None:
    terms = _volume_of(cluster, "observer-data-pvc")["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    terms[0]["matchExpressions"][0]["values"] = ["obs-prod-old"]


def _small(cluster: Cluster) -> None:
    claim = cluster.of("PersistentVolumeClaim", "observer-data-pvc")
    claim["spec"]["resources"]["requests"]["storage"] = "1Gi"
    claim["status"]["capacity"]["storage"] = "1Gi"


def _service(cluster: Cluster, name: str, **changes: Any) -> None:
    cluster.of("Service", name)["spec"] |= changes
    cluster.settle()


def _host_path(cluster: Cluster) -> None:
    for volume in cluster.of("Deployment", "observer")["spec"]["template"]["spec"]["volumes"]:
        if volume["name"] == "observer-config":
            volume.pop("configMap")
            volume["hostPath"] = {
                "path": "/opt/platform/runtime/observer/config",
                "type": "DirectoryOrCreate",
            }


def _status_of(role: str) -> dict[str, Any]:
    return {"role": role, "time": "2026-11-23T10:00:00+09:00", "phase": "continuous", "slots": []}


def _egress_without(cluster: Cluster, port: int) -> str:
    collectors = [
        found for found in cluster.objects["NetworkPolicy"] if found["metadata"]["name"] == "observer"
    ]
    for policy in collectors:
        for rule in policy["spec"].get("egress", []):
            before = len(rule.get("ports", []))
            rule["ports"] = [entry for entry in rule.get("ports", []) if entry.get("port") != port]
            if before and len(rule["ports"]) < before:
                return f"NetworkPolicy/{policy['metadata']['name']}"
    raise AssertionError(f"no policy opens {port}")


def test_a_healthy_cluster_passes(look: Any) -> None:
    """Our own overlay, applied, has no finding but the one that the specification itself asks for."""
    seen = look()
    assert seen.objects(Status.FAIL) == {}
    assert seen.objects(Status.UNKNOWN) == {}
    assert seen.objects(Status.EXTERNAL) == {}
    assert seen.objects(Status.WARN) == ALWAYS_WARNED
    assert len({result.rule.id for result in seen.results}) >= 50


# Name: what is changed, and the objects of each rule that must fail. Nothing else may fail.
FAULTS: dict[str, tuple[Change, Objects]] = {
    "node not ready": (
        lambda c, _: _condition(c.of("Node", "obs-prod-arm"), "Ready", "False"),
        {"NOD-001": {NODE}},
    ),
    "node unknown": (
        lambda c, _: _condition(c.of("Node", "obs-prod-arm"), "Ready", "Unknown"),
        {"NOD-001": {NODE}},
    ),
    "node without disk": (
        lambda c, _: _condition(c.of("Node", "obs-prod-arm"), "DiskPressure", "True"),
        {"NOD-001": {NODE}},
    ),
    "no storage class": (
        lambda c, _: c.remove("StorageClass", "local-path"),
        {"STO-001": {"StorageClass/local-path"}},
    ),
    "storage class not the default": (
        lambda c, _: c.of("StorageClass", "local-path")["metadata"].pop("annotations"),
        {"STO-001": {"StorageClass/local-path"}},
    ),
    "storage class of another provisioner": (
        lambda c, _: c.of("StorageClass", "local-path").update(provisioner="ebs.csi.aws.com"),
        {"STO-001": {"StorageClass/local-path"}},
    ),
    "no provisioner": (
        lambda c, _: c.remove("Pod", "local-path-provisioner-7b7dc8d6f5-x2vqk", "kube-system"),
        {"STO-001": {"Namespace/kube-system"}},
    ),
    "provisioner not ready": (
        lambda c, _: _condition(
            c.of("Pod", "local-path-provisioner-7b7dc8d6f5-x2vqk", "kube-system"), "Ready", "False"
        ),
        {"STO-001": {"Pod/local-path-provisioner-7b7dc8d6f5-x2vqk"}},
    ),
    "no controller of sealed secrets": (
        lambda c, _: c.remove("Pod", "sealed-secrets-controller-6c8f9d-k9m2p", "sealed-secrets"),
        {"SEC-012": {"Namespace/sealed-secrets"}},
    ),
    "sealed secrets never installed": (
        lambda c, _: c.unknown_kinds.add("SealedSecret"),
        {"SEC-012": {"SealedSecret"}},
    ),
    "namespace ends": (
        lambda c, _: c.of("Namespace", "observer-prod").update(status={"phase": "Terminating"}),
        {"NSP-001": {"Namespace/observer-prod"}},
    ),
    "no namespace": (
        lambda c, _: c.remove("Namespace", "observer-prod"),
        {"NSP-001": {"Namespace/observer-prod"}},
    ),
    "claim not bound": (
        lambda c, _: c.of("PersistentVolumeClaim", "observer-data-pvc").update(status={"phase": "Pending"}),
        {"VOL-002": {CLAIM}},
    ),
    "claim too small": (lambda c, _: _small(c), {"VOL-002": {CLAIM}}),
    "claim missing": (
        lambda c, _: c.remove("PersistentVolumeClaim", "observer-data-pvc"),
        {"VOL-002": {COLLECTOR, MAINTENANCE}},
    ),
    "volume gone": (
        lambda c, _: c.objects["PersistentVolume"].remove(_volume_of(c, "observer-data-pvc")),
        {"VOL-002": {CLAIM}},
    ),
    "volume on a node that is gone": (lambda c, _: _elsewhere(c), {"VOL-002": {CLAIM}}),
    "no time to seal": (
        lambda c, _: _pod_of(c, "Deployment", "observer").update(terminationGracePeriodSeconds=5),
        {"WRK-003": {COLLECTOR}},
    ),
    "a role that the server does not make": (
        lambda c, _: _pod_of(c, "StatefulSet", "postgres")["containers"][0]["env"][0].update(
            {"name": "POSTGRES_USER", "value": "postgres", "valueFrom": None}
        ),
        {"DB-005": {DATABASE}},
    ),
    "a Service of ready pods only": (
        lambda c, _: c.of("Service", "observer-operators")["spec"].pop("publishNotReadyAddresses"),
        {"SVC-006": {"Service/observer-operators"}},
    ),
    "a launcher without its right": (
        lambda c, _: c.of("Role", "dagster")["rules"][0]["verbs"].remove("create"),
        {"RBAC-002": {"ServiceAccount/dagster"}},
    ),
    "no room on the node": (lambda c, _: setattr(c, "free_gib", 30.0), {"VOL-008": {NODE}}),
    "disk almost full": (lambda c, _: setattr(c, "free_gib", 2.0), {"VOL-008": {NODE}}),
    "Secret missing": (
        lambda c, _: c.remove("Secret", "observer-secrets"),
        {"SEC-001": {COLLECTOR, DATABASE, MAINTENANCE}},
    ),
    "Secret with four keys, as the report found it": (
        lambda c, _: [
            c.of("Secret", "observer-secrets")["data"].pop(key)
            for key in list(c.of("Secret", "observer-secrets")["data"])
            if key not in ("DB_USER", "DB_PASSWORD", "KIS_APP_KEY", "KIS_APP_SECRET")
        ],
        {"SEC-001": {DATABASE}, "SEC-002": {SECRET}},
    ),
    "Secret without a key": (
        lambda c, _: c.of("Secret", "observer-secrets")["data"].pop("KIS_HTS_ID"),
        {"SEC-002": {SECRET}},
    ),
    "Secret with an empty key": (
        lambda c, _: c.of("Secret", "observer-secrets")["data"].update(KIS_APP_KEY=""),
        {"SEC-002": {SECRET}},
    ),
    "registry Secret missing": (
        lambda c, _: c.remove("Secret", "ghcr-secret"),
        {"SEC-005": {"Secret/ghcr-secret"}},
    ),
    "registry Secret of another type": (
        lambda c, _: c.of("Secret", "ghcr-secret").update(type="Opaque"),
        {"SEC-005": {"Secret/ghcr-secret"}},
    ),
    "registry Secret for another host": (
        lambda c, _: c.of("Secret", "ghcr-secret")["data"].update(
            {".dockerconfigjson": "eyJhdXRocyI6eyJkb2NrZXIuaW8iOnt9fX0="}
        ),
        {"SEC-005": {"Secret/ghcr-secret"}},
    ),
    "sealed for another cluster": (
        lambda c, _: c.of("SealedSecret", "observer-secrets").update(
            status={"conditions": [{"type": "Synced", "status": "False", "message": "no key could decrypt"}]}
        ),
        {"SEC-006": {SEALED}},
    ),
    "sealed and never looked at": (
        lambda c, _: c.of("SealedSecret", "observer-secrets").pop("status"),
        {"SEC-006": {SEALED}},
    ),
    "ConfigMap missing": (
        lambda c, _: c.objects["ConfigMap"].remove(_config_map(c)),
        {"ENV-001": {COLLECTOR, MAINTENANCE}},
    ),
    "no endpoint for the database": (
        lambda c, _: c.remove("EndpointSlice", "postgres-abcde"),
        {"DB-001": {"Service/postgres"}},
    ),
    "no Service for the database": (
        lambda c, _: c.remove("Service", "postgres"),
        {"DB-001": {"Service/postgres"}},
    ),
    "no endpoint for the collector": (
        lambda c, _: c.remove("EndpointSlice", "observer-abcde"),
        {"SVC-001": {"Service/observer"}},
    ),
    "Service that selects nothing": (
        lambda c, _: _service(c, "observer", selector={"app": "observer2"}),
        {"SVC-001": {"Service/observer"}},
    ),
    "Service with another port": (
        lambda c, _: _service(c, "postgres", ports=[{"port": 5433, "targetPort": "postgres"}]),
        {"DB-002": {"Service/postgres"}},
    ),
    "Service open to the world": (
        lambda c, _: _service(c, "observer", type="NodePort"),
        {"SVC-003": {"Service/observer"}},
    ),
    "database not ready": (
        lambda c, _: _unready(c, "postgres"),
        {"POD-001": {"Pod/postgres-0"}},
    ),
    "no replicas": (
        lambda c, _: c.of("Deployment", "observer")["spec"].update(replicas=0),
        {"WRK-001": {COLLECTOR}},
    ),
    "a host path for the configuration": (lambda c, _: _host_path(c), {"VOL-001": {COLLECTOR}}),
    "a writable root": (
        lambda c, _: _container(c)["securityContext"].update(readOnlyRootFilesystem=False),
        {"CTX-001": {COLLECTOR}},
    ),
    "a mount elsewhere": (
        lambda c, _: _container(c)["volumeMounts"][1].update(mountPath="/app/logs"),
        {"PATH-001": {COLLECTOR}},
    ),
    "a probe that is gone": (
        lambda c, _: _container(c).pop("livenessProbe"),
        {"PRB-001": {COLLECTOR}},
    ),
    "two writers": (
        lambda _, pods: pods.say(1, "/status", 200, _status_of("writer")),
        {"VOL-007": {COLLECTOR}},
    ),
    "no writer": (
        lambda _, pods: pods.say(0, "/status", 200, _status_of("standby")),
        {"VOL-007": {COLLECTOR}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_by_its_rule(look: Any, cluster: Cluster, collectors: Any, name: str) -> None:
    """The rule fails at the object; a rule that cannot tell because of it names the other rule."""
    change, expected = FAULTS[name]
    change(cluster, collectors)
    seen = look()
    assert seen.objects(Status.FAIL) == expected
    for result in seen.results:
        if result.status is Status.UNKNOWN:
            assert re.search(r"\([A-Z]+-[0-9]{3}", result.finding.observed), result


# The same for faults whose objects are named by the cluster.
NAMED: dict[str, tuple[Change, Callable[[Cluster], Objects]]] = {
    "paper trading in production": (
        lambda c, _: _config_map(c)["data"].update(KIS_ENVIRONMENT="paper"),
        lambda c: {"ENV-009": {_config_label(c)}},
    ),
    "another data folder": (
        lambda c, _: _config_map(c)["data"].update(OBSERVER_DATA_DIR="/app/data"),
        lambda c: {"PATH-002": {_config_label(c)}},
    ),
    "another database": (
        lambda c, _: _config_map(c)["data"].update(DB_HOST="database"),
        lambda c: {"DB-001": {_config_label(c)}},
    ),
    "a key that is missing": (
        lambda c, _: _config_map(c)["data"].pop("OBSERVER_STANDALONE"),
        lambda c: {"ENV-003": {_config_label(c)}},
    ),
    "a pod that cannot start": (
        lambda c, _: _waiting(c, "CreateContainerConfigError", 'secret "observer-secrets" not found'),
        lambda c: {"POD-001": {_label(c)}},
    ),
    "a pod that crashes": (
        lambda c, _: _waiting(c, "CrashLoopBackOff", "back-off 5m0s restarting failed container"),
        lambda c: {"POD-001": {_label(c)}},
    ),
    "an image that cannot be pulled": (
        lambda c, _: _waiting(c, "ImagePullBackOff", "unauthorized"),
        lambda c: {"POD-001": {_label(c)}},
    ),
    "a pod that no node takes": (
        lambda c, _: (
            _condition(_pod(c), "PodScheduled", "False", "0/1 nodes are available: 1 Insufficient memory."),
            _unready(c, "observer"),
        ),
        lambda c: {"POD-001": {_label(c)}},
    ),
    "77 restarts": (
        lambda c, _: _restarted(c, 77, "Error"),
        lambda c: {"POD-001": {_label(c)}},
    ),
    "out of memory": (
        lambda c, _: _restarted(c, 1, "OOMKilled"),
        lambda c: {"POD-001": {_label(c)}},
    ),
    "a pod with another image": (
        lambda c, _: _pod(c)["spec"]["containers"][0].update(image="ghcr.io/observer/observer:old"),
        lambda c: {"IMG-001": {_label(c)}},
    ),
    "a pod that hangs": (
        lambda _, pods: pods.say(0, "/health", 500, {}),
        lambda c: {"PRB-001": {_label(c)}},
    ),
    "a pod whose readiness says nothing": (
        lambda _, pods: pods.say(1, "/ready", 503, {}),
        lambda c: {"PRB-002": {_label(c, 1)}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_a_fault_of_a_pod_is_found_at_the_pod(
    look: Any, cluster: Cluster, collectors: Any, name: str
) -> None:
    """The pod or the ConfigMap is named as the cluster names it."""
    change, expected = NAMED[name]
    change(cluster, collectors)
    assert look().objects(Status.FAIL) == expected(cluster)


# Faults that are warnings: the system works, but not as it should.
WARNINGS: dict[str, tuple[Change, Callable[[Cluster], Objects]]] = {
    "node cordoned": (
        lambda c, _: c.of("Node", "obs-prod-arm").update(spec={"unschedulable": True}),
        lambda _: {"NOD-001": {NODE}},
    ),
    "an older Kubernetes": (
        lambda c, _: c.of("Node", "obs-prod-arm")["status"]["nodeInfo"].update(kubeletVersion="v1.29.1+k3s1"),
        lambda _: {"NOD-001": {NODE}},
    ),
    "a volume elsewhere on the node": (
        lambda c, _: _volume_of(c, "observer-data-pvc")["spec"].update(hostPath={"path": "/mnt/data"}),
        lambda _: {"VOL-002": {CLAIM}},
    ),
    "a Secret made by hand": (
        lambda c, _: c.of("Secret", "observer-secrets")["metadata"].pop("ownerReferences"),
        lambda _: {"SEC-006": {SECRET}},
    ),
    "a configuration that is newer than the pods": (
        lambda c, _: _config_map(c)["metadata"]["managedFields"].append(
            {"time": "2026-11-23T00:00:00Z", "fieldsV1": {"f:data": {"f:LOG_LEVEL": {}}}}
        ),
        lambda c: {"ENV-004": {_label(c, 0), _label(c, 1)}},
    ),
    "two restarts": (lambda c, _: _restarted(c, 2, "Error"), lambda c: {"POD-001": {_label(c)}}),
    "a warning event": (
        lambda c, _: c.put(
            "Event",
            "observer.1",
            type="Warning",
            reason="FailedMount",
            message="MountVolume.SetUp failed",
            count=3,
            involvedObject={"kind": "Pod", "name": "observer-77cf5f5949-abcde"},
        ),
        lambda _: {"POD-002": {"Pod/observer-77cf5f5949-abcde"}},
    ),
    "no network policies": (
        lambda c, _: c.objects["NetworkPolicy"].clear(),
        lambda _: {"NET-001": {COLLECTOR, DATABASE}},
    ),
    "data that stopped": (
        lambda _, pods: pods.say(
            0, "/status", 200, {**_status_of("writer"), "slots": [{"last_data": "2026-11-23T08:00:00+09:00"}]}
        ),
        lambda c: {"DAT-001": {_label(c)}},
    ),
    "data that never came": (
        lambda _, pods: pods.say(0, "/status", 200, _status_of("writer")),
        lambda c: {"DAT-001": {_label(c)}},
    ),
    "a writer that is not ready": (
        lambda _, pods: pods.say(0, "/ready", 503, {"ready": False, "reason": "recovering the journal"}),
        lambda c: {"PRB-002": {_label(c)}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNINGS)
def test_a_weakness_is_a_warning(look: Any, cluster: Cluster, collectors: Any, name: str) -> None:
    """It is shown at its object, and nothing fails."""
    change, expected = WARNINGS[name]
    change(cluster, collectors)
    seen = look()
    assert seen.objects(Status.FAIL) == {}
    assert seen.objects(Status.WARN) == {**ALWAYS_WARNED, **expected(cluster)}


def test_a_closed_port_of_the_broker_is_found(look: Any, cluster: Cluster) -> None:
    """I-20: the policy in the cluster lets out 443 and 5432, and the broker listens on 9443."""
    policy = _egress_without(cluster, 9443)
    seen = look()
    assert seen.objects(Status.FAIL) == {"NET-001": {policy}}
    assert any("9443" in result.finding.expected for result in seen.of("NET-001"))


def test_a_deployment_that_is_gone_is_found(look: Any, cluster: Cluster) -> None:
    """The workload is missing, its Service leads nowhere, and what hangs on it is unknown."""
    cluster.remove("Deployment", "observer")
    seen = look()
    assert seen.objects(Status.FAIL)["WRK-001"] == {COLLECTOR}
    assert set(seen.objects(Status.FAIL)) <= {"WRK-001", "SVC-001"}
    assert Status.UNKNOWN in seen.statuses("PATH-001")


def test_a_quota_that_keeps_pods_out_is_told(look: Any, cluster: Cluster) -> None:
    """The reason stands in the workload's own condition."""
    cluster.objects["Pod"].remove(_pod(cluster, 1))
    conditions = [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: memory"}]
    cluster.of("Deployment", "observer")["status"] = {"conditions": conditions}
    seen = look()
    assert seen.objects(Status.FAIL) == {"WRK-001": {COLLECTOR}}
    assert "exceeded quota" in seen.said("WRK-001")


def test_a_moved_tag_is_found(look: Any, cluster: Cluster) -> None:
    """Two pods with the same tag and different images."""
    status = _pod(cluster, 1)["status"]["containerStatuses"][0]
    status["imageID"] = "ghcr.io/observer/observer@sha256:" + "0" * 64
    assert look().objects(Status.FAIL) == {"IMG-001": {COLLECTOR}}


def test_the_reason_of_a_waiting_container_is_told(look: Any, cluster: Cluster) -> None:
    """I-19: the operator reads the missing Secret and not only that something is not ready."""
    _waiting(cluster, "CreateContainerConfigError", 'secret "observer-secrets" not found')
    assert 'CreateContainerConfigError, `secret "observer-secrets" not found`' in look().said("POD-001")


def test_a_broker_that_refuses_the_key_is_external(look: Any, collectors: Any) -> None:
    """EGW00103: the pods are healthy, no contract is broken, and the state is visible."""
    reason = "external: The broker answered EGW00103: 유효하지 않은 AppKey입니다."
    collectors.say(0, "/ready", 503, {"ready": False, "reason": reason})
    seen = look()
    assert seen.objects(Status.FAIL) == {}
    assert set(seen.objects(Status.EXTERNAL)) == {"PRB-002"}
    assert "EGW00103" in seen.said("PRB-002")


def test_no_data_are_due_outside_of_the_hours(look: Any, collectors: Any) -> None:
    """A closed market explains old records."""
    closed = {**_status_of("writer"), "phase": "closed"}
    collectors.say(0, "/status", 200, closed)
    assert look().statuses("DAT-001") == {Status.PASS}


def test_a_pod_that_tells_no_role_leaves_the_writer_unknown(look: Any, collectors: Any) -> None:
    """Something else than a collector answers: no conclusion."""
    collectors.say(1, "/status", 200, {"hello": 1})
    seen = look()
    assert seen.statuses("VOL-007") == {Status.UNKNOWN}
    assert seen.objects(Status.FAIL) == {}


def test_pods_of_jobs_may_end(look: Any, cluster: Cluster) -> None:
    """A run of the pipeline that has ended is no pod that is not ready."""
    pod = cluster.put(
        "Pod",
        "dagster-run-0a1b-x2c",
        metadata={"labels": {}, "ownerReferences": [{"kind": "Job", "name": "dagster-run-0a1b"}]},
        spec={"containers": []},
        status={"phase": "Succeeded", "conditions": [{"type": "Ready", "status": "False"}]},
    )
    assert pod["metadata"]["name"] not in str(look().objects(Status.FAIL))
