"""Secrets of the cluster, asked for one by one.

Invariant: a list of Secrets is never asked for: it would hold the values of all of them, and the right to
list them is the right to read everything. Asked for by name is what workloads, SealedSecrets or the
declaration name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.live.access import Answer
from observer_contracts.evidence.live.cluster_objects import object_of, registry_hosts
from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.objects import items_at, text_at
from observer_contracts.evidence.workloads import Workload, workloads_of

if TYPE_CHECKING:
    from observer_contracts.evidence.live.reader import Reading

_APPLIED = ("Deployment", "StatefulSet", "DaemonSet", "CronJob")


def read_secrets(reading: Reading, declaration: Declaration) -> dict[str, tuple[str, ...]]:
    """Asks for each Secret that is named somewhere.

    Returns:
        The hosts of each registry Secret.
    """
    registries = {}
    for name in sorted(_named(reading, declaration)):
        path = f"/api/v1/namespaces/{declaration.namespace}/secrets/{name}"
        answer = reading.ask(path)
        if isinstance(answer, Answer) and answer.missing:
            continue
        if not isinstance(answer, Answer) or not answer.good:
            reading.refused[f"Secret/{name}"] = answer.reason
            continue
        hosts = registry_hosts(answer.content)
        if hosts:
            registries[name] = hosts
        found = object_of(answer.content, path, kind="Secret", version="v1")
        if found is not None:
            reading.objects.append(found)
    return registries


def _named(reading: Reading, declaration: Declaration) -> set[str]:
    objects = Manifests("cluster", tuple(found for found in reading.objects if found.kind in _APPLIED))
    names = {declaration.secret.name, declaration.pull_secret.name}
    names |= {found.name for found in reading.objects if found.kind == "SealedSecret"}
    for account in [found for found in reading.objects if found.kind == "ServiceAccount"]:
        names |= {text_at(item, "name") for _, item in account.items("imagePullSecrets")}
    for workload in workloads_of(objects):
        names |= set(_named_by(workload))
    return names - {""}


def _named_by(workload: Workload) -> Iterator[str]:
    for container in workload.containers:
        for _, source in items_at(container.fields, "envFrom"):
            yield text_at(source, "secretRef", "name")
        for _, entry in items_at(container.fields, "env"):
            yield text_at(entry, "valueFrom", "secretKeyRef", "name")
    for volume in workload.volumes.values():
        yield text_at(volume.source, "secretName")
        for _, source in items_at(volume.source, "sources"):
            yield text_at(source, "secret", "name")
    for _, item in items_at(workload.pod, "imagePullSecrets"):
        yield text_at(item, "name")
