"""The keys that the charts know.

Invariant: the table is made from the charts' own models by a program
(`tests/deploy/helm/chart_shapes.py`); what stands here is only what no model says: keys that a template
reads and no model names, and where a key went that moved.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from observer_contracts.rules.shapes import load_shapes


class Chart(StrEnum):
    """A chart, by its name."""

    SYSTEM = "dagster"
    CODE = "dagster-user-deployments"


@dataclass(frozen=True, slots=True)
class KeyTable:
    """The keys of one mapping.

    Attributes:
        fields: Type of each key.
        refused: Whether Helm refuses any other key; else it is taken and ignored.
    """

    fields: dict[str, str]
    refused: bool


# Keys that a template reads and the models leave open.
_ALSO_READ: dict[str, dict[str, str]] = {
    Chart.SYSTEM: {"rbacEnabled": "bool", "extraManifests": "list[any]"},
    Chart.CODE: {"rbacEnabled": "bool", "extraManifests": "list[any]"},
    "Global": {"nameOverride": "str", "fullnameOverride": "str"},
    "UserDeployment": {"service": "DeploymentService"},
    "DeploymentService": {"annotations": "map[str]"},
    "UserDeployments": {
        "serviceAccount": "ServiceAccount", "rbacEnabled": "bool", "celeryConfigSecretName": "str",
        "dagsterHome": "str", "postgresqlSecretName": "str", "includeInstance": "bool",
    },
    # A free mapping in the model, of which the template prints these.
    "RunMonitoring": {
        "enabled": "bool", "startTimeoutSeconds": "int", "pollIntervalSeconds": "int",
        "maxRuntimeSeconds": "int", "maxResumeRunAttempts": "int", "freeSlotsAfterRunEndSeconds": "int",
    },
    "Switch": {"enabled": "bool"},
}  # fmt: skip
_TYPES_SAID_BETTER = {
    ("Daemon", "runMonitoring"): "RunMonitoring",
    ("RunK8sConfig", "containerConfig"): "V1Container",
    ("RunK8sConfig", "podSpecConfig"): "V1PodSpec",
    ("RunK8sConfig", "podTemplateSpecMetadata"): "V1ObjectMeta",
    ("RunK8sConfig", "jobSpecConfig"): "V1JobSpec",
    ("RunK8sConfig", "jobMetadata"): "V1ObjectMeta",
}
# Dagster merges these with what it makes itself, takes both spellings, and asks for no field.
PARTIAL = frozenset({"V1Container", "V1PodSpec", "V1ObjectMeta", "V1JobSpec"})

_RUN_POD = "runLauncher.config.k8sRunLauncher.runK8sConfig.podSpecConfig"
_NO_KEY = "nowhere: the chart has no key for it"

# Type and key -> where it belongs.
MOVED: dict[tuple[str, str], str] = {
    (Chart.SYSTEM, "dagit"): "dagsterWebserver",
    (Chart.SYSTEM, "userDeployments"): "dagster-user-deployments",
    (Chart.SYSTEM, "celery"): "runLauncher.config.celeryK8sRunLauncher",
    (Chart.SYSTEM, "pipelineRun"): "dagster-user-deployments.deployments",
    (Chart.SYSTEM, "nameOverride"): "global.nameOverride",
    (Chart.SYSTEM, "fullnameOverride"): "global.fullnameOverride",
    (Chart.SYSTEM, "nux"): "additionalInstanceConfig.nux",
    (Chart.SYSTEM, "env"): "dagsterWebserver.env, dagsterDaemon.env, and for runs k8sRunLauncher.envVars",
    ("Ingress", "dagit"): "ingress.dagsterWebserver",
    ("Ingress", "readOnlyDagit"): "ingress.readOnlyDagsterWebserver",
    ("RunMonitoring", "cancelTimeoutSeconds"): f"{_NO_KEY}; Dagster's own 180 s hold",
    ("RunRetries", "retryOnOpFailure"): "dagsterDaemon.runRetries.retryOnAssetOrOpFailure",
    ("K8sRunLauncherConfig", "env"): "envVars (KEY=VALUE), or runK8sConfig.containerConfig.env",
    ("K8sRunLauncherConfig", "podSecurityContext"): f"{_RUN_POD}.securityContext",
    ("K8sRunLauncherConfig", "serviceAccountName"): f"{_RUN_POD}.serviceAccountName",
    ("K8sRunLauncherConfig", "nodeSelector"): f"{_RUN_POD}.nodeSelector",
    ("K8sRunLauncherConfig", "tolerations"): f"{_RUN_POD}.tolerations",
    ("K8sRunLauncherConfig", "affinity"): f"{_RUN_POD}.affinity",
    ("K8sRunLauncherConfig", "enableServiceLinks"): f"{_RUN_POD}.enableServiceLinks",
    ("K8sRunLauncherConfig", "annotations"): "runK8sConfig.podTemplateSpecMetadata.annotations",
    ("K8sRunLauncherConfig", "imagePullSecrets"): "imagePullSecrets, at the top",
    ("K8sRunLauncherConfig", "ttlSecondsAfterFinished"): "runK8sConfig.jobSpecConfig.ttlSecondsAfterFinished",
    ("UserDeployment", "args"): "dagsterApiGrpcArgs, without `dagster api grpc`",
    ("UserDeployment", "command"): "dagsterApiGrpcArgs, without `dagster api grpc`",
    ("UserDeployment", "envFrom"): "envConfigMaps and envSecrets",
    ("UserDeployment", "replicas"): "replicaCount",
    ("UserDeployment", "strategy"): "deploymentStrategy",
    ("UserDeployment", "imagePullSecrets"): "imagePullSecrets, at the top",
    ("UserDeployment", "serviceAccountName"): "serviceAccount.name, at the top",
    ("UserDeployment", "serviceAccount"): "serviceAccount.name, at the top",
    ("UserDeployment", "enableServiceLinks"): _NO_KEY,
    ("UserDeployment", "automountServiceAccountToken"): _NO_KEY,
    ("UserDeployment", "terminationGracePeriodSeconds"): _NO_KEY,
    ("UserDeployment", "podSpecConfig"): _NO_KEY,
    ("Webserver", "readOnly"): "dagsterWebserver.enableReadOnly",
    ("Daemon", "replicaCount"): "nowhere: there is one daemon",
}

_SCALARS = frozenset({"str", "int", "bool", "any"})


@cache
def load_tables() -> dict[str, KeyTable]:
    """Returns the keys of every mapping of both charts, Kubernetes' own among them."""
    text = resources.files("observer_contracts.helm").joinpath("data/dagster_charts.json").read_text("utf-8")
    tables = {
        name: KeyTable(dict(found["fields"]), not found["open"])
        for name, found in json.loads(text)["types"].items()
    }
    for name, fields in _ALSO_READ.items():
        before = tables.get(name, KeyTable({}, refused=False))
        tables[name] = KeyTable(before.fields | fields, before.refused)
    for (name, key), better in _TYPES_SAID_BETTER.items():
        tables[name].fields[key] = better
    for key in ("rabbitmq", "redis", "flower"):
        tables[Chart.SYSTEM].fields[key] = "any"
    own = {
        name: KeyTable(_spelled(shape.fields), refused=True) for name, shape in load_shapes().types.items()
    }
    return own | tables


def _spelled(fields: dict[str, str]) -> dict[str, str]:
    """Returns fields of a Kubernetes type in the charts' words."""
    said = {"object": "any", "datetime": "str", "float": "any"}
    words = re.compile(rf"\b({'|'.join(said)})\b")
    return {
        key: re.sub(r"dict\[str, (.*)\]", r"map[\1]", words.sub(lambda match: said[match[1]], kind))
        for key, kind in fields.items()
    }


@cache
def places_of(key: str, chart: Chart) -> tuple[str, ...]:
    """Returns where a chart knows a key of that name, the highest first; not in Kubernetes' own types."""
    found = [path for path in _paths(chart, "", frozenset()) if path.rpartition(".")[2] == key]
    return tuple(sorted(found, key=lambda path: (path.count("."), path)))


def _paths(name: str, prefix: str, above: frozenset[str]) -> Iterator[str]:
    for key, kind in load_tables()[name].fields.items():
        path = f"{prefix}.{key}" if prefix else key
        yield path
        for part in kind.split("|"):
            inner = re.sub(r"^(list|map)\[(.*)\]$", r"\2", part)
            known = inner in load_tables() and not inner.startswith(("V1", "CoreV1")) and inner not in above
            if known:
                yield from _paths(inner, path, above | {inner})


def is_scalar(kind: str) -> bool:
    """Tells whether a type is no mapping and no list."""
    return kind in _SCALARS or kind.startswith("enum(")
