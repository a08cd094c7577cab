"""What every pod of the values needs to start and to stay: an image, room for temporary files, memory.

Invariant: each pod is asked the same as the pods of the manifests, by the rule of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import Place, field_name, value_at
from observer_contracts.helm.charts import Chart
from observer_contracts.helm.pods import LAUNCHER, RUN_CONTAINER, RUN_POD, Pod, pods_of, read_whole
from observer_contracts.helm.values import HelmValues, Layered
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown
from observer_contracts.rules.volume import quantity

_NEEDED = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))


def temporary_folders(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """CTX-003: each pod with a read-only root can write where programs leave temporary files."""
    for pod in pods_of(evidence):
        if pod.layered.at(*pod.place, "securityContext", "readOnlyRootFilesystem") is not True:
            continue
        for folder in declaration.collector.temporary_folders:
            expected = f"{pod.name}: a volume at {folder}, as the root is read-only"
            place, mount = pod.mounts.get(folder, ((*pod.place, "volumeMounts"), {}))
            where = pod.layered.where(*place)
            if not mount:
                yield failed(str(pod.layered.chart), expected, "nothing is mounted there", where)
            elif mount.get("readOnly") is True:
                yield failed(str(pod.layered.chart), expected, "mounted read-only", where)
            else:
                yield passed(str(pod.layered.chart), expected, "mounted", where)


def resources_bounded(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """RES-001: each pod asks for memory and processor time and is limited in memory."""
    for pod in pods_of(evidence):
        given = _resources(pod)
        missing = [place for place in _NEEDED if quantity(value_at(given, *place)) is None]
        place: Place = (*pod.place, "resources")
        expected, where = f"{field_name(place)}: requests and a memory limit", pod.layered.where(*place)
        asked, limit = (quantity(value_at(given, kind, "memory")) or 0 for kind in ("requests", "limits"))
        if missing:
            observed = "missing: " + ", ".join(".".join(one) for one in missing)
            yield failed(str(pod.layered.chart), expected, observed, where)
        elif asked > limit:
            observed = "the request is larger than the limit"
            yield failed(str(pod.layered.chart), expected, observed, where)
        else:
            yield passed(str(pod.layered.chart), expected, "all there", where)


def _resources(pod: Pod) -> dict[str, Any]:
    """Of a run, what its container says goes over what the launcher says."""
    own = pod.layered.mapping(*RUN_CONTAINER, "resources") if pod.place == LAUNCHER else {}
    given = pod.layered.mapping(*pod.place, "resources")
    return {kind: (given.get(kind) or {}) | (own.get(kind) or {}) for kind in ("requests", "limits")}


def pull_secret_named(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-005: the pods of a chart, and the runs, pull their image with the declared registry Secret.

    A pod that names none has those of its account; one that names any has no others.
    """
    values: HelmValues | None = evidence.values
    place, name = ("imagePullSecrets",), declaration.pull_secret.name
    for layered in values.charts if values else ():
        chart, where = str(layered.chart), layered.where(*place)
        found = [str(item.get("name")) for _, item in layered.items(*place)]
        expected = f"imagePullSecrets: {name}"
        if name in found:
            yield passed(chart, expected, "named", where)
        elif not _pulls(layered):
            yield passed(chart, expected, "no image is ever pulled", where)
        elif found:
            yield failed(chart, expected, f"named are {', '.join(map(shown, found))}", where)
        else:
            yield _by_the_accounts(name, evidence, layered)


def _by_the_accounts(name: str, evidence: Evidence, layered: Layered) -> Finding:
    places: list[Place] = [("serviceAccount", "name")]
    if layered.chart is Chart.SYSTEM:
        places.append((*RUN_POD, "serviceAccountName"))
    where, expected = layered.where("imagePullSecrets"), f"imagePullSecrets: {name}"
    manifests = read_whole(evidence)
    if manifests is None:
        observed = "none: left to the accounts, which are in no given file"
        return passed(str(layered.chart), expected, observed, where)
    without = []
    for account in (str(layered.at(*place)) for place in places):
        found = manifests.find("ServiceAccount", account)
        named = [item.get("name") for _, item in found.items("imagePullSecrets")] if found else []
        without += [] if name in named else [account]
    if not without:
        return passed(str(layered.chart), expected, "named by the accounts", where)
    observed = f"none, and none at the account {', '.join(map(shown, without))}"
    return failed(str(layered.chart), expected, observed, where)


def _pulls(layered: Layered) -> bool:
    """Tells whether an image of the chart may come from a registry."""
    parts: list[Place] = [place for place, _ in layered.code_locations()]
    policies = [layered.at(*place, "image", "pullPolicy") for place in parts]
    if layered.chart is Chart.SYSTEM:
        policies += [
            layered.at(part, "image", "pullPolicy") for part in ("dagsterWebserver", "dagsterDaemon")
        ]
        policies.append(layered.at(*LAUNCHER, "imagePullPolicy"))
    return any(policy != "Never" for policy in policies)
