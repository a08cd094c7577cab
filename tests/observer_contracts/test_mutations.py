"""Every declared fact of the passing deployment, broken alone, is found by its rule at its object and by no other."""
# ruff: noqa: E501 - a case a line reads as a table

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from observer_contracts.model import Status

Documents = list[dict[str, Any]]
Change = Callable[[Documents], None]

COLLECTOR, DATABASE = "Deployment/observer", "StatefulSet/postgres"
CONFIG, SEALED = "ConfigMap/observer-config", "SealedSecret/observer-secrets"
COPY, MAINTENANCE = "ConfigMap/observer-environment", "CronJob/observer-maintenance"
ASKING = ("dagster-daemon", "dagster-webserver", "dagster-webserver-read-only")
HOME = "/opt/platform/runtime/observer"


@dataclass(frozen=True)
class Mutation:
    """One broken fact, and who must find it where."""

    name: str
    change: Change
    rule: str
    about: str
    # Rules that find a true consequence of the same fact, at the other end of a chain.
    also: tuple[str, ...] = ()
    # Further objects at which the same rule finds the same fact.
    about_also: tuple[str, ...] = ()


def _object(documents: Documents, label: str) -> dict[str, Any]:
    kind, _, name = label.partition("/")
    return next(d for d in documents if d["kind"] == kind and d["metadata"]["name"].startswith(name)
                and (kind != "Service" or d["metadata"]["name"] == name))  # fmt: skip


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(value, list):
            value = (
                value[int(step)]
                if step.isdigit()
                else next(i for i in value if step in (i.get("name"), i.get("mountPath")))
            )
        else:
            value = value[step]
    return value


def put(label: str, path: str, value: Any) -> Change:
    def change(documents: Documents) -> None:
        parent, _, last = path.rpartition(".")
        owner = _at(_object(documents, label), parent) if parent else _object(documents, label)
        if isinstance(owner, list):
            owner[int(last) if last.isdigit() else owner.index(_at(owner, last))] = value
        else:
            owner[last] = value

    return change


def drop(label: str, path: str) -> Change:
    def change(documents: Documents) -> None:
        parent, _, last = path.rpartition(".")
        owner = _at(_object(documents, label), parent) if parent else _object(documents, label)
        if isinstance(owner, list):
            owner.remove(_at(owner, last))
        else:
            del owner[last]

    return change


def remove(label: str) -> Change:
    return lambda documents: documents.remove(_object(documents, label))


def add(label: str, path: str, value: Any) -> Change:
    return lambda documents: _at(_object(documents, label), path).append(value)


def rename_key(label: str, path: str, old: str, new: str) -> Change:
    def change(documents: Documents) -> None:
        owner = _at(_object(documents, label), path)
        owner[new] = owner.pop(old)

    return change


def both(first: Change, second: Change) -> Change:
    def change(documents: Documents) -> None:
        first(documents)
        second(documents)

    return change


def drop_port(label: str, port: int, protocol: str = "TCP") -> Change:
    def change(documents: Documents) -> None:
        for rule in _object(documents, label)["spec"]["egress"]:
            if {"protocol": protocol, "port": port} in rule["ports"]:
                rule["ports"].remove({"protocol": protocol, "port": port})
                if not rule["ports"]:
                    rule["ports"] = [{"protocol": protocol, "port": 1}]

    return change


def drop_context(field: str) -> Change:
    """Removes a field of the collector's security context, and the pod's, which would hold in its place."""

    def change(documents: Documents) -> None:
        del _at(_object(documents, COLLECTOR), f"{MAIN}.securityContext")[field]
        _at(_object(documents, COLLECTOR), f"{POD}.securityContext").pop(field, None)

    return change


def _second_writer(documents: Documents) -> dict[str, Any]:
    """A Deployment with a shell that writes on the data volume."""
    other = copy.deepcopy(_object(documents, COLLECTOR))
    other["metadata"]["name"] = "writer2"
    other["spec"]["selector"]["matchLabels"] = other["spec"]["template"]["metadata"]["labels"] = {"app": "w2"}
    pod = other["spec"]["template"]["spec"]
    del pod["initContainers"]
    [shell] = pod["containers"]
    for field in ("livenessProbe", "readinessProbe", "startupProbe", "envFrom", "env", "ports"):
        shell.pop(field)
    shell |= {
        "name": "w",
        "image": "docker.io/library/busybox:1.36.1",
        "args": ["sh", "-c", f"date >> {HOME}/data/x"],
    }
    return other


def _twin(documents: Documents) -> dict[str, Any]:
    """The collector once more, under another name."""
    other = copy.deepcopy(_object(documents, COLLECTOR))
    other["metadata"]["name"] = "observer-b"
    return other


_APART = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
    {"labelSelector": {"matchLabels": {"app": "observer"}}, "topologyKey": "kubernetes.io/hostname"}]}}  # fmt: skip


def _autoscaler(kind: str, name: str) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "more"},
            "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5}}  # fmt: skip


def _ingress(service: str, port: int) -> dict[str, Any]:
    backend = {"service": {"name": service, "port": {"number": port}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "door"},
            "spec": {"rules": [{"host": "x.example", "http": {"paths": [path]}}]}}  # fmt: skip


_SIDECAR = {
    "name": "copy", "image": "docker.io/library/busybox:1.36.1", "args": ["sh", "-c", "sleep 9"],
    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "1Mi", "ephemeral-storage": "1Mi"}},
    "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "runAsNonRoot": True, "readOnlyRootFilesystem": True,
                        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    "volumeMounts": [{"name": "observer-data", "mountPath": "/data"}],
}  # fmt: skip
POD = "spec.template.spec"
INIT = f"{POD}.initContainers.verify"
MAIN = f"{POD}.containers.observer"
DB_MAIN = f"{POD}.containers.postgres"
PATH_KEYS = {
    "OBSERVER_DATA_DIR": "data", "OBSERVER_LOG_DIR": "logs", "OBSERVER_CONFIG_DIR": "config",
    "OBSERVER_SNAPSHOT_DIR": "universe", "OBSERVER_SYSTEM_LOG_DIR": "logs/system",
    "OBSERVER_MAINTENANCE_LOG_DIR": "logs/maintenance", "KIS_TOKEN_CACHE_DIR": "data/cache",
}  # fmt: skip
CONFIG_KEYS = (*PATH_KEYS, "DB_HOST", "DB_PORT", "DB_NAME", "LOG_LEVEL", "LOG_FORMAT", "SERVICE_PORT",
               "OBSERVER_STANDALONE", "PYTHONUNBUFFERED")  # fmt: skip
SECRET_KEYS = ("DB_USER", "DB_PASSWORD", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "PGHOST", "PGPORT",
               "PGDATABASE", "PGUSER", "PGPASSWORD", "KIS_APP_KEY", "KIS_APP_SECRET", "KIS_HTS_ID")  # fmt: skip
MOUNTS = ("data", "logs", "universe", "config")
CLAIMS = {"data": "20Gi", "logs": "5Gi", "universe": "1Gi", "db": "10Gi"}
EGRESS = (9443, 21000, 29443, 31000, 443, 5432)
CONTEXT = {"runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": False, "readOnlyRootFilesystem": False,
           "allowPrivilegeEscalation": True}  # fmt: skip

MUTATIONS: list[Mutation] = [
    # Contract 1: paths
    *(Mutation(f"{key} elsewhere", put(CONFIG, f"data.{key}", f"/app/{folder}"), "PATH-002", CONFIG)
      for key, folder in PATH_KEYS.items()),
    *(Mutation(f"mount of {name} elsewhere", put(COLLECTOR, f"{MAIN}.volumeMounts.{HOME}/{name}.mountPath", f"/srv/{name}"),
               "PATH-001", COLLECTOR) for name in MOUNTS),
    *(Mutation(f"mount of {name} gone", drop(COLLECTOR, f"{MAIN}.volumeMounts.{HOME}/{name}"), "PATH-001", COLLECTOR)
      for name in MOUNTS),
    Mutation("database mounted elsewhere", put(DATABASE, f"{DB_MAIN}.volumeMounts.postgres-data.mountPath", "/data"),
             "PATH-001", DATABASE),
    Mutation("data and logs swapped", both(put(COLLECTOR, f"{POD}.volumes.observer-data.persistentVolumeClaim.claimName", "observer-logs-pvc"),
             put(COLLECTOR, f"{POD}.volumes.observer-logs.persistentVolumeClaim.claimName", "observer-data-pvc")),
             "PATH-001", COLLECTOR),
    Mutation("data on an emptyDir", put(COLLECTOR, f"{POD}.volumes.observer-data", {"name": "observer-data", "emptyDir": {}}),
             "PATH-001", COLLECTOR, also=("VOL-002",)),
    Mutation("a volume over the token cache", add(COLLECTOR, f"{MAIN}.volumeMounts", {"name": "tmp", "mountPath": f"{HOME}/data/cache"}),
             "PATH-003", COLLECTOR),
    Mutation("a volume over the system logs", add(COLLECTOR, f"{MAIN}.volumeMounts", {"name": "tmp", "mountPath": f"{HOME}/logs/system"}),
             "PATH-003", COLLECTOR),
    # Environment
    *(Mutation(f"{key} gone", drop(CONFIG, f"data.{key}"), "ENV-003", CONFIG) for key in CONFIG_KEYS if key != "PYTHONUNBUFFERED"),
    Mutation("a key misspelt", rename_key(CONFIG, "data", "LOG_LEVEL", "LOG_LEVLE"), "ENV-003", CONFIG),
    Mutation("log level unknown", put(CONFIG, "data.LOG_LEVEL", "LOUD"), "ENV-005", CONFIG),
    Mutation("log format unknown", put(CONFIG, "data.LOG_FORMAT", "xml"), "ENV-005", CONFIG),
    Mutation("not standalone", put(CONFIG, "data.OBSERVER_STANDALONE", "0"), "ENV-005", CONFIG),
    Mutation("an invented variable", put(CONFIG, "data.OBSERVER_STORE_DIR", "/x"), "ENV-007", CONFIG),
    Mutation("a ConfigMap renamed", put(COLLECTOR, f"{MAIN}.envFrom.0.configMapRef.name", "observer-conf"), "ENV-001", COLLECTOR),
    Mutation("the files' ConfigMap gone", remove("ConfigMap/observer-mounted-files"), "ENV-001", COLLECTOR, about_also=(MAINTENANCE,)),
    Mutation("another value in env", add(COLLECTOR, f"{MAIN}.env", {"name": "LOG_LEVEL", "value": "DEBUG"}), "ENV-002", COLLECTOR),
    Mutation("a value twice in env", add(COLLECTOR, f"{MAIN}.env", {"name": "TZ", "value": "UTC"}), "ENV-002", COLLECTOR, also=("ENV-006",)),
    *(Mutation(f"{name} gone", drop(COLLECTOR, f"{MAIN}.env.{name}"), "ENV-006", COLLECTOR)
      for name in ("POD_NAME", "POD_NAMESPACE", "TZ", "PYTHONUNBUFFERED")),
    Mutation("POD_NAME from another field", put(COLLECTOR, f"{MAIN}.env.POD_NAME.valueFrom.fieldRef.fieldPath", "metadata.uid"), "ENV-006", COLLECTOR),
    Mutation("another time zone", put(COLLECTOR, f"{MAIN}.env.TZ.value", "UTC"), "ENV-006", COLLECTOR),
    # Contract 2: database
    Mutation("another database host", put(CONFIG, "data.DB_HOST", "postgresql"), "DB-001", CONFIG),
    Mutation("the Service renamed", put("Service/postgres", "metadata.name", "postgres-db"), "DB-001", "Service/postgres", also=("DB-002",)),
    Mutation("the Service leads elsewhere", put("Service/postgres", "spec.selector.app", "observer"), "DB-001", "Service/postgres"),
    Mutation("another database port", put(CONFIG, "data.DB_PORT", "5433"), "DB-002", CONFIG),
    Mutation("the Service's port", put("Service/postgres", "spec.ports.0.port", 5433), "DB-002", "Service/postgres"),
    Mutation("the Service's target", put("Service/postgres", "spec.ports.0.targetPort", 5433), "DB-002", "Service/postgres"),
    Mutation("the Service's target name", put("Service/postgres", "spec.ports.0.targetPort", "pg"), "DB-002", "Service/postgres"),
    Mutation("the server's port", put(DATABASE, f"{DB_MAIN}.ports.0.containerPort", 5433), "DB-002", DATABASE, also=("DB-002",)),
    Mutation("another database name", put(CONFIG, "data.DB_NAME", "observer2"), "DB-003", CONFIG),
    Mutation("another major version", put(DATABASE, f"{DB_MAIN}.image", "docker.io/library/postgres:16.4"), "DB-003", DATABASE),
    Mutation("another role of the server", put(DATABASE, f"{DB_MAIN}.env.POSTGRES_USER", {"name": "POSTGRES_USER", "value": "postgres"}), "DB-005", DATABASE),
    Mutation("no role of the server", drop(DATABASE, f"{DB_MAIN}.env.POSTGRES_USER"), "DB-005", DATABASE, also=("SEC-002",)),
    Mutation("no script of Dagster's database", drop(DATABASE, f"{DB_MAIN}.volumeMounts.initialisation"), "DB-005", DATABASE),
    Mutation("a script that makes another database", lambda d: _object(d, "ConfigMap/postgres-initialisation").update(data={"dagster.sql": "create database other"}), "DB-005", DATABASE),
    # The broker
    Mutation("paper trading in production", both(put(CONFIG, "data.KIS_ENVIRONMENT", "paper"), put(COPY, "data.KIS_ENVIRONMENT", "paper")), "ENV-009", CONFIG),
    # Contract 3: secrets
    *(Mutation(f"secret key {key} gone", drop(SEALED, f"spec.encryptedData.{key}"), "SEC-002", SEALED,
               also=("SEC-001",) if key.startswith("POSTGRES_") else ()) for key in SECRET_KEYS),
    Mutation("secretRef renamed", put(COLLECTOR, f"{MAIN}.envFrom.1.secretRef.name", "observer-secret"), "SEC-001", COLLECTOR),
    Mutation("secretRef gone", drop(COLLECTOR, f"{MAIN}.envFrom.1"), "SEC-002", COLLECTOR),
    Mutation("secretKeyRef renamed", put(DATABASE, f"{DB_MAIN}.env.POSTGRES_DB.valueFrom.secretKeyRef.name", "obs-db-secret"), "SEC-001", DATABASE),
    Mutation("secretKeyRef to another key", put(DATABASE, f"{DB_MAIN}.env.POSTGRES_DB.valueFrom.secretKeyRef.key", "DATABASE"), "SEC-001", DATABASE),
    Mutation("the SealedSecret gone", remove(SEALED), "SEC-001", COLLECTOR, also=("SEC-001",)),
    Mutation("the SealedSecret renamed", both(put(SEALED, "metadata.name", "obs-secrets"), put("SealedSecret/obs-secrets", "spec.template.metadata.name", "obs-secrets")), "SEC-001", DATABASE, also=("SEC-001",)),
    Mutation("a template of another name", put(SEALED, "spec.template.metadata.name", "observer-secret"), "SEC-006", SEALED),
    Mutation("a template of another namespace", put(SEALED, "spec.template.metadata.namespace", "default"), "SEC-006", SEALED),
    Mutation("a blob cut short", put(SEALED, "spec.encryptedData.DB_USER", "AgBxZm9v"), "SEC-006", SEALED),
    Mutation("the pull secret renamed", put(COLLECTOR, f"{POD}.imagePullSecrets.0.name", "ghcr-secrets"), "SEC-005", COLLECTOR),
    Mutation("the pull secret gone", drop(COLLECTOR, f"{POD}.imagePullSecrets"), "SEC-005", COLLECTOR),
    Mutation("a password in the ConfigMap", put(CONFIG, "data.DB_PASSWORD", "hunter2-hunter2"), "SEC-007", CONFIG),
    # Contract 4: security
    *(Mutation(f"collector {field}", put(COLLECTOR, f"{MAIN}.securityContext.{field}", value), "CTX-001", COLLECTOR)
      for field, value in CONTEXT.items()),
    *(Mutation(f"collector without {field}", drop_context(field), "CTX-001", COLLECTOR)
      for field in CONTEXT),
    Mutation("collector keeps capabilities", put(COLLECTOR, f"{MAIN}.securityContext.capabilities", {"drop": ["NET_RAW"]}), "CTX-001", COLLECTOR),
    *(Mutation(f"database {field}", put(DATABASE, f"{DB_MAIN}.securityContext.{field}", value), "CTX-002", DATABASE)
      for field, value in CONTEXT.items()),
    Mutation("an init container as root", put(COLLECTOR, f"{POD}.initContainers", [{
        "name": "prepare", "image": "ghcr.io/observer/observer:1", "command": ["true"],
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "1Mi", "ephemeral-storage": "1Mi"}}}]), "CTX-001", COLLECTOR),
    Mutation("no temporary folder", drop(COLLECTOR, f"{MAIN}.volumeMounts.tmp"), "CTX-003", COLLECTOR),
    Mutation("no socket folder", drop(DATABASE, f"{DB_MAIN}.volumeMounts.run"), "CTX-003", DATABASE),
    Mutation("another fsGroup", put(COLLECTOR, f"{POD}.securityContext.fsGroup", 2000), "CTX-004", COLLECTOR),
    Mutation("no fsGroup", drop(DATABASE, f"{POD}.securityContext.fsGroup"), "CTX-004", DATABASE),
    Mutation("data read-only", put(COLLECTOR, f"{MAIN}.volumeMounts.observer-data.readOnly", True), "CTX-004", COLLECTOR),
    Mutation("configuration writable", drop(COLLECTOR, f"{MAIN}.volumeMounts.observer-config.readOnly"), "CTX-005", COLLECTOR),
    Mutation("no seccomp profile", drop(COLLECTOR, f"{POD}.securityContext.seccompProfile"), "PSS-001", COLLECTOR),
    Mutation("host network", put(COLLECTOR, f"{POD}.hostNetwork", True), "PSS-001", COLLECTOR),
    Mutation("privileged", put(DATABASE, f"{DB_MAIN}.securityContext.privileged", True), "PSS-001", DATABASE),
    # Volumes
    Mutation("configuration on hostPath", put(COLLECTOR, f"{POD}.volumes.observer-config", {"name": "observer-config", "hostPath": {"path": f"{HOME}/config"}}), "VOL-001", COLLECTOR),
    *(Mutation(f"volume {name} gone", drop(COLLECTOR, f"{POD}.volumes.observer-{name}"), "VOL-002", COLLECTOR) for name in MOUNTS),
    *(Mutation(f"claim {name} gone", remove(f"PersistentVolumeClaim/observer-{name}-pvc"), "VOL-002", *((DATABASE,) if name == "db" else (COLLECTOR, (), (MAINTENANCE,))))
      for name in CLAIMS),
    *(Mutation(f"claim {name} small", put(f"PersistentVolumeClaim/observer-{name}-pvc", "spec.resources.requests.storage", "512Mi"), "VOL-002", f"PersistentVolumeClaim/observer-{name}-pvc")
      for name in CLAIMS),
    *(Mutation(f"claim {name} shared", put(f"PersistentVolumeClaim/observer-{name}-pvc", "spec.accessModes", ["ReadWriteMany"]), "VOL-002", f"PersistentVolumeClaim/observer-{name}-pvc")
      for name in CLAIMS),
    Mutation("claim name misspelt", put(COLLECTOR, f"{POD}.volumes.observer-data.persistentVolumeClaim.claimName", "observer-data"), "VOL-002", COLLECTOR),
    Mutation("a backup to a folder of the pod", put(CONFIG, "data.OBSERVER_BACKUP_TARGET", "/backup"), "BAK-001", CONFIG),
    Mutation("half of a bucket's keys", both(put(CONFIG, "data.OBSERVER_BACKUP_TARGET", "s3://b/p"),
             rename_key(SEALED, "spec.encryptedData", "PGUSER", "OBSERVER_BACKUP_ACCESS_KEY")), "BAK-001", CONFIG, also=("SEC-002",)),
    Mutation("another storage class", put("PersistentVolumeClaim/observer-data-pvc", "spec.storageClassName", "nfs"), "VOL-002", "PersistentVolumeClaim/observer-data-pvc"),
    Mutation("a folder of the volume only", put(COLLECTOR, f"{MAIN}.volumeMounts.observer-data.subPath", "old"), "PATH-001", COLLECTOR),
    Mutation("a prefix before the configuration", put(COLLECTOR, f"{MAIN}.envFrom.0.prefix", "X_"), "ENV-003", COLLECTOR),
    Mutation("a prefix before the secret", put(COLLECTOR, f"{MAIN}.envFrom.1.prefix", "X_"), "SEC-002", COLLECTOR),
    Mutation("UDP to the database", put("Service/postgres", "spec.ports.0.protocol", "UDP"), "DB-002", "Service/postgres"),
    Mutation("the startup probe asks elsewhere", put(COLLECTOR, f"{MAIN}.startupProbe.httpGet.path", "/"), "PRB-003", COLLECTOR),
    Mutation("the account gone", remove("ServiceAccount/observer"), "RBAC-001", COLLECTOR),
    Mutation("no node selector", drop(COLLECTOR, f"{POD}.nodeSelector"), "VOL-004", COLLECTOR, also=("VOL-003",)),
    *(Mutation(f"another node for {label}", put(label, f"{place}.nodeSelector", {"kubernetes.io/hostname": "my-node"}), "VOL-009", label)
      for label, place in ((DATABASE, POD), (MAINTENANCE, f"spec.jobTemplate.{POD}"))),
    Mutation("no node for the database", drop(DATABASE, f"{POD}.nodeSelector"), "VOL-009", DATABASE),
    Mutation("no standby", put(COLLECTOR, "spec.replicas", 1), "WRK-002", COLLECTOR),
    Mutation("maintenance by itself", put(MAINTENANCE, "spec.suspend", False), "VOL-003", MAINTENANCE),
    Mutation("maintenance with a stranger's image", put(MAINTENANCE, f"spec.jobTemplate.{POD}.containers.0.image", "docker.io/library/busybox:1.36.1"), "VOL-003", MAINTENANCE),
    Mutation("another host of the broker for the collector alone", put(CONFIG, "data.KIS_ENVIRONMENT", "paper"), "ENV-008", COPY, also=("ENV-009",)),
    Mutation("a backup of the runs alone", put(COPY, "data.OBSERVER_BACKUP_TARGET", "s3://b/p"), "ENV-008", COPY),
    Mutation("a level of the runs alone", put(COPY, "data.LOG_LEVEL", "DEBUG"), "ENV-008", COPY),
    Mutation("a key that the runs lack", drop(COPY, "data.DB_HOST"), "ENV-008", COPY),
    *(Mutation(f"maintenance {name}", change, "RUN-001", MAINTENANCE) for name, change in (
        ("as root", put(MAINTENANCE, f"spec.jobTemplate.{POD}.containers.0.securityContext.runAsUser", 0)),
        ("without data", drop(MAINTENANCE, f"spec.jobTemplate.{POD}.containers.0.volumeMounts.observer-data")),
        ("without the configuration", drop(MAINTENANCE, f"spec.jobTemplate.{POD}.containers.0.envFrom.0")))),
    Mutation("service links for maintenance", drop(MAINTENANCE, f"spec.jobTemplate.{POD}.enableServiceLinks"), "SVC-004", MAINTENANCE),
    Mutation("a claim for one pod alone", put("PersistentVolumeClaim/observer-data-pvc", "spec.accessModes", ["ReadWriteOncePod"]), "VOL-002", "PersistentVolumeClaim/observer-data-pvc"),
    Mutation("writer and standby apart", put(COLLECTOR, f"{POD}.affinity", _APART), "VOL-004", COLLECTOR),
    Mutation("no time to seal", put(COLLECTOR, f"{POD}.terminationGracePeriodSeconds", 5), "WRK-003", COLLECTOR),
    Mutation("more time to seal than the pod is given", both(
        both(put(CONFIG, "data.OBSERVER_STOP_SECONDS", "45"), put(COPY, "data.OBSERVER_STOP_SECONDS", "45")), drop(COLLECTOR, f"{POD}.terminationGracePeriodSeconds")), "WRK-003", COLLECTOR),
    Mutation("two Deployments with one selector", lambda d: d.append(_twin(d)), "WRK-001", COLLECTOR, about_also=("Deployment/observer-b",)),
    Mutation("two databases", put(DATABASE, "spec.replicas", 2), "VOL-003", DATABASE),
    Mutation("a second workload writes data", lambda d: d.append(_second_writer(d)), "VOL-003", "Deployment/writer2"),
    Mutation("a stranger beside the collector writes data", add(COLLECTOR, f"{POD}.containers", _SIDECAR), "VOL-003", COLLECTOR),
    Mutation("an autoscaler over the collector", lambda d: d.append(_autoscaler("Deployment", "observer")), "VOL-003", "HorizontalPodAutoscaler/more"),
    Mutation("an autoscaler over the database", lambda d: d.append(_autoscaler("StatefulSet", "postgres")), "VOL-003", "HorizontalPodAutoscaler/more"),
    Mutation("the database beside its volume", put(DATABASE, f"{DB_MAIN}.env.PGDATA.value", "/tmp/pg"), "PATH-001", DATABASE),
    Mutation("the database beside its volume by dots", put(DATABASE, f"{DB_MAIN}.env.PGDATA.value", "/var/lib/postgresql/data/../x"), "PATH-001", DATABASE),
    # Programs
    Mutation("the collector sleeps", put(COLLECTOR, f"{MAIN}.command", ["sleep", "infinity"]), "WRK-001", COLLECTOR),
    Mutation("the collector's container runs Dagster", put(COLLECTOR, f"{MAIN}.args", ["dagster"]), "WRK-001", COLLECTOR),
    Mutation("the database's container runs a shell", put(DATABASE, f"{DB_MAIN}.args", ["sh", "-c", "sleep 9"]), "WRK-001", DATABASE),
    Mutation("the database's command is another one", put(DATABASE, f"{DB_MAIN}.command", ["sleep", "9"]), "WRK-001", DATABASE),
    # What is added to a container, and what a pod does not wait for
    *(Mutation(f"a capability added to {where.rpartition('.')[2]}", put(label, f"{where}.securityContext.capabilities.add", ["NET_BIND_SERVICE"]), rule, label)
      for label, where, rule in ((COLLECTOR, MAIN, "CTX-001"), (COLLECTOR, INIT, "CTX-001"), (DATABASE, DB_MAIN, "CTX-002"))),
    *(Mutation(f"an optional secret of {where.rpartition('.')[2]}", put(COLLECTOR, f"{where}.envFrom.1.secretRef.optional", True), "SEC-001", COLLECTOR)
      for where in (MAIN, INIT)),
    Mutation("an optional password of the database", put(DATABASE, f"{DB_MAIN}.env.POSTGRES_PASSWORD.valueFrom.secretKeyRef.optional", True), "SEC-001", DATABASE),
    Mutation("an optional configuration", put(COLLECTOR, f"{MAIN}.envFrom.0.configMapRef.optional", True), "ENV-001", COLLECTOR),
    Mutation("a SealedSecret of another type", put(SEALED, "spec.template.type", "kubernetes.io/tls"), "SEC-002", SEALED),
    *(Mutation(f"{probe} with {field} {value}", put(COLLECTOR, f"{MAIN}.{probe}.httpGet.{field}", value), rule, COLLECTOR)
      for probe, rule in (("livenessProbe", "PRB-001"), ("readinessProbe", "PRB-001"), ("startupProbe", "PRB-003"))
      for field, value in (("scheme", "HTTPS"), ("host", "1.2.3.4"))),
    # Services, probes, network
    Mutation("service links", drop(COLLECTOR, f"{POD}.enableServiceLinks"), "SVC-004", COLLECTOR),
    Mutation("the collector's Service gone", remove("Service/observer"), "SVC-005", "Service/observer"),
    Mutation("the collector's port", put("Service/observer", "spec.ports.0.port", 8080), "SVC-005", "Service/observer"),
    Mutation("the collector's target", put("Service/observer", "spec.ports.0.targetPort", 8080), "SVC-005", "Service/observer"),
    Mutation("the collector's container port", put(COLLECTOR, f"{MAIN}.ports.0.containerPort", 8080), "SVC-005", COLLECTOR, also=("SVC-005", "PRB-001", "PRB-003")),
    Mutation("another SERVICE_PORT", put(CONFIG, "data.SERVICE_PORT", "8080"), "SVC-005", CONFIG),
    Mutation("a selector that matches nothing", put("Service/observer", "spec.selector.app", "obs"), "SVC-001", "Service/observer"),
    Mutation("operators see ready pods only", drop("Service/observer-operators", "spec.publishNotReadyAddresses"), "SVC-006", "Service/observer-operators"),
    Mutation("operators see other pods", put("Service/observer-operators", "spec.selector.app", "postgres"), "SVC-006", "Service/observer-operators", also=("SVC-001",)),
    Mutation("a node port", put("Service/observer", "spec.type", "NodePort"), "SVC-003", "Service/observer"),
    Mutation("the headless Service gone", remove("Service/postgres-headless"), "SVC-002", DATABASE),
    Mutation("the headless Service has an address", drop("Service/postgres-headless", "spec.clusterIP"), "SVC-002", "Service/postgres-headless"),
    Mutation("no liveness", drop(COLLECTOR, f"{MAIN}.livenessProbe"), "PRB-001", COLLECTOR),
    Mutation("no readiness", drop(COLLECTOR, f"{MAIN}.readinessProbe"), "PRB-001", COLLECTOR),
    Mutation("liveness asks for readiness", put(COLLECTOR, f"{MAIN}.livenessProbe.httpGet.path", "/ready"), "PRB-001", COLLECTOR),
    Mutation("liveness on another port", put(COLLECTOR, f"{MAIN}.livenessProbe.httpGet.port", 8001), "PRB-001", COLLECTOR),
    Mutation("readiness asks for liveness", put(COLLECTOR, f"{MAIN}.readinessProbe.httpGet.path", "/health"), "PRB-002", COLLECTOR),
    # The init step
    *(Mutation(f"init step without {name}", drop(COLLECTOR, f"{INIT}.volumeMounts.{HOME}/{name}"), "PRB-004", COLLECTOR) for name in MOUNTS),
    Mutation("init step without a temporary folder", drop(COLLECTOR, f"{INIT}.volumeMounts.tmp"), "PRB-004", COLLECTOR),
    Mutation("init step with a writable configuration", drop(COLLECTOR, f"{INIT}.volumeMounts.observer-config.readOnly"), "PRB-004", COLLECTOR),
    Mutation("init step without the configuration", drop(COLLECTOR, f"{INIT}.envFrom.0"), "PRB-004", COLLECTOR),
    Mutation("init step without the secret", drop(COLLECTOR, f"{INIT}.envFrom.1"), "PRB-004", COLLECTOR),
    Mutation("init step without POD_NAME", drop(COLLECTOR, f"{INIT}.env.POD_NAME"), "PRB-004", COLLECTOR),
    Mutation("init step with another path", add(COLLECTOR, f"{INIT}.env", {"name": "OBSERVER_DATA_DIR", "value": "/app"}), "PRB-004", COLLECTOR, also=("PATH-002", "ENV-002")),
    Mutation("init step that refuses for less", put(COLLECTOR, f"{INIT}.args", ["contracts", "verify", "--runtime", "--gate"]), "PRB-004", COLLECTOR),
    Mutation("init step that refuses without having looked", put(COLLECTOR, f"{INIT}.args", ["contracts", "verify", "--runtime", "--fail-on", "critical"]), "PRB-004", COLLECTOR),
    Mutation("init step as root", put(COLLECTOR, f"{INIT}.securityContext.runAsUser", 0), "CTX-001", COLLECTOR),
    Mutation("init step with another tag that moves", put(COLLECTOR, f"{INIT}.image", "ghcr.io/observer/observer:latest"), "IMG-001", COLLECTOR),
    Mutation("no startup probe", drop(COLLECTOR, f"{MAIN}.startupProbe"), "PRB-003", COLLECTOR),
    *(Mutation(f"egress {port} closed", drop_port("NetworkPolicy/observer", port), "NET-001", "NetworkPolicy/observer") for port in EGRESS),
    Mutation("names over UDP closed", drop_port("NetworkPolicy/observer", 53, "UDP"), "NET-001", "NetworkPolicy/observer"),
    Mutation("the API server closed", put("NetworkPolicy/observer", "spec.egress.3.ports.0.port", 1), "NET-001", "NetworkPolicy/observer"),
    Mutation("the database closed", put("NetworkPolicy/postgres", "spec.ingress.0.from.0.podSelector.matchLabels.app", "other"), "NET-001", "NetworkPolicy/postgres"),
    Mutation("the collector's port closed", put("NetworkPolicy/observer", "spec.ingress.0.ports.0.port", 9000), "NET-001", "NetworkPolicy/observer"),
    *(Mutation(f"{policy} lets every {direction} through", put(f"NetworkPolicy/{policy}", f"spec.{direction}", [{}]), "NET-001", f"NetworkPolicy/{policy}")
      for policy, direction in (("observer", "ingress"), ("observer", "egress"), ("postgres", "ingress"))),
    Mutation("an Ingress to the collector", lambda d: d.append(_ingress("observer", 8000)), "NET-001", "Ingress/door"),
    Mutation("an Ingress to the database", lambda d: d.append(_ingress("postgres", 5432)), "NET-001", "Ingress/door"),
    Mutation("a namespace that enforces nothing", put("Namespace/observer-prod", "metadata.labels", {}), "PSS-001", "Namespace/observer-prod"),
    Mutation("a privileged namespace", put("Namespace/observer-prod", "metadata.labels", {"pod-security.kubernetes.io/enforce": "privileged"}), "PSS-001", "Namespace/observer-prod"),
    Mutation("Dagster's copy of the configuration", put("ConfigMap/observer-environment", "data.DB_HOST", "zz"), "ENV-005", "ConfigMap/observer-environment"),
    # Dagster's pods, which no manifest has
    Mutation("the runs' label", put("NetworkPolicy/dagster-runs", "spec.podSelector.matchLabels", {"app.kubernetes.io/component": "run"}), "NET-002", "Pod/dagster-run"),
    Mutation("the runs' REST port", put("NetworkPolicy/dagster-runs", "spec.egress.0.ports.0.port", 9444), "NET-002", "Pod/dagster-run"),
    *(Mutation(f"the code's port {direction}", put(f"NetworkPolicy/{policy}", f"spec.{direction}.0.ports.0.port", 3031), "NET-002", f"Pod/{pod}", about_also=tuple(f"Pod/{one}" for one in ASKING))
      for policy, direction, pod in (("dagster-control", "egress", "dagster-daemon"), ("dagster-code", "ingress", "dagster-webserver"))),
    Mutation("names for Dagster", drop("NetworkPolicy/dagster", "spec.egress.0"), "NET-002", "Pod/dagster-run", about_also=tuple(f"Pod/{one}" for one in (*ASKING, "observer-pipeline"))),
    Mutation("the API server for Dagster", drop("NetworkPolicy/dagster-control-api", "spec.egress.0"), "NET-002", "Pod/dagster-daemon", about_also=("Pod/dagster-webserver",)),
    Mutation("the database for the code location", put("NetworkPolicy/postgres", "spec.ingress.0.from.1.podSelector.matchExpressions.0.values", ["dagster"]), "NET-002", "Pod/observer-pipeline"),
    # Images, resources, rights, shape
    Mutation("a binding to nobody", put("RoleBinding/dagster", "subjects.0.name", "nobody"), "RBAC-001", "RoleBinding/dagster", also=("RBAC-002",)),
    Mutation("a binding to everybody", put("RoleBinding/dagster", "subjects.0.name", "default"), "RBAC-001", "RoleBinding/dagster", also=("RBAC-002",)),
    *(Mutation(f"the shared account for {label}", change, "RBAC-001", label)
      for label, change in ((COLLECTOR, drop(COLLECTOR, f"{POD}.serviceAccountName")), (DATABASE, put(DATABASE, f"{POD}.serviceAccountName", "default")),
                            (MAINTENANCE, drop(MAINTENANCE, f"spec.jobTemplate.{POD}.serviceAccountName")))),
    *(Mutation(f"Dagster may not {verb} {resource}", lambda d, i=i, v=verb: _object(d, "Role/dagster")["rules"][i]["verbs"].remove(v), "RBAC-002", "ServiceAccount/dagster")
      for i, resource, verb in ((0, "jobs", "create"), (0, "jobs", "delete"), (1, "jobs/status", "get"), (2, "pods", "list"), (4, "pods/log", "get"))),
    *(Mutation(f"the launcher's account for {label}", put(label, f"{place}.serviceAccountName", "dagster"), "RBAC-001", label)
      for label, place in ((COLLECTOR, POD), (MAINTENANCE, f"spec.jobTemplate.{POD}"))),
    Mutation("the runs' role bound to nobody", remove("RoleBinding/dagster"), "RBAC-002", "ServiceAccount/dagster"),
    Mutation("more memory asked for than there is", put(COLLECTOR, f"{MAIN}.resources", {"requests": {"cpu": "1m", "memory": "20Gi"}, "limits": {"memory": "20Gi", "ephemeral-storage": "1Mi"}}), "RES-001", COLLECTOR),
    Mutation("a moving tag", put(COLLECTOR, f"{MAIN}.image", "ghcr.io/observer/observer:latest"), "IMG-001", COLLECTOR),
    Mutation("a foreign image", put(COLLECTOR, f"{MAIN}.image", "docker.io/someone/observer-fork:1"), "IMG-001", COLLECTOR),
    Mutation("no memory limit", drop(COLLECTOR, f"{MAIN}.resources.limits.memory"), "RES-001", COLLECTOR),
    Mutation("a wide role", lambda d: d.append({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "wide"}, "rules": [{"apiGroups": [""], "resources": ["*"], "verbs": ["get"]}]}), "RBAC-001", "Role/wide"),
    Mutation("a budget that blocks the one node", lambda d: d.append({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "standby"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "observer"}}}}), "PDB-001", "PodDisruptionBudget/standby"),
    Mutation("a budget that blocks", lambda d: d.append({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "db"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "postgres"}}}}), "PDB-001", "PodDisruptionBudget/db"),
    Mutation("a field misspelt", put(COLLECTOR, f"{MAIN}.securityContext.readonlyRootFilesystem", True), "RND-002", COLLECTOR),
    Mutation("a number in the ConfigMap", put(CONFIG, "data.DB_PORT", 5432), "RND-002", CONFIG),
    Mutation("another namespace", put("Service/postgres", "metadata.namespace", "default"), "NSP-001", "Service/postgres"),
    Mutation("no replicas", put(COLLECTOR, "spec.replicas", 0), "WRK-001", COLLECTOR),
    Mutation("the database gone", remove(DATABASE), "WRK-001", DATABASE, also=("SVC-001", "VOL-002")),
]  # fmt: skip


def _short(label: str) -> str:
    """The rendered ConfigMaps carry a hash."""
    kind, _, name = label.partition("/")
    return f"{kind}/{'-'.join(name.split('-')[:2])}" if kind == "ConfigMap" else label


def _data(documents: Documents, label: str) -> dict[str, Any]:
    found: dict[str, Any] = _object(documents, label)["data"]
    return found


def test_the_deployment_passes(production, verify_documents) -> None:
    """Before any mutation nothing is worse than WARN."""
    bad = [
        (r.rule.id, r.finding)
        for r in verify_documents(production)
        if r.status in (Status.FAIL, Status.UNKNOWN)
    ]
    assert bad == []


def test_there_are_enough_mutations() -> None:
    """At least eighty facts are broken, each under its own name, by rules of every static contract."""
    assert len(MUTATIONS) >= 80
    assert len({m.name for m in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_a_broken_fact_is_found(mutation: Mutation, production, verify_documents) -> None:
    """The rule of the fact fails at its object, and no other rule fails."""
    documents = copy.deepcopy(production)
    mutation.change(documents)
    assert documents != production
    failed = {
        (r.rule.id, _short(r.finding.object)) for r in verify_documents(documents) if r.status is Status.FAIL
    }
    wanted = {(mutation.rule, about) for about in (mutation.about, *mutation.about_also)}
    assert wanted <= failed
    # What is changed in one of the two copies of the configuration makes them differ as well.
    apart = {"ENV-008"} if _data(documents, CONFIG) != _data(documents, COPY) else set()
    assert {(rule, about) for rule, about in failed if rule not in {*mutation.also, *apart}} <= wanted
